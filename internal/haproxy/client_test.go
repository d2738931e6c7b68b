package haproxy_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/haproxy"
)

// Addresses that cannot be meant are refused before anything is connected.
func TestNew(t *testing.T) {
	t.Parallel()
	for address, good := range map[string]bool{"/run/haproxy/admin.sock": true, "tcp://127.0.0.1:9999": true, "tcp://[::1]:9999": true,
		"": false, "admin.sock": false, "127.0.0.1:9999": false, "tcp://": false, "tls://[::1]:9999": true, "tls://h.example:1": true, "tls://host": false, "tls://": false, "udp://host:1": false,
		"tcp://host": false, "tcp://host:": false} {
		c, err := haproxy.New(address)
		if (err == nil) != good {
			t.Errorf("%q: got %v, want good %t", address, err, good)
		}
		if good && c.String() != address {
			t.Errorf("%q: got %s", address, c)
		}
	}
}

// A HAProxy that hangs is given up when the context ends, and that it may still do it is not denied.
func TestHung(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.Signal(syscall.SIGSTOP)
	t.Cleanup(func() { p.Signal(syscall.SIGCONT) })
	for _, address := range []string{p.dir + "/admin.sock", p.tcp} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		err := p.client(t, address).SetState(ctx, "readers", "pg1", haproxy.StateDrain)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, haproxy.ErrNotSent) {
			t.Errorf("%s: got %v, want the deadline, and no word of not sent", address, err)
		}
	}
}

// Nobody there, and a caller who has gone, is proof that nothing was sent.
func TestNotSent(t *testing.T) {
	t.Parallel()
	p := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.admin(t).SetState(ctx, "readers", "pg1", haproxy.StateDrain); !errors.Is(err, haproxy.ErrNotSent) {
		t.Errorf("canceled: got %v, want ErrNotSent", err)
	}
	p.Kill9()
	for _, address := range []string{p.dir + "/admin.sock", p.tcp} {
		if err := p.client(t, address).SetState(t.Context(), "readers", "pg1", haproxy.StateDrain); !errors.Is(err, haproxy.ErrNotSent) {
			t.Errorf("%s: got %v, want ErrNotSent", address, err)
		}
	}
}

// An answer without end, one that is cut off, and one of something that is no HAProxy are errors, not short lists.
func TestUnreadableAnswers(t *testing.T) {
	t.Parallel()
	const header = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight " +
		"srv_time_since_last_change srv_check_state srv_port\n"
	const row = "2 b 1 pg1 127.0.0.1 2 0 1 6 6 5432\n"
	const rest = "\n# pxname,svname,scur,bck,\nb,pg1,0,0,\n\nName: HAProxy\nUptime_sec: 7\n\n"
	for name, c := range map[string]struct {
		answer string
		good   bool
	}{
		"whole":             {header + row + rest, true},
		"endless":           {strings.Repeat("x", haproxy.MaxAnswer+1), false},
		"nothing":           {"", false},
		"http":              {"HTTP/1.1 400 Bad Request\r\n\r\n", false},
		"cut in a row":      {header + row[:20], false},
		"cut after a row":   {header + row, false},
		"without ages":      {header + row + strings.ReplaceAll(rest, "Uptime_sec: 7\n", ""), false},
		"another format":    {"2" + header[1:] + row + rest, false},
		"column missing":    {strings.ReplaceAll(header, " srv_admin_state", "") + strings.Replace(row, " 0 1", " 1", 1) + rest, false},
		"a cell too many":   {header + strings.TrimSpace(row) + " 9\n" + rest, false},
		"another backend":   {header + strings.ReplaceAll(row, " b ", " c ") + rest, false},
		"negative":          {header + strings.ReplaceAll(row, " 2 0 1 ", " 2 -1 1 ") + rest, false},
		"server unlisted":   {header + row + strings.ReplaceAll(rest, "b,pg1", "b,pg2"), false},
		"a word in between": {header + row + "\nPermission denied\n" + rest, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			servers, err := answering(t, c.answer).Servers(t.Context(), "b")
			if c.good != (err == nil) || c.good != (len(servers) == 1) {
				t.Errorf("got %+v, %v, want good %t", servers, err, c.good)
			}
		})
	}
}

// answering is a client of something that answers so, and closes.
func answering(t *testing.T, answer string) *haproxy.Client {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		if _, err := io.ReadAtLeast(c, make([]byte, 1<<10), 1); err == nil {
			_, _ = io.WriteString(c, answer)
		}
	}()
	c, err := haproxy.New("tcp://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return c
}
