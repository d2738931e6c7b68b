package testbed

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

// echo is a server that answers with what it is sent.
func echo(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn)
}

// says sends words and gives what comes back within a time.
func says(t *testing.T, c net.Conn, words string, within time.Duration) (string, error) {
	t.Helper()
	if words != "" {
		if _, err := c.Write([]byte(words)); err != nil {
			return "", err
		}
	}
	if err := c.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	n, err := c.Read(buf)
	return string(buf[:n]), err
}

// ends is nil if a new connection is reset, which can happen while it is being made.
func ends(t *testing.T, addr string) error {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, soon)
	if err != nil {
		return nil
	}
	defer c.Close()
	if got, err := says(t, c, "", soon); err == nil || isTimeout(err) {
		return fmt.Errorf("got %q and %v, want its end", got, err)
	}
	return nil
}

func isTimeout(err error) bool {
	e, ok := err.(net.Error)
	return ok && e.Timeout()
}

const soon, silence = 10 * time.Second, 100 * time.Millisecond

// A good link carries everything in order, both ways, more than its buffers hold, and the end of each way for itself.
func TestProxyCarries(t *testing.T) {
	t.Parallel()
	l := Proxy(t, ProxyConfig{Target: echo(t)})
	c := dial(t, l.Addr)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 512<<10) // 8 MiB
	go func() {
		_, _ = c.Write(sent)
		_ = c.CloseWrite()
	}()
	if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("got %d bytes and %v, want the %d that were sent", len(got), err, len(sent))
	}
}

// A cut link drops its connections and refuses new ones, until it is mended.
func TestProxyCut(t *testing.T) {
	t.Parallel()
	l := Proxy(t, ProxyConfig{Target: echo(t)})
	c := dial(t, l.Addr)
	if got, err := says(t, c, "hello", soon); got != "hello" {
		t.Fatalf("got %q and %v through a good link", got, err)
	}
	l.Cut()
	if got, err := says(t, c, "", soon); err == nil || isTimeout(err) {
		t.Errorf("got %q and %v through a cut link, want the connection's end", got, err)
	}
	if err := ends(t, l.Addr); err != nil {
		t.Errorf("a new connection through a cut link: %v", err)
	}
	l.Heal()
	if got, err := says(t, dial(t, l.Addr), "hello", soon); got != "hello" {
		t.Errorf("got %q and %v through a mended link", got, err)
	}
}

// What a silent link holds arrives when it is mended, whichever way was lost; so do connections that were made meanwhile.
func TestProxyHold(t *testing.T) {
	t.Parallel()
	for _, ways := range [][]Direction{{ToTarget}, {FromTarget}, nil} {
		l := Proxy(t, ProxyConfig{Target: echo(t)})
		c := dial(t, l.Addr)
		if got, err := says(t, c, "a", soon); got != "a" {
			t.Fatalf("got %q and %v through a good link", got, err)
		}
		l.Hold(ways...)
		fresh := dial(t, l.Addr)
		for _, conn := range []net.Conn{c, fresh} {
			if got, err := says(t, conn, "b", silence); !isTimeout(err) {
				t.Errorf("held %v: got %q and %v, want silence", ways, got, err)
			}
		}
		l.Heal()
		for _, conn := range []net.Conn{c, fresh} {
			if got, err := says(t, conn, "", soon); got != "b" {
				t.Errorf("held %v: got %q and %v when it was mended, want what was held", ways, got, err)
			}
		}
	}
}

// A slow link is late by what was asked for, each way.
func TestProxyDelay(t *testing.T) {
	t.Parallel()
	const d = 50 * time.Millisecond
	l := Proxy(t, ProxyConfig{Target: echo(t)})
	c := dial(t, l.Addr)
	for _, test := range []struct {
		ways []Direction
		want time.Duration
	}{{[]Direction{ToTarget}, d}, {[]Direction{FromTarget}, d}, {nil, 2 * d}} {
		l.Heal()
		l.Delay(d, test.ways...)
		began := time.Now()
		got, err := says(t, c, "a", soon)
		if took := time.Since(began); got != "a" || took < test.want {
			t.Errorf("slow %v: got %q and %v after %s, want it after %s", test.ways, got, err, took, test.want)
		}
	}
}

// A narrow link takes the time that its width says, whichever way is narrow, and is wide again as soon as it is mended.
func TestProxyNarrow(t *testing.T) {
	t.Parallel()
	const rate, size = 1 << 20, 128 << 10
	transfer := func(c net.Conn) (time.Duration, error) {
		began := time.Now()
		go func() { _, _ = c.Write(make([]byte, size)) }()
		if err := c.SetReadDeadline(began.Add(soon)); err != nil {
			return 0, err
		}
		_, err := io.ReadFull(c, make([]byte, size))
		return time.Since(began), err
	}
	for _, ways := range [][]Direction{{ToTarget}, {FromTarget}, nil} {
		l := Proxy(t, ProxyConfig{Target: echo(t)})
		c := dial(t, l.Addr)
		l.Narrow(rate, ways...)
		if took, err := transfer(c); err != nil || took < time.Second*size/rate {
			t.Errorf("narrow %v: %d bytes took %s and %v, want at least what the width says", ways, size, took, err)
		}
		l.Narrow(1, ways...) // a day and a half
		go l.Heal()
		if _, err := transfer(c); err != nil {
			t.Errorf("narrow %v: got %v after it was mended", ways, err)
		}
	}
}

// A target that does not answer is a connection that ends, and the link carries again when it does.
func TestProxyTargetDown(t *testing.T) {
	t.Parallel()
	l := Proxy(t, ProxyConfig{Target: Addr(t)})
	if err := ends(t, l.Addr); err != nil {
		t.Error(err)
	}
}
