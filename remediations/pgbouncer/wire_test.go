package pgbouncer_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// wire carries connections to a PgBouncer, reads what is said to its console, and can lose the answers to it.
type wire struct {
	addr, target string

	mu    sync.Mutex
	mute  bool                  // the answers to changes are lost
	met   func(command string)  // is called when a change comes by, before it is passed on; nil: nobody is
	said  []string              // all changes that came by
	conns map[net.Conn]struct{} // the open ones
}

// newWire lays a wire. What comes by is counted until the test ends.
func newWire(t *testing.T, target string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{addr: l.Addr().String(), target: target, conns: map[net.Conn]struct{}{}}
	var running sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		w.mu.Lock()
		for c := range w.conns {
			_ = c.Close()
		}
		w.mu.Unlock()
		running.Wait()
	})
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { w.carry(c) })
		}
	})
	return w
}

func (w *wire) keep(c net.Conn, open bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if open {
		w.conns[c] = struct{}{}
		return
	}
	delete(w.conns, c)
	_ = c.Close()
}

func (w *wire) carry(from net.Conn) {
	w.keep(from, true)
	defer w.keep(from, false)
	to, err := net.Dial("tcp", w.target)
	if err != nil {
		return
	}
	w.keep(to, true)
	defer w.keep(to, false)
	lost := make(chan struct{})
	back := make(chan struct{})
	go func() {
		defer close(back)
		defer from.Close()
		buffer := make([]byte, 32<<10)
		for {
			n, err := to.Read(buffer)
			select {
			case <-lost: // until the client has given up
				if err == nil {
					continue
				}
				return
			default:
			}
			if n > 0 {
				_, _ = from.Write(buffer[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	w.pass(bufio.NewReader(from), to, lost)
	_ = to.Close()
	<-back
}

// pass reads message by message: the first has no type.
func (w *wire) pass(from *bufio.Reader, to io.Writer, lost chan struct{}) {
	for first := true; ; first = false {
		header := make([]byte, 5)
		if first {
			header = header[1:]
		}
		if _, err := io.ReadFull(from, header); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(header[len(header)-4:])-4)
		if _, err := io.ReadFull(from, body); err != nil {
			return
		}
		command := strings.TrimRight(string(body), "\x00")
		if !first && header[0] == 'Q' && !strings.HasPrefix(command, "SHOW ") && w.meet(command) {
			close(lost)
		}
		if _, err := to.Write(append(header, body...)); err != nil {
			return
		}
	}
}

// meet notes a change that comes by, and says whether its answer is to be lost.
func (w *wire) meet(command string) bool {
	w.mu.Lock()
	w.said = append(w.said, command)
	mute, met := w.mute, w.met
	w.mu.Unlock()
	if met != nil {
		met(command)
	}
	return mute
}

// muted runs do with the answers to changes lost.
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

// meeting calls met at each change from now on, before it reaches the pooler.
func (w *wire) meeting(met func(command string)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.met = met
}

// count is how many changes with this beginning came by.
func (w *wire) count(beginning string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, said := range w.said {
		if strings.HasPrefix(said, beginning) {
			n++
		}
	}
	return n
}
