package breakertest

import (
	"net"
	"strings"
	"sync"
	"testing"
)

// Wire is a TCP connection to a server that can be held in either direction, as a slow network does: nothing is lost,
// everything arrives later.
type Wire struct {
	listener net.Listener
	target   string
	Up, Down *Gate
}

// Gate lets bytes pass while it is open.
type Gate struct {
	mu     sync.Mutex
	closed bool
	change *sync.Cond
}

func newGate() *Gate {
	g := &Gate{}
	g.change = sync.NewCond(&g.mu)
	return g
}

// Hold keeps what comes from now on.
func (g *Gate) Hold() { g.set(true) }

// Release delivers what was kept, and lets pass what follows.
func (g *Gate) Release() { g.set(false) }

func (g *Gate) set(closed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = closed
	g.change.Broadcast()
}

// wait returns when the gate is open.
func (g *Gate) wait() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.closed {
		g.change.Wait()
	}
}

// NewWire returns a wire to the server.
func NewWire(t *testing.T, s *Server) *Wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	w := &Wire{listener: l, target: strings.TrimPrefix(s.URL(), "nats://"), Up: newGate(), Down: newGate()}
	go w.accept()
	t.Cleanup(func() {
		_ = l.Close()
		w.Up.Release()
		w.Down.Release()
	})
	return w
}

// URL is where a client connects to, in order to go through the wire.
func (w *Wire) URL() string { return "nats://" + w.listener.Addr().String() }

func (w *Wire) accept() {
	for {
		client, err := w.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", w.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		go pump(server, client, w.Up)
		go pump(client, server, w.Down)
	}
}

// pump ends both directions when one of them ends.
func pump(to, from net.Conn, gate *Gate) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		gate.wait()
		if n > 0 {
			if _, werr := to.Write(buffer[:n]); werr != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
