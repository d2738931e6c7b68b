package fakeslack_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"github.com/firebreak-sre/firebreak/internal/testbed/fakeslack"
)

// A press arrives with all that an app needs to judge it, and its answer is timed.
func TestPress(t *testing.T) {
	t.Parallel()
	s, api := start(t, quiet())
	a := &app{}
	listen(t, s, a)
	root := mustPost(t, api, slack.MsgOptionText("root", false))
	ts := mustPost(t, api, slack.MsgOptionText("may I", false), button("approve", "req-1"), slack.MsgOptionTS(root))
	d, err := s.Press(soon(t), ts, "approve", alice)
	if err != nil {
		t.Fatal(err)
	}
	if !d.Acked || !d.InTime || d.Status != http.StatusOK || d.Via != "http" || len(s.Unanswered()) != 0 {
		t.Errorf("delivery %+v", d)
	}
	got := a.seen()
	if len(got) != 1 {
		t.Fatalf("%d interactions", len(got))
	}
	cb := got[0]
	if cb.Type != slack.InteractionTypeBlockActions || cb.APIAppID != s.App().ID || cb.Team.ID != s.App().TeamID {
		t.Errorf("app and team: %+v", cb)
	}
	if cb.User.ID != alice || cb.User.TeamID != s.App().TeamID {
		t.Errorf("who: %+v", cb.User)
	}
	at := slack.Container{Type: "message", MessageTs: ts, ThreadTs: root, ChannelID: ops}
	if cb.Channel.ID != ops || cb.Container != at || cb.Message.Timestamp != ts {
		t.Errorf("container %+v, message %s", cb.Container, cb.Message.Timestamp)
	}
	if cb.TriggerID != d.TriggerID || cb.ResponseURL != d.ResponseURL || cb.TriggerID == "" || cb.ResponseURL == "" {
		t.Errorf("trigger %q, response URL %q", cb.TriggerID, cb.ResponseURL)
	}
	actions := cb.ActionCallback.BlockActions
	if len(actions) != 1 {
		t.Fatalf("actions %+v", actions)
	}
	if b := actions[0]; b.ActionID != "approve" || b.Value != "req-1" || b.BlockID != "approval" || b.ActionTs == "" {
		t.Errorf("action %+v", b)
	}
}

// Only what is there can be pressed; a screen that is behind can press what was.
func TestWhatCanBePressed(t *testing.T) {
	t.Parallel()
	s, api := start(t, quiet())
	listen(t, s, &app{})
	ctx := soon(t)
	ts := mustPost(t, api, slack.MsgOptionText("may I", false), button("approve", "x"))
	for name, c := range map[string]struct{ ts, action, user string }{
		"message": {"1.000001", "approve", alice}, "button": {ts, "deny", alice}, "user": {ts, "approve", "U0NONE"},
	} {
		if _, err := s.Press(ctx, c.ts, c.action, c.user); err == nil {
			t.Errorf("unknown %s: it was pressed", name)
		}
	}
	if _, _, _, err := api.UpdateMessageContext(ctx, ops, ts, slack.MsgOptionText("done", false), slack.MsgOptionBlocks()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Press(ctx, ts, "approve", alice); err == nil {
		t.Error("the button was pressed after it was gone")
	}
	if d, err := s.PressStale(ctx, ts, "approve", mallory); err != nil || !d.InTime {
		t.Errorf("the old screen: %+v, %v", d, err)
	}
	if len(s.Deliveries()) != 1 {
		t.Errorf("%d deliveries", len(s.Deliveries()))
	}
}

// An app that answers with an error, too late, or never leaves the person with a warning.
func TestUnanswered(t *testing.T) {
	t.Parallel()
	const within = 500 * time.Millisecond
	for name, c := range map[string]struct {
		after  time.Duration
		acked  bool
		status int
	}{
		"error": {0, true, http.StatusInternalServerError},
		"late":  {within + 50*time.Millisecond, true, http.StatusInternalServerError},
		"never": {patience, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conf := quiet()
			conf.Interaction.AckWithin = within
			s, api := start(t, conf)
			gone := make(chan struct{})
			listen(t, s, &app{before: func(w http.ResponseWriter, _ slack.InteractionCallback) bool {
				timer := time.NewTimer(c.after)
				defer timer.Stop()
				select {
				case <-timer.C:
				case <-gone:
				}
				w.WriteHeader(http.StatusInternalServerError)
				return true
			}})
			t.Cleanup(func() { close(gone) })
			ts := mustPost(t, api, slack.MsgOptionText("x", false), button("approve", "x"))
			d, err := s.Press(soon(t), ts, "approve", alice)
			if err != nil || d.InTime || d.Acked != c.acked || d.Status != c.status || len(s.Unanswered()) != 1 {
				t.Errorf("delivery %+v, %v", d, err)
			}
			if c.acked == (d.Lost != "") {
				t.Errorf("lost %q", d.Lost)
			}
		})
	}
}

// A right request passes a right app; no forgery does.
func TestForgeries(t *testing.T) {
	t.Parallel()
	s, api := start(t, quiet())
	a := &app{}
	listen(t, s, a)
	ctx := soon(t)
	ts := mustPost(t, api, slack.MsgOptionText("x", false), button("approve", "x"))
	payload, err := s.PressPayload(ts, "approve", alice)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fakeslack.Forgeries() {
		status, err := s.Forge(ctx, f, payload)
		if err != nil || status/100 != 4 {
			t.Errorf("%s: %d, %v", f, status, err)
		}
	}
	if got := a.seen(); len(got) != 0 {
		t.Fatalf("%d forgeries were believed", len(got))
	}
	statuses, err := s.Replay(ctx, payload, 3)
	if err != nil || len(statuses) != 3 || statuses[2] != http.StatusOK || len(a.seen()) != 3 {
		t.Errorf("replay: %v, %v: only the app itself can know a replay", statuses, err)
	}
	if got := a.seen(); got[0].TriggerID != got[2].TriggerID {
		t.Error("the replays differ")
	}
}

// Rightly signed requests of any shape can be sent, also ones that Slack would not send.
func TestOddRequests(t *testing.T) {
	t.Parallel()
	s, api := start(t, quiet())
	a := &app{}
	listen(t, s, a)
	ctx := soon(t)
	ts := mustPost(t, api, slack.MsgOptionText("x", false), button("approve", "x"))
	payload, err := s.PressPayload(ts, "approve", alice)
	if err != nil {
		t.Fatal(err)
	}
	other := change(t, payload, "user", map[string]any{"id": mallory})
	if status, err := s.SendForm(ctx, url.Values{"payload": {string(payload), string(other)}}); err != nil || status != http.StatusOK {
		t.Errorf("two payloads: %d, %v", status, err)
	}
	for name, body := range map[string]string{
		"nothing": "", "no payload": "text=x", "no JSON": "payload=%7B", "no form": "%zz", "long": "payload=" + strings.Repeat("x", 2<<20),
	} {
		if status, err := s.SendBody(ctx, body); err != nil || status != http.StatusBadRequest {
			t.Errorf("%s: %d, %v", name, status, err)
		}
	}
	if d, err := s.Deliver(ctx, change(t, payload, "team", map[string]any{"id": "T0ELSEWHERE"})); err != nil || !d.InTime {
		t.Errorf("another team: %+v, %v", d, err)
	}
	if got := a.seen(); got[len(got)-1].Team.ID != "T0ELSEWHERE" || got[0].User.ID != alice {
		t.Errorf("got %+v", got)
	}
	if _, err := s.Redeliver(ctx, 1); err != nil || len(a.seen()) != 3 {
		t.Errorf("redelivered: %d, %v", len(a.seen()), err)
	}
	if _, err := s.Redeliver(ctx, 99); err == nil {
		t.Error("a delivery that never was came again")
	}
	s.SetRequestURL("")
	if _, err := s.SendBody(ctx, ""); err == nil {
		t.Error("sent to nowhere")
	}
}

// An app that is not there loses the press, and says so.
func TestNobodyListens(t *testing.T) {
	t.Parallel()
	s, api := start(t, quiet())
	ts := mustPost(t, api, slack.MsgOptionText("x", false), button("approve", "x"))
	for _, to := range []string{"http://127.0.0.1:1/", ""} {
		s.SetRequestURL(to)
		d, err := s.Press(soon(t), ts, "approve", alice)
		if err != nil || d.Acked || d.Lost == "" {
			t.Errorf("%q: %+v, %v", to, d, err)
		}
	}
	if got := len(s.Unanswered()); got != 2 {
		t.Errorf("%d unanswered", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Press(context.Background(), ts, "approve", alice); err == nil {
		t.Error("pressed in a closed workspace")
	}
}
