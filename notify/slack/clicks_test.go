package slack

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/testbed/fakeslack"
)

// press presses a button of an incident's message, and fails the test if the person would have seen a warning.
func (w *world) press(id incidents.ID, action, user string) {
	w.t.Helper()
	d, err := w.slack.Press(w.ctx(), w.root(id).TS, action, user)
	if err != nil {
		w.t.Fatal(err)
	}
	w.mustAck(d)
}

func (w *world) mustAck(d fakeslack.Delivery) {
	w.t.Helper()
	if !d.InTime {
		w.t.Fatalf("%s saw a warning: %+v", d.Kind, d)
	}
}

// whispers is all that one person was told.
func (w *world) whispers(user string) string {
	var b strings.Builder
	for _, channel := range []string{ops, pages} {
		for _, m := range w.slack.Ephemerals(channel) {
			if m.EphemeralTo == user {
				fmt.Fprintln(&b, m.Latest().Text)
			}
		}
	}
	return b.String()
}

// told waits until one person was told something.
func (w *world) told(user, words string) {
	w.t.Helper()
	ctx := w.ctx()
	if err := w.slack.Wait(ctx, func() bool { return strings.Contains(w.whispers(user), words) }); err != nil {
		w.t.Fatalf("%s was told %q, want %q in it", user, w.whispers(user), words)
	}
}

// shown waits until the message of an incident says something, and has so many buttons.
func (w *world) shown(id incidents.ID, words string, buttons int) {
	w.t.Helper()
	w.await(fmt.Sprintf("%s shows %q with %d buttons", id, words, buttons), func() bool {
		m := w.root(id)
		return strings.Contains(m.Latest().Text+string(m.Latest().Blocks), words) && len(m.Buttons()) == buttons
	})
}

// A press approves exactly the plan that is shown, the record says who it was, and the buttons are gone at once.
func TestApprove(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica()
	w.start(s)
	id := w.ask(1, 1)
	w.show(s, id)
	w.press(id, actionApprove, alice)
	st := w.state(id)
	want := incidents.Person{Name: "alice@example.com", Via: "slack", ID: alice}
	if len(st.Approvals) != 1 || st.Approvals[0].Person != want || w.count(id, incidents.Approved) != 1 {
		t.Errorf("got approvals %+v, want one by %+v", st.Approvals, want)
	}
	w.shown(id, "approved by alice@example.com (slack)", 0)
	if len(w.whispers(alice)) != 0 {
		t.Errorf("alice was told %q, want nothing: the message says it", w.whispers(alice))
	}
}

// Two different people are needed where the asking says so; one of them is not two.
func TestApproveByTwo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica()
	w.start(s)
	id := w.ask(1, 2)
	w.show(s, id)
	w.press(id, actionApprove, alice)
	w.shown(id, "1 of 2: approved by alice", 3)
	w.press(id, actionApprove, alice)
	w.told(alice, "You have approved this already")
	w.press(id, actionApprove, bob)
	w.shown(id, "Approved, being checked once more", 0)
	if n := w.count(id, incidents.Approved); n != 2 {
		t.Errorf("%d approvals, want 2", n)
	}
}

// Denying asks why; the reason is in the record and in the message.
func TestDenyWithReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica()
	w.start(s)
	id := w.ask(1, 1)
	w.show(s, id)
	w.press(id, actionDeny, bob)
	views := w.slack.Views()
	if len(views) != 1 || w.count(id, incidents.Denied) != 0 {
		t.Fatalf("got %d dialogs, and %d denials before a reason was given", len(views), w.count(id, incidents.Denied))
	}
	d, err := w.slack.Submit(w.ctx(), views[0].ID, map[string]string{actionReason: "not while <!channel> we deploy"})
	if err != nil {
		t.Fatal(err)
	}
	w.mustAck(d)
	if st := w.state(id); st.Denial == nil || st.Denial.Why != "not while <!channel> we deploy" || st.Denial.Person.ID != bob {
		t.Errorf("got %+v, want bob's reason", st.Denial)
	}
	w.shown(id, "denied by bob@example.com (slack)", 0)
	if text := string(w.root(id).Latest().Blocks); strings.Contains(text, "<!channel>") || strings.Contains(text, `\u003c!channel`) {
		t.Errorf("the reason mentions everybody: %s", text)
	}
	if w.slack.Views()[0].Open {
		t.Error("the dialog is still open")
	}
}

// A reason that no record takes is refused in the dialog, which stays open.
func TestReasonTooLong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica()
	w.start(s)
	id := w.ask(1, 1)
	w.show(s, id)
	w.press(id, actionDeny, bob)
	d, err := w.slack.Submit(w.ctx(), w.slack.Views()[0].ID, map[string]string{actionReason: strings.Repeat("x", 2500)})
	if err != nil {
		t.Fatal(err)
	}
	w.mustAck(d)
	if v := w.slack.Views()[0]; !v.Open || v.Errors[blockReason] == "" || w.count(id, incidents.Denied) != 0 {
		t.Errorf("got %+v, want an error in the open dialog and no denial", v)
	}
}

// Where the dialog cannot be opened, whatever the reason, the plan is denied at once: that is what was pressed.
func TestDenyWithoutDialog(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]fakeslack.Fault{
		"refused": {Kind: fakeslack.Refuse, Code: "internal_error"}, "expired": {Kind: fakeslack.Refuse, Code: "expired_trigger_id"},
		"hangs": {Kind: fakeslack.HangBefore}, "limited": {Kind: fakeslack.TooMany}, "cut": {Kind: fakeslack.CutBefore},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			s := w.replica()
			w.start(s)
			id := w.ask(1, 1)
			w.show(s, id)
			w.slack.Break("views.open", fault)
			w.press(id, actionDeny, bob)
			w.await("it is denied", func() bool { return w.count(id, incidents.Denied) == 1 })
			w.shown(id, "denied by bob@example.com (slack)", 0)
		})
	}
}

// The whole plan is shown to whoever asks, with its hash, and decides nothing.
func TestShowPlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica()
	w.start(s)
	id := w.ask(1, 1)
	w.show(s, id)
	w.press(id, actionPlan, carol)
	w.told(carol, "The plan of "+id.String()+", as its hash is made of it")
	shown := string(w.slack.Ephemerals(ops)[0].Latest().Blocks)
	for _, want := range []string{planOf(id), `\"remediation\": \"breaker\"`, `\"share\": 100`} {
		if !strings.Contains(shown, want) {
			t.Errorf("the plan shown lacks %s:\n%s", want, shown)
		}
	}
	if st := w.state(id); st.Stage != incidents.Waiting || len(st.Approvals) != 0 {
		t.Errorf("got %s, %d approvals, want that nothing is decided", st.Stage, len(st.Approvals))
	}
}

// Two people press at the same moment, on two replicas, again and again: the record takes one decision, and both learn of it.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *fakeslack.Config) { c.Limits.Off = true })
	a, b := w.replica(), w.replica()
	w.start(b)
	toB := w.requestURL()
	w.start(a)
	toA := w.requestURL()
	for n := range 8 {
		id := w.ask(n+1, 1)
		w.show(a, id)
		ts := w.root(id).TS
		approve, err := w.slack.PressPayload(ts, actionApprove, alice)
		if err != nil {
			t.Fatal(err)
		}
		also, err := w.slack.PressPayload(ts, actionApprove, bob)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 4 {
			payload, to := approve, toA
			if i%2 == 1 {
				payload, to = also, toB
			}
			wg.Go(func() {
				if status := w.signed(to, payload); status != 200 {
					t.Errorf("press %d was answered %d", i, status)
				}
			})
		}
		wg.Wait()
		w.shown(id, "Approved, being checked once more", 0)
		// Both may have approved before the loop looked: that is one plan, approved by two.
		if n := w.count(id, incidents.Approved); n < 1 || n > 2 {
			t.Errorf("%d approvals in the record, want those of alice and bob at most", n)
		}
		if st := w.state(id); len(st.Approvals) == 2 && st.Approvals[0].Person.ID == st.Approvals[1].Person.ID {
			t.Error("one person counts twice")
		}
	}
}
