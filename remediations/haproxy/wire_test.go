package haproxy_test

import (
	"bufio"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// wire carries lines to HAProxy, and can lose answers or keep lines back.
type wire struct {
	address string // as the client takes it

	mu   sync.Mutex
	mute bool               // the answers to drains are lost
	held chan chan struct{} // where drains wait; nil: nowhere
}

// newWire lays a wire to a HAProxy, by the network "unix" or "tcp".
func newWire(t *testing.T, b *bench, network string) *wire {
	t.Helper()
	w := &wire{}
	here, there := filepath.Join(b.dir, "wire.sock"), b.socket()
	w.address = here
	if network == "tcp" {
		here, there = testbed.Addr(t), b.tcp
		w.address = "tcp://" + here
	}
	l, err := net.Listen(network, here)
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); running.Wait() })
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { w.carry(c, network, there) })
		}
	})
	return w
}

func (w *wire) carry(from net.Conn, network, there string) {
	defer from.Close()
	line, err := bufio.NewReader(from).ReadString('\n')
	if err != nil {
		return
	}
	drains := strings.Contains(line, " state drain")
	w.mu.Lock()
	mute, held := w.mute && drains, w.held
	w.mu.Unlock()
	if held != nil && drains {
		pass := make(chan struct{})
		held <- pass
		<-pass
	}
	to, err := net.Dial(network, there)
	if err != nil {
		return
	}
	defer to.Close()
	_, _ = io.WriteString(to, line)
	answer, _ := io.ReadAll(to)
	if mute {
		_, _ = io.Copy(io.Discard, from) // until the client has given up
		return
	}
	_, _ = from.Write(answer)
}

// muted runs do with the answers to drains lost.
func (w *wire) muted(do func()) {
	set := func(mute bool) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.mute = mute
	}
	set(true)
	defer set(false)
	do()
}

// hold keeps drains back from now on. What is received stands at the wire, and passes when it is closed.
func (w *wire) hold() <-chan chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = make(chan chan struct{})
	return w.held
}
