package fakeslack_test

import (
	"context"
	"io"
	"log"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"github.com/firebreak-sre/firebreak/internal/testbed/fakeslack"
)

// link is a Socket Mode client of the real library. It acks everything, unless it is mute.
type link struct {
	mute bool
	// ended is closed when the client has given up.
	ended chan struct{}

	mu     sync.Mutex
	events []socketmode.Event
}

// connect starts one and waits until it is counted.
func connect(t *testing.T, s *fakeslack.Server, l *link, options ...socketmode.Option) *link {
	t.Helper()
	before := s.Sockets()
	silent := log.New(io.Discard, "", 0)
	api := slack.New(s.App().BotToken, slack.OptionAPIURL(s.APIURL()), slack.OptionAppLevelToken(s.App().AppToken), slack.OptionLog(silent))
	client := socketmode.New(api, append(options, socketmode.OptionLog(silent))...)
	ctx, cancel := context.WithCancel(context.Background())
	l.ended = make(chan struct{})
	var work sync.WaitGroup
	work.Go(func() {
		defer close(l.ended)
		// It ends when the test does, or when the client gives up; which, the tests see by ended.
		_ = client.RunContext(ctx)
	})
	work.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case e := <-client.Events:
				l.take(ctx, client, e)
			}
		}
	})
	t.Cleanup(func() { cancel(); work.Wait() })
	await(t, s, "the connection", func() bool { return s.Sockets() == before+1 })
	return l
}

// take remembers an event before it acks it: whoever sees the ack can see the event.
func (l *link) take(ctx context.Context, client *socketmode.Client, e socketmode.Event) {
	l.mu.Lock()
	l.events = append(l.events, e)
	l.mu.Unlock()
	if e.Type == socketmode.EventTypeInteractive && !l.mute {
		// If it cannot be sent, the workspace sees no ack, and the test fails there.
		_ = client.AckCtx(ctx, e.Request.EnvelopeID, nil)
	}
}

func (l *link) saw(kind socketmode.EventType) []socketmode.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []socketmode.Event
	for _, e := range l.events {
		if e.Type == kind {
			found = append(found, e)
		}
	}
	return found
}

func approval(t *testing.T, api *slack.Client) string {
	t.Helper()
	return mustPost(t, api, slack.MsgOptionText("may I", false), button("approve", "req-1"))
}

// A press goes to exactly one of the connections, in an envelope, and the ack is timed.
func TestSocketPress(t *testing.T) {
	t.Parallel()
	c := quiet()
	c.Interaction.AckWithin = time.Hour // so that only the ack ends a press
	s, api := start(t, c)
	links := []*link{connect(t, s, &link{}), connect(t, s, &link{}), connect(t, s, &link{})}
	ts := approval(t, api)
	const presses = 12
	for range presses {
		ctx := soon(t)
		d, err := s.Press(ctx, ts, "approve", alice)
		if err != nil || ctx.Err() != nil || !d.InTime || d.Via != "socket" || len(d.Envelopes) != 1 || d.After <= 0 {
			t.Fatalf("%+v, %v", d, err)
		}
	}
	total := 0
	await(t, s, "the hellos", func() bool { return len(links[2].saw(socketmode.EventTypeHello)) == 1 })
	for _, l := range links {
		for _, e := range l.saw(socketmode.EventTypeInteractive) {
			cb, ok := e.Data.(slack.InteractionCallback)
			if !ok || cb.User.ID != alice || cb.ActionCallback.BlockActions[0].Value != "req-1" || e.Request.AcceptsResponsePayload {
				t.Errorf("event %+v", e.Data)
			}
			total++
		}
	}
	if total != presses {
		t.Errorf("%d envelopes for %d presses", total, presses)
	}
	if got := links[2].saw(socketmode.EventTypeHello)[0].Request; got.NumConnections != 3 || got.ConnectionInfo.AppID != s.App().ID {
		t.Errorf("hello %+v", got)
	}
}

// Without an ack the press fails when its time is over; it is tried elsewhere only if the workspace is told to.
func TestSocketWithoutAck(t *testing.T) {
	t.Parallel()
	for retries, want := range map[int]bool{0: false, 1: true} {
		c := quiet()
		c.Interaction.AckWithin = time.Second
		c.Socket.Retries = retries
		c.Socket.Pick = func(int) int { return 0 }
		s, api := start(t, c)
		connect(t, s, &link{mute: true})
		second := connect(t, s, &link{})
		d, err := s.Press(soon(t), approval(t, api), "approve", alice)
		if err != nil || d.InTime != want || len(d.Envelopes) != retries+1 || (len(s.Unanswered()) == 0) != want {
			t.Errorf("%d retries: %+v, %v", retries, d, err)
		}
		if !want {
			continue
		}
		got := second.saw(socketmode.EventTypeInteractive)
		if len(got) != 1 || got[0].Request.RetryAttempt != 1 || got[0].Request.RetryReason != "timeout" {
			t.Errorf("%d retries: the second connection got %+v", retries, got)
		}
	}
}

// dial opens a connection by hand.
func dial(t *testing.T, s *fakeslack.Server) (*websocket.Conn, string) {
	t.Helper()
	api := slack.New(s.App().BotToken, slack.OptionAPIURL(s.APIURL()), slack.OptionAppLevelToken(s.App().AppToken))
	_, url, err := api.StartSocketModeContext(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	conn, resp, err := websocket.DefaultDialer.DialContext(soon(t), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn, url
}

// An ack that comes too late is known to be late.
func TestSocketLateAck(t *testing.T) {
	t.Parallel()
	c := quiet()
	c.Interaction.AckWithin = 50 * time.Millisecond
	s, api := start(t, c)
	conn, _ := dial(t, s)
	await(t, s, "the connection", func() bool { return s.Sockets() == 1 })
	d, err := s.Press(soon(t), approval(t, api), "approve", alice)
	if err != nil || d.Acked || d.Lost == "" {
		t.Fatalf("%+v, %v", d, err)
	}
	huge := `{"envelope_id":"` + d.Envelopes[0] + `","payload":"` + strings.Repeat("x", 20<<10) + `"}`
	for _, frame := range []string{"nonsense", `{"envelope_id":"unknown"}`, huge} {
		if err := conn.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
			t.Fatal(err)
		}
	}
	await(t, s, "the strange frames", func() bool { return s.StrangeFrames() == 3 })
	if s.Deliveries()[0].Acked {
		t.Error("an oversized ack was read")
	}
	if err := conn.WriteJSON(map[string]string{"envelope_id": d.Envelopes[0]}); err != nil {
		t.Fatal(err)
	}
	await(t, s, "the late ack", func() bool { return s.Deliveries()[0].Acked })
	if got := s.Deliveries()[0]; got.InTime || got.After <= c.Interaction.AckWithin || len(s.Unanswered()) != 1 {
		t.Errorf("%+v", got)
	}
}

// A ticket opens one connection, once, soon.
func TestTicket(t *testing.T) {
	t.Parallel()
	clock := &clock{now: time.Now()}
	c := quiet()
	c.Now = clock.Now
	s, api := start(t, c)
	_, url := dial(t, s)
	await(t, s, "the connection", func() bool { return s.Sockets() == 1 })
	refused := func(url string) {
		t.Helper()
		conn, resp, err := websocket.DefaultDialer.DialContext(soon(t), url, nil)
		if err == nil {
			_ = conn.Close()
			t.Error("it was connected")
			return
		}
		if resp == nil || resp.StatusCode != 403 {
			t.Errorf("got %v, %v", resp, err)
		}
	}
	refused(url)
	app := slack.New("", slack.OptionAPIURL(s.APIURL()), slack.OptionAppLevelToken(s.App().AppToken))
	_, late, err := app.StartSocketModeContext(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	clock.Add(31 * time.Second)
	refused(late)
	if _, err := api.AuthTestContext(soon(t)); err != nil || s.Sockets() != 1 {
		t.Errorf("%d sockets, %v", s.Sockets(), err)
	}
}

// One connection too many is told so and closed.
func TestTooManySockets(t *testing.T) {
	t.Parallel()
	c := quiet()
	c.Socket.MaxConnections = 1
	s, _ := start(t, c)
	dial(t, s)
	await(t, s, "the first connection", func() bool { return s.Sockets() == 1 })
	second, _ := dial(t, s)
	var got struct{ Type, Reason string }
	if err := second.ReadJSON(&got); err != nil || got.Type != "disconnect" || got.Reason != "too_many_websockets" {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, _, err := second.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		t.Errorf("after it: %v", err)
	}
}

// The client comes back after everything that ends connections, and presses reach it again.
func TestReconnect(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*fakeslack.Server){
		"warning": func(s *fakeslack.Server) { s.Disconnect(fakeslack.Warning) },
		"refresh": func(s *fakeslack.Server) { s.Disconnect(fakeslack.RefreshRequested) },
		"cut":     func(s *fakeslack.Server) { s.CutSockets() },
		"torn":    func(s *fakeslack.Server) { s.TearSockets() },
		"down":    func(s *fakeslack.Server) { s.Down(); s.Heal() },
		"disabled": func(s *fakeslack.Server) {
			s.Disconnect(fakeslack.LinkDisabled)
			s.EnableSockets()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, api := start(t, quiet())
			l := connect(t, s, &link{})
			end(s)
			await(t, s, "the second connection", func() bool { return s.Connections() >= 2 && s.Sockets() == 1 })
			d, err := s.Press(soon(t), approval(t, api), "approve", alice)
			if err != nil || !d.InTime {
				t.Errorf("%+v, %v", d, err)
			}
			if got := len(l.saw(socketmode.EventTypeInteractive)); got != 1 {
				t.Errorf("%d interactions", got)
			}
		})
	}
}

// While Socket Mode is off nobody connects; a revoked token makes the client give up.
func TestNoSocket(t *testing.T) {
	t.Parallel()
	s, _ := start(t, quiet())
	app := slack.New("", slack.OptionAPIURL(s.APIURL()), slack.OptionAppLevelToken(s.App().AppToken))
	s.Disconnect(fakeslack.LinkDisabled)
	if _, _, err := app.StartSocketModeContext(soon(t)); err == nil {
		t.Error("it gave a connection")
	}
	s.EnableSockets()
	l := connect(t, s, &link{})
	s.Revoke("token_revoked")
	s.CutSockets()
	select {
	case <-l.ended:
	case <-time.After(patience):
		t.Error("the client goes on with a revoked token")
	}
}

// Frames that mean nothing do not end a connection, and a handshake breaks on demand.
func TestStrangeFrames(t *testing.T) {
	t.Parallel()
	s, api := start(t, quiet())
	s.Break(fakeslack.SocketConnect, fakeslack.Fault{Kind: fakeslack.ServerError, Times: 1})
	l := connect(t, s, &link{})
	if got := len(l.saw(socketmode.EventTypeConnectionError)); got != 1 {
		t.Errorf("%d connection errors", got)
	}
	s.SendText([]byte(`{"type":"unheard_of"}`))
	s.SendText([]byte(`{`))
	d, err := s.Press(soon(t), approval(t, api), "approve", alice)
	if err != nil || !d.InTime || s.Sockets() != 1 {
		t.Errorf("%+v, %v", d, err)
	}
	if got := len(l.saw(socketmode.EventTypeErrorBadMessage)); got != 1 {
		t.Errorf("%d bad messages", got)
	}
}

// Pings keep a connection alive; without them the client thinks it is dead and opens another one.
func TestPings(t *testing.T) {
	t.Parallel()
	for every, opened := range map[time.Duration]int{10 * time.Millisecond: 1, -1: 2} {
		c := quiet()
		c.Socket.PingEvery = every
		s, api := start(t, c)
		connect(t, s, &link{}, socketmode.OptionPingInterval(time.Second))
		if opened == 2 {
			await(t, s, "another connection", func() bool { return len(s.Calls("apps.connections.open")) >= 2 })
			continue
		}
		ts := approval(t, api)
		for end := time.Now().Add(2200 * time.Millisecond); time.Now().Before(end); {
			if d, err := s.Press(soon(t), ts, "approve", alice); err != nil || !d.InTime {
				t.Fatalf("%+v, %v", d, err)
			}
		}
		if got := len(s.Calls("apps.connections.open")); got != opened {
			t.Errorf("%d connections were opened", got)
		}
	}
}

// What became of a press, and what a message is, can be said in one line.
func TestStrings(t *testing.T) {
	t.Parallel()
	s, api := start(t, quiet())
	ts := approval(t, api)
	d, err := s.Press(soon(t), ts, "approve", alice)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := d.String(), "delivery 1, block_actions over socket in 0 envelopes, lost: the app has no connection"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	m, _ := s.Message(ts)
	if got, want := m.String(), "["+ops+" "+ts+"] may I (Approve)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Presses, posts, updates and cuts at the same time do no harm.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	s, api := start(t, quiet())
	connect(t, s, &link{})
	connect(t, s, &link{})
	ts := approval(t, api)
	var work sync.WaitGroup
	for range 8 {
		work.Go(func() {
			if _, err := s.PressStale(soon(t), ts, "approve", alice); err != nil {
				t.Error(err)
			}
			if _, _, _, err := api.UpdateMessageContext(soon(t), ops, ts, slack.MsgOptionText("x", false), slack.MsgOptionBlocks()); err != nil {
				t.Error(err)
			}
			s.Messages(ops)
			s.Unanswered()
		})
	}
	work.Wait()
	if m, _ := s.Message(ts); len(m.Versions) != 9 || len(s.Deliveries()) != 8 || len(s.Unanswered()) != 0 {
		t.Errorf("%d versions, %d deliveries, %d unanswered", len(m.Versions), len(s.Deliveries()), len(s.Unanswered()))
	}
}
