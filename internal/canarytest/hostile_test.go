package canarytest

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// speaker serves a protocol that is not HTTP, and says back what it hears.
func (e *ear) speaker(t *testing.T, who string, serve func(who string, c net.Conn)) string {
	t.Helper()
	addr := testbed.Addr(t)
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatalf("listen for %s: %v", who, err)
	}
	var mu sync.Mutex // guards open and closed
	open, closed := map[net.Conn]bool{}, false
	var work sync.WaitGroup
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // it is closed
			}
			mu.Lock()
			open[c] = !closed
			mu.Unlock()
			work.Go(func() {
				serve(who, c)
				_ = c.Close()
				mu.Lock()
				delete(open, c)
				mu.Unlock()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		closed = true
		for c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		work.Wait()
	})
	return addr
}

// postgres asks for the password in the clear, and says it back in its refusal.
func (e *ear) postgres(who string, c net.Conn) {
	const sslRequest, gssRequest = 80877103, 80877104
	for {
		var head [8]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return
		}
		code := binary.BigEndian.Uint32(head[4:])
		rest := make([]byte, max(0, min(1<<16, int(binary.BigEndian.Uint32(head[:4]))-8)))
		if _, err := io.ReadFull(c, rest); err != nil {
			return
		}
		if code == sslRequest || code == gssRequest {
			_, _ = c.Write([]byte("N"))
			continue
		}
		e.keep(who+": startup", rest)
		break
	}
	_, _ = c.Write([]byte{'R', 0, 0, 0, 8, 0, 0, 0, 3})
	var head [5]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return
	}
	password := make([]byte, max(0, min(1<<16, int(binary.BigEndian.Uint32(head[1:]))-4)))
	if _, err := io.ReadFull(c, password); err != nil {
		return
	}
	e.keep(who+": password", password)
	said := strings.TrimRight(string(password), "\x00")
	body := "SFATAL\x00VFATAL\x00C28P01\x00Mpassword authentication failed, you said " + said + "\x00Dyou said " + said + "\x00Htry " + said + "\x00\x00"
	_, _ = c.Write(binary.BigEndian.AppendUint32([]byte{'E'}, uint32(len(body)+4)))
	_, _ = io.WriteString(c, body)
}

// redis says back each word that it hears.
func (e *ear) redis(who string, c net.Conn) {
	lines := bufio.NewReader(c)
	for {
		head, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		var n int
		if _, err := fmt.Sscanf(head, "*%d", &n); err != nil {
			return
		}
		var words []string
		for range min(n, 64) {
			_, err := lines.ReadString('\n')
			word, err2 := lines.ReadString('\n')
			if err != nil || err2 != nil {
				return
			}
			words = append(words, strings.TrimSpace(word))
		}
		said := strings.Join(words, " ")
		e.keep(who+": command", []byte(said))
		fmt.Fprintf(c, "-WRONGPASS you said '%s'\r\n", said)
	}
}

// nats says back the words with which somebody connects.
func (e *ear) nats(who string, c net.Conn) {
	_, _ = io.WriteString(c, `INFO {"server_id":"X","version":"2.11.0","proto":1,"max_payload":1048576,"auth_required":true,"nonce":"abc","headers":true}`+"\r\n")
	said, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return
	}
	e.keep(who+": connect", []byte(said))
	fmt.Fprintf(c, "-ERR 'Authorization Violation: you said %s'\r\n", strings.TrimSpace(strings.ReplaceAll(said, "'", "")))
}

// mute takes a line, and says it back in what is no protocol at all.
func (e *ear) mute(who string, c net.Conn) {
	line, err := bufio.NewReader(c).ReadString('\n')
	e.keep(who+": line", []byte(line))
	if err == nil {
		fmt.Fprintf(c, "?? you said %s", line)
	}
}
