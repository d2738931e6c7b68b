package slack

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/testbed/fakeslack"
	"github.com/firebreak-sre/firebreak/notify"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/rs/zerolog"
)

// lines is a log that can be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.b.Write(p) }

func (l *lines) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

func (l *lines) into(_ *Config, p *Parts) { p.Log = zerolog.New(l) }

// After an hour without Slack each incident is shown once, as it is by then, with one reply that tells the rest.
func TestAnHourWithoutSlack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica()
	const n = 3
	var ids []incidents.ID
	for i := range n {
		ids = append(ids, w.ask(i+1, 1))
	}
	known := ids[0]
	w.show(s, known)
	posts, updates := w.slack.Posts(), w.slack.Updates()
	w.slack.Down()
	w.write(known, incidents.Event{Kind: incidents.Voided, Note: "the plan is another one now"})
	backlog := []incidents.ID{}
	for minute := range 60 {
		id := ids[minute%n]
		w.write(id, incidents.Event{Kind: incidents.Acked, Person: &incidents.Person{Name: "ada", Via: "api"}, Note: fmt.Sprintf("minute %d", minute)})
		backlog = append(backlog, id)
		if err := s.Sink().Send(w.ctx(), notify.Outcome{Incident: id}); err == nil || errors.Is(err, notify.ErrPermanent) {
			t.Fatalf("got %v while slack is down, want that it comes again", err)
		}
		w.clock.pass(time.Minute)
	}
	for _, id := range ids {
		w.write(id, incidents.Event{Kind: incidents.Closed, Closing: &incidents.Closing{Outcome: incidents.OutcomePaged, Words: "the end"}})
	}
	w.slack.Heal()
	calls := len(w.slack.Calls(""))
	for _, id := range backlog { // the whole backlog, as the teller hands it out
		w.clock.pass(100 * time.Millisecond)
		for err := errors.New("first"); err != nil; {
			if err = s.Sink().Send(w.ctx(), notify.Outcome{Incident: id}); err != nil {
				w.clock.pass(time.Second)
			}
		}
	}
	if got := w.slack.Posts() - posts; got != n-1+n {
		t.Errorf("%d posts, want one message for each of %d incidents that were not shown, and one reply for each of %d", got, n-1, n)
	}
	if got := w.slack.Updates() - updates; got > n {
		t.Errorf("%d edits after an hour of %d events, want at most one for each of %d incidents", got, len(backlog), n)
	}
	for _, id := range ids {
		if m := w.root(id); !strings.Contains(m.Latest().Text, "Told to people") || len(m.Buttons()) != 0 {
			t.Errorf("%s is shown as %s", id, m)
		}
		if text := w.thread(id); !strings.Contains(text, "paged: the end") {
			t.Errorf("the thread of %s does not tell the end:\n%s", id, text)
		}
	}
	t.Logf("%d events in an hour without slack; then %d calls in all", len(backlog)+n, len(w.slack.Calls(""))-calls)
}

// A burst stays below the rate that Slack allows: nothing is refused for its rate.
func TestPace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica()
	for i := range 7 {
		id := w.ask(i+1, 1)
		w.show(s, id)
		w.write(id, incidents.Event{Kind: incidents.Escalated, Note: "look"})
		w.show(s, id)
	}
	for _, c := range w.slack.Calls("") {
		if c.Answer != "ok" {
			t.Errorf("%s was answered %s", c.Method, c.Answer)
		}
	}
}

// A 429 is obeyed: the channel rests for as long as Slack said, with or without its header, other channels do not, and only the newest
// state is sent afterwards.
func TestRateLimited(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{0, 90 * time.Second} {
		w := newWorld(t)
		s := w.replica()
		id := w.ask(1, 1)
		w.show(s, id)
		w.slack.Break("chat.update", fakeslack.Fault{Kind: fakeslack.TooMany, Times: 1, RetryAfter: after})
		w.write(id, incidents.Event{Kind: incidents.Escalated, Note: "one"})
		if err := s.Sink().Send(w.ctx(), notify.Outcome{Incident: id}); err == nil || errors.Is(err, notify.ErrPermanent) {
			t.Fatalf("got %v, want that it comes again", err)
		}
		calls := len(w.slack.Calls("chat.update"))
		rest := max(after, silentWait)
		w.clock.pass(rest - waitAtMost - time.Second)
		if err := s.Sink().Send(w.ctx(), notify.Outcome{Incident: id}); err == nil {
			t.Error("sent while slack wants to be left alone")
		}
		if n := len(w.slack.Calls("chat.update")); n != calls {
			t.Errorf("%d calls while slack wants to be left alone", n-calls)
		}
		w.write(id, incidents.Event{Kind: incidents.Closed, Closing: &incidents.Closing{Outcome: incidents.OutcomePaged, Words: "told"}})
		w.clock.pass(rest)
		w.show(s, id)
		if n := w.slack.Updates(); n != 1 || !strings.Contains(w.root(id).Latest().Text, "Told to people") {
			t.Errorf("%d edits, want one, to the newest state", n)
		}
	}
}

// A message that cannot be edited is never posted anew. What is new goes to its thread; if somebody deleted it, nowhere.
func TestNeverPostedAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *fakeslack.Config) { c.Workspace.EditWindow = time.Hour })
	s := w.replica()
	closed, deleted := w.ask(1, 1), w.ask(2, 1)
	w.show(s, closed)
	w.show(s, deleted)
	if err := w.slack.Delete(w.root(deleted).TS); err != nil {
		t.Fatal(err)
	}
	w.clock.pass(2 * time.Hour)
	posts := w.slack.Posts()
	for _, id := range []incidents.ID{closed, deleted} {
		w.write(id, incidents.Event{Kind: incidents.Escalated, Note: "look at it"})
		w.show(s, id)
		w.show(s, id)
	}
	if got := w.slack.Posts() - posts; got != 1 || !strings.Contains(w.thread(closed), "look at it") {
		t.Errorf("%d posts, want one reply in the thread of the message that cannot be edited", got)
	}
	if n := len(w.roots(deleted)); n != 0 {
		t.Errorf("the message that somebody deleted is there %d times", n)
	}
	d, err := s.sink.load(w.ctx(), deleted)
	if err != nil || d.Frozen != goneForGood {
		t.Errorf("got %+v, %v, want that it is known to be gone", d, err)
	}
}

// What somebody must mend is said once, is seen in the health, and makes no hot loop; it goes on by itself when it is mended.
func TestRefusedApp(t *testing.T) {
	t.Parallel()
	var log lines
	w := newWorld(t)
	s := w.replica(log.into)
	id := w.ask(1, 1)
	w.slack.Revoke("token_revoked")
	for range 50 {
		if err := s.Sink().Send(w.ctx(), notify.Outcome{Incident: id}); err == nil {
			t.Fatal("sent with a token that was revoked")
		}
		w.clock.pass(time.Second)
	}
	if n := len(w.slack.Calls("")); n != 1 {
		t.Errorf("slack was asked %d times in a minute, want once", n)
	}
	if h := s.Health(); h.OK || h.Code != "token_revoked" || s.Ready() == nil {
		t.Errorf("got %+v, want that slack refuses the app", h)
	}
	w.clock.pass(time.Minute)
	w.slack.Revoke("")
	w.show(s, id)
	if h := s.Health(); !h.OK || s.Ready() != nil {
		t.Errorf("got %+v, want that all is well", h)
	}
	if n := strings.Count(log.String(), `"level":"error"`); n != 1 {
		t.Errorf("%d errors in the log, want one:\n%s", n, log.String())
	}
}

// A channel that does not take messages costs its own incidents only.
func TestRefusedChannel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica()
	id := w.ask(1, 1)
	w.slack.PutChannel(fakeslack.Channel{ID: ops, Name: "ops", Member: true, Archived: true})
	err := s.Sink().Send(w.ctx(), notify.Outcome{Incident: id})
	if !errors.Is(err, notify.ErrPermanent) || !strings.Contains(err.Error(), "is_archived") {
		t.Errorf("got %v, want that it is given up because of is_archived", err)
	}
	w.slack.PutChannel(fakeslack.Channel{ID: ops, Name: "ops", Member: true})
	w.show(s, id)
	w.root(id)
}

// Blocks that Slack refuses become plain text: a poor message is better than none, and it keeps no buttons of the message before.
func TestRefusedBlocks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica()
	id := w.ask(1, 1)
	w.slack.Break("chat.postMessage", fakeslack.Fault{Kind: fakeslack.Refuse, Code: "invalid_blocks", Times: 1})
	w.show(s, id)
	if m := w.root(id); len(m.Latest().Blocks) != 0 || !strings.Contains(m.Latest().Text, "Approval needed") {
		t.Errorf("got %s, want its text", m)
	}
	other := w.ask(2, 1)
	w.show(s, other)
	w.slack.Break("chat.update", fakeslack.Fault{Kind: fakeslack.Refuse, Code: "invalid_blocks", Times: 1})
	w.write(other, incidents.Event{Kind: incidents.Voided, Note: "withdrawn: the alert resolved"})
	w.show(s, other)
	if m := w.root(other); len(m.Buttons()) != 0 {
		t.Errorf("%s keeps its buttons", m)
	}
}

// No secret is in any error or log line, whatever fails.
func TestSecretsStayInside(t *testing.T) {
	t.Parallel()
	var log lines
	w := newWorld(t)
	secrets := w.config().allSecrets()
	s, wrong := w.replica(log.into), w.replica(log.into, func(c *Config, _ *Parts) { c.TeamID = "T0ANOTHER" })
	w.start(s)
	id := w.ask(1, 1)
	var all strings.Builder
	for _, f := range []fakeslack.Fault{{Kind: fakeslack.CutBefore}, {Kind: fakeslack.ServerError},
		{Kind: fakeslack.Refuse, Code: secrets[0]}, {Kind: fakeslack.Malformed}} {
		f.Times = 1
		w.slack.Break("", f)
		fmt.Fprintln(&all, s.Sink().Send(w.ctx(), notify.Outcome{Incident: id}), s.Check(w.ctx()),
			wrong.Sink().Send(w.ctx(), notify.Outcome{Incident: id}))
		w.clock.pass(time.Hour)
	}
	fmt.Fprintln(&all, wrong.TestMessage(w.ctx()))
	fmt.Fprintf(&all, "%v %+v %#v\n", s.config, s.config, s.config)
	_, err := New(Config{BotToken: policy.Secret("secret-" + secrets[0]), AppToken: "secret-app"}, Parts{})
	fmt.Fprintln(&all, err)
	text := all.String() + log.String()
	for _, secret := range append(secrets, "secret-app") {
		if strings.Contains(text, secret) {
			t.Errorf("a secret is in\n%s", text)
		}
	}
	if !strings.Contains(text, "wrong_team") {
		t.Errorf("the wrong workspace is not named:\n%s", text)
	}
}

// The test message is one, clearly marked, in every channel.
func TestTestMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.replica().TestMessage(w.ctx()); err != nil {
		t.Fatal(err)
	}
	for _, channel := range []string{ops, pages} {
		if m := w.slack.Messages(channel); len(m) != 1 || !strings.Contains(m[0].Latest().Text, "test of Firebreak") {
			t.Errorf("%s has %v, want one test", channel, m)
		}
	}
	w.slack.PutChannel(fakeslack.Channel{ID: pages, Name: "pages", Member: true, Archived: true})
	if err := w.replica().TestMessage(w.ctx()); err == nil || !strings.Contains(err.Error(), "is_archived") {
		t.Errorf("got %v, want that a channel does not take it", err)
	}
}

// Nothing is said to a workspace that is not the one of the policy.
func TestWrongWorkspace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica(func(c *Config, _ *Parts) { c.TeamID = "T0ANOTHER" })
	err := s.Sink().Send(w.ctx(), notify.Outcome{Incident: w.ask(1, 1)})
	if err == nil || !strings.Contains(err.Error(), "wrong_team") || w.slack.Posts() != 0 || s.Health().OK {
		t.Errorf("got %v, %d posts, %+v, want wrong_team and none", err, w.slack.Posts(), s.Health())
	}
}
