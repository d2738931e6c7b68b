package slack

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/incidents/desk"
	"github.com/firebreak-sre/firebreak/internal/testbed/fakeslack"
)

// Everybody who may not decide is told so in plain words, and nothing is decided: not by people of any kind that cannot approve, not when
// the policy names nobody, not when it cannot be found out.
func TestWhoMayNot(t *testing.T) {
	t.Parallel()
	everybody := []Approver{{UserID: alice}, {UserID: "U0GONE"}, {UserID: "U0BOT"}, {UserID: "U0GUEST"}, {UserID: "U0STRANGER"}, {UserID: "U0PARTNER"}}
	group := []Approver{{GroupID: "S0SRE"}}
	for _, c := range []struct {
		name, user string
		named      []Approver
		change     func(*world)
		want       string
	}{
		{name: "nobody is named", user: alice, want: "names nobody"},
		{name: "somebody else is named", user: carol, named: []Approver{{UserID: alice}}, want: "does not name you for open on checkout→payments"},
		{name: "an empty approver is nobody", user: alice, named: []Approver{{}}, want: "does not name you"},
		{name: "deactivated", user: "U0GONE", named: everybody},
		{name: "bot", user: "U0BOT", named: everybody, want: "bots do not approve"},
		{name: "guest", user: "U0GUEST", named: everybody, want: "guests do not approve"},
		{name: "guest in a group", user: "U0GUEST", named: group, want: "guests do not approve"},
		{name: "stranger with the same name and address", user: "U0STRANGER", named: []Approver{{Email: "alice@example.com"}}, want: "other organisations"},
		{name: "another workspace", user: "U0PARTNER", named: everybody, want: "other workspaces"},
		{name: "not in the group", user: alice, named: group, want: "does not name you"},
		{name: "group unknown", user: bob, named: []Approver{{GroupID: "S0NONE"}}, want: "could not be read: no_such_subteam"},
		{name: "group unreadable", user: bob, named: group, want: "could not be read", change: func(w *world) {
			w.slack.Break("usergroups.users.list", fakeslack.Fault{Kind: fakeslack.ServerError})
		}},
		{name: "no groups on a free plan", user: bob, named: group, want: "need a paid Slack plan", change: func(w *world) {
			w.slack.Break("usergroups.users.list", fakeslack.Fault{Kind: fakeslack.Refuse, Code: "plan_upgrade_required"})
		}},
		{name: "people unreadable", user: alice, named: everybody, want: "could not say who you are", change: func(w *world) {
			w.slack.Break("users.info", fakeslack.Fault{Kind: fakeslack.ServerError})
		}},
		{name: "people limited", user: alice, named: everybody, want: "could not say who you are (ratelimited)", change: func(w *world) {
			w.slack.Break("users.info", fakeslack.Fault{Kind: fakeslack.TooMany})
		}},
		{name: "address is another's", user: bob, named: []Approver{{Email: "alice@example.com"}}, want: "does not name you"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.approvers = c.named
			s := w.replica()
			w.start(s)
			id := w.ask(1, 1)
			w.show(s, id)
			if c.change != nil {
				c.change(w)
			}
			w.slack.Break("views.open", fakeslack.Fault{Kind: fakeslack.Refuse, Code: "expired_trigger_id"})
			for _, action := range []string{actionApprove, actionDeny} {
				w.press(id, action, c.user)
			}
			if c.want != "" { // nobody can be told who is not there any more
				w.await("they are told twice", func() bool { return strings.Count(w.whispers(c.user), "You cannot approve or deny this") == 2 })
				w.told(c.user, c.want)
			}
			if st := w.state(id); st.Stage != incidents.Waiting || len(st.Approvals) != 0 || st.Denial != nil {
				t.Errorf("got %s, want that nothing is decided", st.Stage)
			}
			if len(w.root(id).Buttons()) != 3 {
				t.Error("the buttons are gone for those who may")
			}
		})
	}
}

// Members of a group, and people named by address in any case, may; a group is asked for once in five minutes, and not longer.
func TestWhoMay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica()
	w.start(s)
	w.approvers = []Approver{{GroupID: "S0SRE"}, {Email: "Alice@Example.COM"}}
	n := 0
	approve := func(user string) bool {
		n++
		id := w.ask(n, 1)
		w.show(s, id)
		w.press(id, actionApprove, user)
		return w.count(id, incidents.Approved) == 1
	}
	if !approve(alice) || !approve(bob) || !approve(bob) {
		t.Error("somebody who is named may not")
	}
	if calls := len(w.slack.Calls("usergroups.users.list")); calls != 1 {
		t.Errorf("the group was asked for %d times, want once", calls)
	}
	w.slack.PutGroup(fakeslack.Group{ID: "S0SRE", Handle: "sre", Members: []string{carol}})
	w.clock.pass(groupsFor)
	if approve(bob) || !approve(carol) {
		t.Error("who left the group may, or who joined it may not")
	}
	w.slack.Break("usergroups.users.list", fakeslack.Fault{Kind: fakeslack.ServerError})
	w.clock.pass(groupsFor)
	if approve(carol) {
		t.Error("a group that cannot be read is believed to be as it was")
	}
}

// Who presses too late is told what became of the asking.
func TestTooLate(t *testing.T) {
	t.Parallel()
	until := func(id incidents.ID) incidents.Event {
		e := askedFor(id, 1, noon().Add(time.Hour))
		e.Asking.ID = "asking-2"
		return e
	}
	ada := &incidents.Person{Name: "ada", Via: "api"}
	for _, c := range []struct {
		name   string
		events func(id incidents.ID) []incidents.Event
		pass   time.Duration
		want   string
	}{
		{name: "its time is over", pass: 15 * time.Minute, want: "Too late: the asking ended at 12:15:00Z"},
		{name: "expired", events: one(incidents.Event{Kind: incidents.Expired, Note: "nobody answered within 15m0s"}), want: "It expired at 12:00:00Z"},
		{name: "denied", events: one(incidents.Event{Kind: incidents.Denied, Person: ada, Note: "no"}),
			want: "It was denied by ada (api) at 12:00:00Z: no"},
		{name: "resolved", events: one(incidents.Event{Kind: incidents.Voided, Note: "withdrawn: the alert resolved"}),
			want: "It was withdrawn at 12:00:00Z: the alert resolved"},
		{name: "approved and done", events: func(id incidents.ID) []incidents.Event {
			return []incidents.Event{{Kind: incidents.Approved, Person: ada}, intended(id)}
		}, want: "It was approved by ada (api) at 12:00:00Z"},
		{name: "another plan", events: func(id incidents.ID) []incidents.Event {
			return []incidents.Event{{Kind: incidents.Voided, Note: "the plan is another one now"}, until(id)}
		}, want: "The plan is another one by now"},
		{name: "ended", events: one(incidents.Event{Kind: incidents.Voided, Note: "withdrawn: the alert resolved"},
			ended(incidents.OutcomeWithdrawn, "resolved")), want: "It was withdrawn"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			s := w.replica()
			w.start(s)
			id := w.ask(1, 1)
			w.show(s, id)
			if c.events != nil {
				w.write(id, c.events(id)...)
			}
			before := w.count(id, incidents.Approved) + w.count(id, incidents.Denied)
			w.clock.pass(c.pass)
			w.press(id, actionApprove, alice)
			w.told(alice, c.want)
			d, err := w.slack.PressStale(w.ctx(), w.root(id).TS, actionPlan, bob)
			if err != nil {
				t.Fatal(err)
			}
			w.mustAck(d)
			w.await("bob is told something", func() bool { return w.whispers(bob) != "" })
			if after := w.count(id, incidents.Approved) + w.count(id, incidents.Denied); after != before {
				t.Errorf("%d decisions more", after-before)
			}
		})
	}
}

func one(events ...incidents.Event) func(incidents.ID) []incidents.Event {
	return func(incidents.ID) []incidents.Event { return events }
}

// Whoever had the change asked for cannot approve it.
func TestOwnRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica()
	w.start(s)
	id := incidents.NewID("retrystorm", "checkout→payments", 1)
	e := askedFor(id, 1, noon().Add(time.Hour))
	e.Asking.By = &incidents.Person{Name: "Alice", Via: "slack", ID: alice}
	w.write(id, opened(1))
	w.write(id, decided(), e)
	w.show(s, id)
	w.press(id, actionApprove, alice)
	w.told(alice, "somebody else has to approve it")
	if w.count(id, incidents.Approved) != 0 {
		t.Error("somebody approved what they asked for")
	}
}

// brokenDesk cannot write to the record.
type brokenDesk struct{}

func (brokenDesk) Approve(context.Context, desk.Ref, incidents.Person, desk.May) (desk.Answered, error) {
	return desk.Answered{}, errors.New("no disk")
}

func (brokenDesk) Deny(context.Context, desk.Ref, incidents.Person, string, desk.May) error {
	return errors.New("no disk")
}

// Where the record cannot be written, nobody is told that it was.
func TestDeskBroken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.replica(func(_ *Config, p *Parts) { p.Desk = brokenDesk{} })
	w.start(s)
	id := w.ask(1, 1)
	w.show(s, id)
	w.press(id, actionApprove, alice)
	w.told(alice, "may not have been recorded")
}

// Every code of the desk has words for people.
func TestWordsOfEveryNo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.replica().clicks
	k := click{ref: ref{Incident: w.ask(1, 1), Asking: "asking-1", Plan: planOf("retrystorm-000000000000-1")}}
	seen := map[string]desk.Code{}
	for _, code := range []desk.Code{desk.NoSuchIncident, desk.NothingAsked, desk.OtherAsking, desk.TooLate, desk.NotApprover, desk.OwnRequest,
		desk.SaidAlready, desk.ReasonTooLong, desk.Code("of a newer build")} {
		words := c.words(w.ctx(), k, &desk.No{Code: code, Words: "some words"})
		if words == "" || seen[words] != "" || strings.Contains(words, string(code)) {
			t.Errorf("%s is told as %q, want words of its own", code, words)
		}
		seen[words] = code
	}
}
