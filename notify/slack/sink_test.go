package slack

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/testbed/fakeslack"
	"github.com/firebreak-sre/firebreak/notify"
)

// An incident is one message, which is edited; what is new is a line in its thread; what is not new makes no call at all.
func TestOneMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica()
	id := w.ask(1, 1)
	w.show(s, id)
	if m := w.root(id); len(m.Buttons()) != 3 || !strings.Contains(m.Latest().Text, "Approval needed") || m.Channel != ops {
		t.Errorf("got %s in %s, want the asking with its three buttons in %s", m, m.Channel, ops)
	}
	calls := len(w.slack.Calls(""))
	w.show(s, id)
	w.show(w.replica(), id) // another replica, or this one after a restart
	if n := len(w.slack.Calls("")); n != calls {
		t.Errorf("%d more calls although nothing was new", n-calls)
	}
	w.write(id, incidents.Event{Kind: incidents.Voided, Note: "withdrawn: the alert resolved"})
	w.write(id, incidents.Event{Kind: incidents.Closed, Closing: &incidents.Closing{Outcome: incidents.OutcomeWithdrawn, Words: "it resolved"}})
	w.show(s, id)
	m := w.root(id)
	if len(m.Buttons()) != 0 || !strings.Contains(string(m.Latest().Blocks), "withdrawn at 12:00") {
		t.Errorf("got %s %s, want no buttons and that it was withdrawn", m, m.Latest().Blocks)
	}
	if w.slack.Updates() != 1 || w.slack.Posts() != 3 {
		t.Errorf("%d edits and %d posts, want one edit, the message and two replies", w.slack.Updates(), w.slack.Posts())
	}
	if text := w.thread(id); strings.Count(text, "is asked for until") != 1 || strings.Count(text, "withdrawn: the alert resolved") != 1 {
		t.Errorf("the thread says\n%s", text)
	}
	if first := w.slack.Thread(m.TS)[1]; !first.Broadcast {
		t.Error("an asking is not shown in the channel: an edit notifies nobody")
	}
}

// The alert's severity chooses the channel.
func TestChannelOfSeverity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := incidents.NewID("retrystorm", "checkout→payments", 1)
	e := opened(1)
	e.Opening.Alert.Labels["severity"] = "page"
	w.write(id, e)
	w.show(w.replica(), id)
	if m := w.root(id); m.Channel != pages {
		t.Errorf("it is shown in %s, want %s", m.Channel, pages)
	}
}

// forgetful loses writes from the n-th on, as a process that is killed does.
type forgetful struct {
	Documents
	mu   sync.Mutex
	left int
}

var errKilled = errors.New("killed")

func (f *forgetful) die() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left--; f.left < 0 {
		return errKilled
	}
	return nil
}

func (f *forgetful) Create(ctx context.Context, key string, doc []byte) (uint64, error) {
	if err := f.die(); err != nil {
		return 0, err
	}
	return f.Documents.Create(ctx, key, doc)
}

func (f *forgetful) Update(ctx context.Context, key string, doc []byte, revision uint64) (uint64, error) {
	if err := f.die(); err != nil {
		return 0, err
	}
	return f.Documents.Update(ctx, key, doc, revision)
}

// A process that is killed at any write of its documents leaves nothing that the next one doubles: not the message, and no reply.
func TestKilledAtEveryWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const writes = 5 // the message's intent and end, the edit's end, the reply's intent and end
	for n := range writes + 1 {
		id := w.ask(n+1, 1)
		doomed := w.replica(func(_ *Config, p *Parts) { p.Documents = &forgetful{Documents: w.docs, left: n} })
		err := doomed.Sink().Send(w.ctx(), notify.Outcome{Incident: id})
		if (err != nil) != (n < 4) {
			t.Errorf("killed at write %d: got %v", n, err)
		}
		if n < 4 && !errors.Is(err, errKilled) {
			t.Errorf("killed at write %d: got %v, want %v", n, err, errKilled)
		}
		w.clock.pass(settleAfter)
		w.show(w.replica(), id)
		m := w.root(id)
		if text := w.thread(id); strings.Count(text, "is asked for until") != 1 {
			t.Errorf("killed at write %d: the thread says\n%s", n, text)
		}
		if strings.Contains(string(m.Latest().Blocks), "shown twice") {
			t.Errorf("killed at write %d: it was looked for, and says that it was not", n)
		}
		w.clock.pass(time.Minute)
	}
}

// An intent that may still be on its way is waited for, not looked for and not repeated.
func TestIntentUnderWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.ask(1, 1)
	doomed := w.replica(func(_ *Config, p *Parts) { p.Documents = &forgetful{Documents: w.docs, left: 1} })
	if err := doomed.Sink().Send(w.ctx(), notify.Outcome{Incident: id}); !errors.Is(err, errKilled) {
		t.Fatalf("got %v, want %v", err, errKilled)
	}
	calls := len(w.slack.Calls(""))
	w.clock.pass(settleAfter - time.Second)
	if err := w.replica().Sink().Send(w.ctx(), notify.Outcome{Incident: id}); err == nil || errors.Is(err, notify.ErrPermanent) {
		t.Errorf("got %v, want that it comes again", err)
	}
	if n := len(w.slack.Calls("")); n != calls {
		t.Errorf("%d calls while the post may be under way", n-calls)
	}
}

// Whatever an answer that never came leaves open, the message is there once in the end: cut, hung, broken in the middle, refused in words
// that leave it open, and the same without the message being posted.
func TestUnclearAnswers(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]fakeslack.Fault{
		"cut after": {Kind: fakeslack.AcceptThenCut}, "failed after": {Kind: fakeslack.AcceptThenFail}, "malformed": {Kind: fakeslack.Malformed},
		"cut before": {Kind: fakeslack.CutBefore}, "server error": {Kind: fakeslack.ServerError},
		"internal_error": {Kind: fakeslack.Refuse, Code: "internal_error"}, "fatal_error": {Kind: fakeslack.Refuse, Code: "fatal_error"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			id := w.ask(1, 1)
			s := w.replica()
			for range 2 { // the message, then the reply
				fault.Times = 1
				w.slack.Break("chat.postMessage", fault)
				if err := s.Sink().Send(w.ctx(), notify.Outcome{Incident: id}); err == nil || errors.Is(err, notify.ErrPermanent) {
					t.Fatalf("got %v, want that it comes again", err)
				}
				w.clock.pass(settleAfter)
			}
			w.show(s, id)
			if text := w.thread(id); w.slack.Posts() != 2 || strings.Count(text, "is asked for until") != 1 {
				t.Errorf("%d posts, want the message and one reply; the thread says\n%s", w.slack.Posts(), text)
			}
		})
	}
}

// Where the channel cannot be read, the message is posted once more after a crash, and says so.
func TestUnreadableChannel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *fakeslack.Config) { c.App.Scopes = []string{"chat:write", "chat:write.public"} })
	id := w.ask(1, 1)
	doomed := w.replica(func(_ *Config, p *Parts) { p.Documents = &forgetful{Documents: w.docs, left: 1} })
	if err := doomed.Sink().Send(w.ctx(), notify.Outcome{Incident: id}); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	w.clock.pass(settleAfter)
	w.show(w.replica(), id)
	found := w.roots(id)
	if len(found) != 2 || !strings.Contains(string(found[1].Latest().Blocks), "this may be shown twice") {
		t.Errorf("got %d messages, want two, of which the second says so", len(found))
	}
}

// Two replicas that show the same incident at the same time post one message, and it ends with the newest state.
func TestTwoReplicas(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *fakeslack.Config) { c.Limits.Off = true })
	a, b := w.replica(), w.replica()
	id := w.ask(1, 1)
	for i, event := range []incidents.Event{{}, {Kind: incidents.Voided, Note: "the plan is another one now"}, {Kind: incidents.Escalated, Note: "look"},
		{Kind: incidents.Closed, Closing: &incidents.Closing{Outcome: incidents.OutcomePaged, Words: "told"}}} {
		if i > 0 {
			w.write(id, event)
		}
		var wg sync.WaitGroup
		for _, s := range []*Slack{a, b, a, b} {
			// One of them may find the other's post under way: it comes again.
			wg.Go(func() { _ = s.Sink().Send(w.ctx(), notify.Outcome{Incident: id}) })
		}
		wg.Wait()
		w.clock.pass(settleAfter)
		w.show(a, id)
		w.show(b, id)
	}
	m := w.root(id)
	if len(m.Buttons()) != 0 || !strings.Contains(m.Latest().Text, "Told to people") {
		t.Errorf("it ends as %s, want the end of the incident", m)
	}
	if text := w.thread(id); strings.Count(text, "is asked for until") != 1 || strings.Count(text, "look") != 1 || strings.Count(text, "paged: told") != 1 {
		t.Errorf("the thread says\n%s", text)
	}
}

// sleepy is a store that takes longer than a post may wait for it, as a process does that was stopped for a while.
type sleepy struct {
	Documents
	w *world
}

func (s sleepy) Create(ctx context.Context, key string, doc []byte) (uint64, error) {
	s.w.clock.pass(keepWithin + time.Second)
	return s.Documents.Create(ctx, key, doc)
}

// Who slept between the intent and the post does not post any more: another replica may have done it meanwhile.
func TestSleptBeforeThePost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.ask(1, 1)
	slow := w.replica(func(_ *Config, p *Parts) { p.Documents = sleepy{w.docs, w} })
	if err := slow.Sink().Send(w.ctx(), notify.Outcome{Incident: id}); err == nil || w.slack.Posts() != 0 {
		t.Errorf("got %v and %d posts, want none", err, w.slack.Posts())
	}
	w.clock.pass(settleAfter)
	w.show(slow, id)
	w.root(id)
}
