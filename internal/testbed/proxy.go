package testbed

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// Direction is one way through a [Link].
type Direction int

// The two ways. A network can lose one of them and keep the other.
const (
	// ToTarget is from who connected to the target.
	ToTarget Direction = iota
	// FromTarget is what the target answers.
	FromTarget
)

// String is the direction as people write it.
func (d Direction) String() string {
	if d == ToTarget {
		return "to the target"
	}
	return "from the target"
}

const (
	// linkChunk is how much is read at once; linkChunks of them may be under way each way of a connection, then its
	// sender feels that nobody takes what it sends, as it would with a full socket buffer.
	linkChunk  = 32 << 10
	linkChunks = 64
	// linkConns bounds the connections of one link. More are refused.
	linkConns = 1024
	// linkDial is how long a target may take to accept.
	linkDial = 5 * time.Second
	// linkBreath is how much a narrow link lets through at once, as time: what it carries comes evenly, and mending it helps soon.
	linkBreath = 20 * time.Millisecond
)

// ProxyConfig is where a link begins and ends.
type ProxyConfig struct {
	// Listen is the address that clients connect to; empty: a free one on the loopback interface.
	Listen string
	// Target is the address that they reach. It need not answer yet.
	Target string
}

// Link is a TCP proxy: a cable that can be cut, slowed and mended. Its methods may be called from any goroutine.
type Link struct {
	// Addr is where it listens.
	Addr string

	target   string
	listener net.Listener
	done     context.Context //nolint:containedctx // the link's life
	wg       sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	weather weather
	changed chan struct{}         // closed when the weather changes
	conns   map[net.Conn]struct{} // all open ones, of both sides
}

// weather is how a link is at the moment. The zero value is a good link.
type weather struct {
	cut   bool
	held  [2]bool // by Direction
	delay [2]time.Duration
	rate  [2]int // bytes a second, 0 for as many as there are
}

// Proxy starts a link, which ends with the test.
func Proxy(t TB, c ProxyConfig) *Link {
	t.Helper()
	listener := c.listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	l := &Link{Addr: listener.Addr().String(), target: c.Target, listener: listener, done: ctx,
		changed: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	t.Cleanup(func() {
		cancel()
		_ = listener.Close()
		l.drop()
		l.wg.Wait()
	})
	l.wg.Go(l.accept)
	return l
}

func (c ProxyConfig) listen(t TB) net.Listener {
	t.Helper()
	if c.Listen == "" {
		return listenAnywhere(t)
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		t.Fatalf("testbed: listen for %s: %v", c.Target, err)
	}
	return listener
}

// Cut drops every connection and refuses new ones: the far end is down, and says so.
func (l *Link) Cut() {
	l.become(func(w *weather) { w.cut = true })
	l.drop()
}

// Hold lets nothing pass in the given directions, both if none is given, and tells nobody: packets are lost, and sent again
// by TCP when the link is mended. Connections stay, and new ones are accepted and wait.
func (l *Link) Hold(ways ...Direction) {
	l.become(func(w *weather) {
		for _, d := range orBoth(ways) {
			w.held[d] = true
		}
	})
}

// Delay lets everything that is sent from now on arrive later by d in the given directions, both if none is given.
func (l *Link) Delay(d time.Duration, ways ...Direction) {
	l.become(func(w *weather) {
		for _, way := range orBoth(ways) {
			w.delay[way] = d
		}
	})
}

// Narrow lets at most so many bytes a second pass in the given directions, both if none is given, on each connection. What waits at the
// link is up to two megabytes, beside what the machines' own buffers hold. Zero ends it.
func (l *Link) Narrow(bytesPerSecond int, ways ...Direction) {
	l.become(func(w *weather) {
		for _, way := range orBoth(ways) {
			w.rate[way] = bytesPerSecond
		}
	})
}

// Heal makes it a good link again. What was held arrives now.
func (l *Link) Heal() { l.become(func(w *weather) { *w = weather{} }) }

func orBoth(ways []Direction) []Direction {
	if len(ways) == 0 {
		return []Direction{ToTarget, FromTarget}
	}
	return ways
}

func (l *Link) become(change func(*weather)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.weather)
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *Link) now() (weather, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.weather, l.changed
}

// keep registers a connection. It is false where there is no place for one.
func (l *Link) keep(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.weather.cut || len(l.conns) >= 2*linkConns || l.done.Err() != nil {
		return false
	}
	l.conns[c] = struct{}{}
	return true
}

// drop resets every connection.
func (l *Link) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		reset(c)
	}
	clear(l.conns)
}

// part closes a connection that is over.
func (l *Link) part(c net.Conn) {
	l.mu.Lock()
	delete(l.conns, c)
	l.mu.Unlock()
	_ = c.Close()
}

// reset ends a connection as a machine does that knows nothing of it.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

func (l *Link) accept() {
	for {
		c, err := l.listener.Accept()
		if err != nil {
			return // it was closed: the test is over
		}
		if !l.keep(c) {
			reset(c)
			continue
		}
		l.wg.Go(func() { l.serve(c) })
	}
}

// serve carries one connection until both of its ways have ended.
func (l *Link) serve(from net.Conn) {
	defer l.part(from)
	if !l.await(ToTarget, time.Time{}) { // a connection cannot be made through a link that lets nothing pass
		return
	}
	to, err := net.DialTimeout("tcp", l.target, linkDial)
	if err != nil {
		reset(from)
		return
	}
	if !l.keep(to) {
		reset(to)
		return
	}
	defer l.part(to)
	var both sync.WaitGroup
	both.Go(func() { l.carry(ToTarget, from, to) })
	both.Go(func() { l.carry(FromTarget, to, from) })
	both.Wait()
}

// chunk is a piece of a stream, and when it may arrive.
type chunk struct {
	data []byte
	due  time.Time
}

// carry moves what src sends to dst. Its end is carried like everything else, so a held link hides that too.
func (l *Link) carry(way Direction, src, dst net.Conn) {
	pieces := make(chan chunk, linkChunks)
	gone := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(pieces)
		l.read(way, src, pieces, gone)
	})
	defer reading.Wait()
	defer close(gone)
	for p := range pieces {
		if !l.await(way, p.due) {
			break
		}
		if err := l.deliver(way, p.data, dst); err != nil {
			reset(src)
			reset(dst)
			return
		}
	}
	if l.await(way, time.Time{}) {
		if half, ok := dst.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
			return
		}
	}
	_ = dst.Close()
}

// deliver writes data as fast as the link is wide. The link's end cuts it short.
func (l *Link) deliver(way Direction, data []byte, dst io.Writer) error {
	for len(data) > 0 {
		piece := len(data)
		var due time.Time
		if w, _ := l.now(); w.rate[way] > 0 {
			breath := max(1, int(int64(w.rate[way])*int64(linkBreath)/int64(time.Second)))
			piece = min(piece, breath)
			due = time.Now().Add(time.Duration(int64(piece) * int64(time.Second) / int64(w.rate[way])))
		}
		if !l.await(way, due) {
			return nil
		}
		if _, err := dst.Write(data[:piece]); err != nil {
			return err
		}
		data = data[piece:]
	}
	return nil
}

func (l *Link) read(way Direction, src io.Reader, pieces chan<- chunk, gone <-chan struct{}) {
	for {
		buf := make([]byte, linkChunk)
		n, err := src.Read(buf)
		if n > 0 {
			w, _ := l.now()
			select {
			case pieces <- chunk{buf[:n], time.Now().Add(w.delay[way])}:
			case <-gone:
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// await waits until something that is due then may pass. It is false when the link has ended.
func (l *Link) await(way Direction, due time.Time) bool {
	for {
		w, changed := l.now()
		var late <-chan time.Time
		if !w.held[way] {
			wait := time.Until(due)
			if wait <= 0 {
				return l.done.Err() == nil
			}
			late, changed = time.After(wait), nil
		}
		select {
		case <-changed:
		case <-late:
		case <-l.done.Done():
			return false
		}
	}
}
