package fakeslack

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// maxAck is what Slack reads of one frame of the app; more is dropped without a word.
	maxAck = 20 << 10
	// ticketLives is how long the URL from apps.connections.open works. It works once.
	ticketLives = 30 * time.Second
	// writeWithin is how long a frame may take to be written.
	writeWithin = 5 * time.Second
	// goodbyeWithin is how long a connection that Slack ended is listened to.
	goodbyeWithin = time.Second
)

// DisconnectReason is why Slack ends a connection.
type DisconnectReason string

const (
	// Warning: the connection will be closed in some seconds.
	Warning DisconnectReason = "warning"
	// RefreshRequested: the connection was open for long enough. It is closed right after.
	RefreshRequested DisconnectReason = "refresh_requested"
	// LinkDisabled: Socket Mode was turned off for the app. All connections are closed and none is given any more.
	LinkDisabled DisconnectReason = "link_disabled"
	// tooManySockets: this connection was one too many.
	tooManySockets DisconnectReason = "too_many_websockets"
)

// sockets are the open connections.
type sockets struct {
	made     int
	disabled bool
	tickets  map[string]time.Time
	open     []*socket
	// pending are the envelopes that can still be acked, also too late.
	pending map[string]*envelope
	strange int
}

// socket is one connection of the app.
type socket struct {
	id   int
	conn *websocket.Conn
	// gone is closed when it can bring no ack any more.
	gone chan struct{}
	// writing serialises frames; closing makes cutting it twice harmless.
	writing sync.Mutex
	closing sync.Once
}

func (k *socket) send(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return k.sendText(text)
}

func (k *socket) sendText(text []byte) error {
	k.writing.Lock()
	defer k.writing.Unlock()
	if err := k.conn.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return err
	}
	return k.conn.WriteMessage(websocket.TextMessage, text)
}

// cut closes the TCP connection without a word.
func (k *socket) cut() { k.closing.Do(func() { _ = k.conn.NetConn().Close() }) }

// close says goodbye and gives the app a moment to say it too; the end of reading cuts the connection then. Cutting it at
// once could destroy what the app has not read yet.
func (k *socket) close() {
	deadline := time.Now().Add(writeWithin)
	_ = k.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), deadline)
	_ = k.conn.NetConn().SetReadDeadline(time.Now().Add(goodbyeWithin))
}

// openConnection gives out the URL of one connection. Which code Slack has for an app without Socket Mode is not documented;
// clients must not give up because of it.
func (s *Server) openConnection(args) (object, error) {
	if s.sockets.disabled {
		return nil, refusal{code: "socket_mode_not_enabled"}
	}
	if s.sockets.tickets == nil {
		s.sockets.tickets = map[string]time.Time{}
	}
	ticket := "ticket-" + s.exchange.number()
	s.sockets.tickets[ticket] = s.config.Now()
	return object{"url": "ws://" + s.base + "/link/?ticket=" + ticket + "&app_id=" + s.config.App.ID}, nil
}

// serveSocket makes a connection of a ticket.
func (s *Server) serveSocket(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	fault := s.faults.take(SocketConnect)
	given, ok := s.sockets.tickets[r.URL.Query().Get("ticket")]
	delete(s.sockets.tickets, r.URL.Query().Get("ticket"))
	fresh := ok && s.config.Now().Sub(given) <= ticketLives
	closed := s.closed
	s.mu.Unlock()
	switch {
	case fault.Kind != "":
		s.failInstead(w, r, fault)
		return
	case closed:
		cut()
	case !fresh:
		http.Error(w, "ticket is used up or unknown", http.StatusForbidden)
		return
	}
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	k := &socket{conn: conn, gone: make(chan struct{})}
	n, ok := s.join(k)
	if !ok {
		_ = k.send(object{"type": "disconnect", "reason": tooManySockets, "debug_info": debugInfo()})
		k.close()
		s.read(k)
		k.cut()
		return
	}
	if k.send(s.hello(n)) != nil {
		k.cut()
	}
	ctx, cancel := context.WithCancel(context.Background())
	var pings sync.WaitGroup
	pings.Go(func() { s.ping(ctx, k) })
	s.read(k)
	cancel()
	pings.Wait()
	s.leave(k)
}

func debugInfo() object {
	return object{"host": "applink-1", "started": "2026-01-01 00:00:00.000", "build_number": 1, "approximate_connection_time": 18060}
}

func (s *Server) hello(connections int) object {
	return object{
		"type": "hello", "num_connections": connections, "debug_info": debugInfo(),
		"connection_info": object{"app_id": s.config.App.ID},
	}
}

// join adds a connection, if there is room, and says how many there are now.
func (s *Server) join(k *socket) (int, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.faults.down || s.sockets.disabled || len(s.sockets.open) >= s.config.Socket.MaxConnections {
		return 0, false
	}
	s.sockets.made++
	k.id = s.sockets.made
	s.sockets.open = append(s.sockets.open, k)
	s.work.Add(1)
	s.touch()
	return len(s.sockets.open), true
}

func (s *Server) leave(k *socket) {
	k.cut()
	s.mu.Lock()
	s.sockets.open = slices.DeleteFunc(slices.Clone(s.sockets.open), func(o *socket) bool { return o == k })
	close(k.gone)
	s.touch()
	s.mu.Unlock()
	s.work.Done()
}

func (s *Server) ping(ctx context.Context, k *socket) {
	if s.config.Socket.PingEvery < 0 {
		return
	}
	tick := time.NewTicker(s.config.Socket.PingEvery)
	defer tick.Stop()
	for {
		// The first goes out at once: clients count from it.
		if k.conn.WriteControl(websocket.PingMessage, []byte("ping"), time.Now().Add(writeWithin)) != nil {
			k.cut()
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// read takes acks until the connection ends.
func (s *Server) read(k *socket) {
	for {
		kind, text, err := k.conn.ReadMessage()
		if err != nil {
			return
		}
		if kind == websocket.TextMessage {
			s.acked(text)
		}
	}
}

// ErrNoConnection says that nobody is connected.
var ErrNoConnection = errors.New("the app has no connection")

// Sockets counts the open connections.
func (s *Server) Sockets() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sockets.open)
}

// Connections counts the connections that were ever open.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sockets.made
}

// StrangeFrames counts what the app sent that acked nothing: unknown envelopes, no JSON, frames that are too large.
func (s *Server) StrangeFrames() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sockets.strange
}

// all is a copy of the open connections.
func (s *Server) all() []*socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sockets.open)
}

// pick chooses a connection that was not tried yet; if all were, any.
func (s *Server) pick(tried []*socket) (*socket, error) {
	open := s.all()
	fresh := slices.DeleteFunc(slices.Clone(open), func(k *socket) bool { return slices.Contains(tried, k) })
	if len(fresh) == 0 {
		fresh = open
	}
	if len(fresh) == 0 {
		return nil, ErrNoConnection
	}
	choose := s.config.Socket.Pick
	if choose == nil {
		choose = rand.IntN
	}
	return fresh[choose(len(fresh))], nil
}

// Disconnect tells every connection that it will end. Only a Warning leaves them open.
func (s *Server) Disconnect(reason DisconnectReason) {
	if reason == LinkDisabled {
		s.mu.Lock()
		s.sockets.disabled = true
		s.mu.Unlock()
	}
	for _, k := range s.all() {
		if k.send(object{"type": "disconnect", "reason": reason, "debug_info": debugInfo()}) != nil || reason != Warning {
			k.close()
		}
	}
}

// EnableSockets allows connections again after LinkDisabled.
func (s *Server) EnableSockets() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sockets.disabled = false
}

// CutSockets ends every connection without a word, as a lost network does.
func (s *Server) CutSockets() { s.cutSockets() }

func (s *Server) cutSockets() {
	for _, k := range s.all() {
		k.cut()
	}
}

// TearSockets ends every connection in the middle of a frame.
func (s *Server) TearSockets() {
	for _, k := range s.all() {
		k.writing.Lock()
		// A text frame of 4096 bytes, of which ten come.
		_, _ = k.conn.NetConn().Write(append([]byte{0x81, 0x7e, 0x10, 0x00}, `{"type":"h`...))
		k.writing.Unlock()
		k.cut()
	}
}

// SendText sends any text frame over every connection: no JSON, unknown types, huge ones.
func (s *Server) SendText(text []byte) {
	for _, k := range s.all() {
		if k.sendText(text) != nil {
			k.cut()
		}
	}
}
