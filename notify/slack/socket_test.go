package slack

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/testbed/fakeslack"
	"github.com/firebreak-sre/firebreak/policy"
)

// overSocket makes a replica take presses over Socket Mode.
func (w *world) overSocket(c *Config, _ *Parts) {
	c.SigningSecret, c.AppToken = "", policy.Secret(w.slack.App().AppToken)
}

// connected waits until a replica is connected.
func (w *world) connected(s *Slack) {
	w.t.Helper()
	w.await("it is connected", func() bool { return s.Ready() == nil })
}

// Presses come over one connection of any replica, are acknowledged and decided; the same press in a second envelope decides nothing.
func TestSocketMode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.replica(w.overSocket), w.replica(w.overSocket)
	if a.Ready() == nil {
		t.Error("ready before it is connected")
	}
	w.start(a)
	w.start(b)
	w.connected(a)
	w.connected(b)
	if n := w.slack.Sockets(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
	id := w.ask(1, 2)
	w.show(a, id)
	d, err := w.slack.Press(w.ctx(), w.root(id).TS, actionApprove, alice)
	if err != nil {
		t.Fatal(err)
	}
	w.mustAck(d)
	if w.count(id, incidents.Approved) != 1 {
		t.Error("a press was acknowledged before it was decided, and is not")
	}
	again, err := w.slack.Redeliver(w.ctx(), d.ID)
	if err != nil {
		t.Fatal(err)
	}
	w.mustAck(again)
	w.told(alice, "You have approved this already")
	w.press(id, actionApprove, bob)
	// Both replicas show what they took, and one may have to give way to the other's reply. In the product its teller comes again.
	w.await("a teller showed it", func() bool {
		err := a.Sink().Show(w.ctx(), id)
		w.clock.pass(settleAfter)
		return err == nil
	})
	w.shown(id, "Approved, being checked once more", 0)
	if n := w.count(id, incidents.Approved); n != 2 || w.slack.StrangeFrames() != 0 {
		t.Errorf("%d approvals and %d strange frames, want 2 and 0", n, w.slack.StrangeFrames())
	}
}

// A reason is asked for and given over the socket too; one that is too long comes back into the dialog.
func TestSocketDialog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica(w.overSocket)
	w.start(s)
	w.connected(s)
	id := w.ask(1, 1)
	w.show(s, id)
	w.press(id, actionDeny, bob)
	view := w.slack.Views()[0].ID
	for _, reason := range []string{strings.Repeat("x", 2500), "we deploy"} {
		d, err := w.slack.Submit(w.ctx(), view, map[string]string{actionReason: reason})
		if err != nil {
			t.Fatal(err)
		}
		w.mustAck(d)
	}
	if st := w.state(id); st.Denial == nil || st.Denial.Why != "we deploy" {
		t.Errorf("got %+v, want the reason that fits", st.Denial)
	}
}

// Lost, refreshed, torn and full connections, and frames of nonsense, end in a connection that takes presses.
func TestSocketTrouble(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica(w.overSocket)
	w.start(s)
	n := 0
	for name, trouble := range map[string]func(){
		"cut":       w.slack.CutSockets,
		"torn":      w.slack.TearSockets,
		"refreshed": func() { w.slack.Disconnect(fakeslack.RefreshRequested) },
		"nonsense": func() {
			for _, text := range []string{"", "{", "[]", "null", `"x"`, `{"type":7}`, `{"type":"hologram","envelope_id":"x"}`,
				`{"type":"interactive","envelope_id":"","payload":{}}`, `{"type":"interactive","envelope_id":"e","payload":{"type":"block_actions","actions":{}}}`,
				`{"type":"events_api","envelope_id":"f","payload":{}}`, `{"type":"interactive","payload":"x"}`} {
				w.slack.SendText([]byte(text))
			}
		},
		"a frame that is too large": func() { w.slack.SendText([]byte(`"` + strings.Repeat("x", maxFrame) + `"`)) },
	} {
		w.connected(s)
		trouble()
		w.await(name+" is over", func() bool {
			n++
			id := w.ask(n, 1)
			for s.Sink().Show(w.ctx(), id) != nil {
				w.clock.pass(settleAfter)
			}
			d, err := w.slack.Press(w.ctx(), w.root(id).TS, actionApprove, alice)
			return err == nil && d.InTime && w.count(id, incidents.Approved) == 1
		})
	}
}

// A refused app token is said, is seen in the readiness, and does not end the runner.
func TestSocketRefused(t *testing.T) {
	t.Parallel()
	var log lines
	w := newWorld(t)
	s := w.replica(w.overSocket, log.into)
	w.slack.Revoke("invalid_auth")
	stop := w.start(s)
	w.await("it says so", func() bool { return strings.Contains(log.String(), "slack refuses the app token") })
	if s.Ready() == nil {
		t.Error("ready although the app token is refused")
	}
	stop() // at once, although it waits for its next try
}

// Frames that nobody expects are no press, whatever they are; those of ours are read although the library cannot.
func FuzzEnvelope(f *testing.F) {
	f.Add([]byte(`{"type":"interactive","envelope_id":"e","payload":{"type":"block_actions","team":{"id":"T0WORKSPACE"}}}`))
	f.Add([]byte(`{"type":"hello"}`))
	f.Add([]byte(`{"envelope_id":"e","payload":null}`))
	f.Fuzz(func(t *testing.T, frame []byte) {
		e, ok := unseal(frame)
		if !ok {
			return
		}
		if !json.Valid(e.Payload) && len(e.Payload) > 0 {
			t.Errorf("the payload of %q is no JSON", frame)
		}
		if k, err := read(e.Payload, "T0WORKSPACE", "A0FIREBREAK"); err == nil && (k.user == "" || len(k.ref.Plan) != 64) {
			t.Errorf("%q became the click %+v", frame, k)
		}
	})
}

// Socket Mode has no public address: there, what is posted is refused even if somebody knows a secret.
func TestNoHTTPWithSocketMode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica(w.overSocket)
	for _, secret := range []string{"", w.slack.App().SigningSecret, w.slack.App().AppToken} {
		r := httptest.NewRequest(http.MethodPost, Path, strings.NewReader("payload={}"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		sign(r.Header, []byte("payload={}"), secret, w.clock.now())
		answer := httptest.NewRecorder()
		s.Interactions().ServeHTTP(answer, r)
		if answer.Code != http.StatusNotFound {
			t.Errorf("got %d, want 404", answer.Code)
		}
	}
}

// Where Slack ends every new connection because there are too many, it is not asked for the next one without a pause.
func TestSocketTooMany(t *testing.T) {
	t.Parallel()
	var log lines
	w := newWorld(t, func(c *fakeslack.Config) { c.Socket.MaxConnections = 1; c.Limits.Off = true })
	first, second := w.replica(w.overSocket), w.replica(w.overSocket, log.into)
	w.start(first)
	w.connected(first)
	stop := w.start(second)
	w.await("it gives up for a while", func() bool { return strings.Contains(log.String(), "there may be too many replicas") })
	if n := len(w.slack.Calls("apps.connections.open")); n > oftenAtMost+3 {
		t.Errorf("slack was asked for %d connections, want about %d", n, oftenAtMost)
	}
	stop()
	if err := first.Ready(); err != nil {
		t.Errorf("the replica that was there first: %v", err)
	}
}
