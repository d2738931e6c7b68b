package pagerduty

import (
	"slices"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/remediations"
)

// at is a moment of a test's own time, in seconds.
func at(seconds int) time.Time {
	return time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC).Add(time.Duration(seconds) * time.Second)
}

func event(kind incidents.Kind, note string) incidents.Event {
	return incidents.Event{V: incidents.Version, Kind: kind, Note: note}
}

func byPerson(kind incidents.Kind) incidents.Event {
	e := event(kind, "I look at it")
	e.Person = &incidents.Person{Name: "ann", Via: "slack", ID: "U1"}
	return e
}

func issuing(action string) incidents.Event {
	e := event(incidents.Issuing, "")
	e.Order = &remediations.Order{Action: action}
	return e
}

func judged(effect incidents.Effect) incidents.Event {
	e := event(incidents.Verified, "")
	e.Judgement = &incidents.Judgement{Effect: effect, Words: "errors 12 % before, 12 % after"}
	return e
}

func refused(reason remediations.Reason) incidents.Event {
	e := event(incidents.Refused, "")
	e.Refusal = &incidents.Refusal{Reason: reason, Words: "no"}
	return e
}

func rung(number int, to ...string) incidents.Event {
	e := event(incidents.Rung, "")
	e.Rung = &incidents.Calling{Round: 1, Number: number, Of: 4, To: to}
	return e
}

func closing(outcome incidents.Outcome) incidents.Event {
	e := event(incidents.Closed, "")
	e.Closing = &incidents.Closing{Outcome: outcome, Words: "over"}
	return e
}

func after(seconds int, e incidents.Event) incidents.Event {
	e.At = at(seconds)
	return e
}

func openedBy(handler string) incidents.Event {
	e := event(incidents.Opened, "")
	e.Opening = &incidents.Opening{ID: incidents.NewID(handler, "checkout→payments", 1), Handler: handler, Target: "checkout→payments"}
	return e
}

// What an event becomes depends on the record before it, and on nothing else.
func TestPlan(t *testing.T) {
	t.Parallel()
	const no = nothing
	opened, ack := openedBy("retrystorm"), byPerson(incidents.Acked)
	escalated := event(incidents.Escalated, "look")
	for name, c := range map[string]struct {
		events []incidents.Event
		want   []action
	}{
		"fixed without anybody": {
			[]incidents.Event{opened, event(incidents.Decided, ""), issuing("a"), event(incidents.Applied, ""), judged(incidents.Improved),
				event(incidents.Held, ""), event(incidents.Reverting, ""), event(incidents.Reverted, ""), closing(incidents.OutcomeFixed)},
			[]action{no, no, no, change, no, no, no, change, no}},
		"found at the target after a doubt is one change": {
			[]incidents.Event{opened, issuing("a"), event(incidents.Applied, ""), event(incidents.InDoubt, ""), event(incidents.Applied, ""),
				issuing("b"), event(incidents.Applied, "")},
			[]action{no, no, change, no, no, no, change}},
		"no effect": {
			[]incidents.Event{opened, issuing("a"), event(incidents.Applied, ""), judged(incidents.Pending), judged(incidents.NoEffect), escalated,
				ack, event(incidents.Reverted, ""), closing(incidents.OutcomeIneffective)},
			[]action{no, no, change, no, trigger, trigger, acknowledge, change, resolve}},
		"worse, twice, by two changes": {
			[]incidents.Event{opened, issuing("a"), judged(incidents.Worse), judged(incidents.Worse), issuing("b"), judged(incidents.Worse)},
			[]action{no, no, trigger, no, no, trigger}},
		"regressed": {[]incidents.Event{opened, event(incidents.Regressed, ""), event(incidents.Regressed, "")}, []action{no, trigger, no}},
		"in doubt for long": {
			[]incidents.Event{opened, issuing("a"), after(0, event(incidents.InDoubt, "")), after(119, event(incidents.InDoubt, "")),
				after(120, event(incidents.InDoubt, "")), after(150, event(incidents.InDoubt, "")), event(incidents.GaveUp, "")},
			[]action{no, no, no, no, trigger, no, trigger}},
		"in doubt, confirmed, in doubt again": {
			[]incidents.Event{issuing("a"), after(0, event(incidents.InDoubt, "")), event(incidents.Applied, ""), after(200, event(incidents.InDoubt, "")),
				after(300, event(incidents.InDoubt, ""))},
			[]action{no, no, change, no, no}},
		"the undo is in doubt": {
			[]incidents.Event{opened, event(incidents.RevertInDoubt, ""), event(incidents.RevertInDoubt, ""), event(incidents.NotOurs, "")},
			[]action{no, trigger, no, no}},
		"refused": {
			[]incidents.Event{opened, refused(remediations.ReasonTargetBusy), refused(remediations.ReasonStorm), refused(remediations.ReasonBlastRadius),
				refused(remediations.ReasonStorm), refused(remediations.ReasonChain), closing(incidents.OutcomeRefused)},
			[]action{no, no, trigger, trigger, no, trigger, resolve}},
		"refused for what needs nobody": {
			[]incidents.Event{opened, refused(remediations.ReasonCooldown), refused(remediations.ReasonSilenced), closing(incidents.OutcomeRefused)},
			[]action{no, no, no, no}},
		"nobody answered": {
			[]incidents.Event{opened, event(incidents.Asked, ""), event(incidents.Expired, ""), escalated, byPerson(incidents.Overridden), closing(incidents.OutcomeRefused)},
			[]action{no, no, trigger, trigger, acknowledge, resolve}},
		"approved before anybody was called": {
			[]incidents.Event{opened, event(incidents.Asked, ""), byPerson(incidents.Approved), event(incidents.Applied, ""), closing(incidents.OutcomeFixed)},
			[]action{no, no, no, change, no}},
		"approved after": {
			[]incidents.Event{opened, escalated, event(incidents.Approved, ""), byPerson(incidents.Approved), byPerson(incidents.Recalled), byPerson(incidents.Denied)},
			[]action{no, trigger, no, acknowledge, acknowledge, no}},
		"escalated twice with the same words": {[]incidents.Event{opened, escalated, escalated, event(incidents.Escalated, "more")}, []action{no, trigger, no, trigger}},
		"behind the end":                      {[]incidents.Event{opened, escalated, closing(incidents.OutcomePaged), ack, escalated, closing(incidents.OutcomePaged)}, []action{no, trigger, resolve, no, no, no}},
		"our own":                             {[]incidents.Event{openedBy(selfHandler), escalated, closing(incidents.OutcomePaged)}, []action{trigger, trigger, resolve}},
		"rungs that name it, and one that does not": {
			[]incidents.Event{opened, rung(1, "slack"), ack, rung(2, "slack", Name), rung(2, "slack", Name), escalated, rung(3, Name), ack, closing(incidents.OutcomePaged), rung(4, Name)},
			[]action{no, no, no, trigger, no, trigger, trigger, acknowledge, resolve, no}},
		"only a rung of others": {[]incidents.Event{opened, rung(1, "slack"), event(incidents.Rung, ""), closing(incidents.OutcomePaged)}, []action{no, no, no, no}},
		"without what it should hold": {
			[]incidents.Event{event(incidents.Opened, ""), event(incidents.Verified, ""), event(incidents.Refused, ""), event(incidents.Closed, ""), event("of tomorrow", "")},
			[]action{no, no, no, no, no}},
	} {
		var got []action
		for i, e := range c.events {
			got = append(got, plan(c.events[:i], e, 2*time.Minute))
			if handler := c.events[0].Opening; handler != nil && got[i] != nothing && idle(handler.Handler, e) {
				t.Errorf("%s: %s becomes %s, and its record would not be read", name, e.Kind, got[i])
			}
			if got[i] != nothing && !slices.Contains(Kinds(), e.Kind) {
				t.Errorf("%s: %s becomes something, and is not one of the kinds that are asked for", name, e.Kind)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// What becomes nothing whatever was before it needs no record.
func TestIdle(t *testing.T) {
	t.Parallel()
	for _, e := range []incidents.Event{openedBy("retrystorm"), judged(incidents.Improved), judged(incidents.Pending), refused(remediations.ReasonCooldown)} {
		if !idle("retrystorm", e) {
			t.Errorf("the record is read for %s", e.Words())
		}
	}
}

// Reasons are compared as text, since this package knows no remediations: the text is theirs.
func TestReasons(t *testing.T) {
	t.Parallel()
	var got []remediations.Reason
	for _, r := range remediations.Reasons() {
		if calls(string(r)) {
			got = append(got, r)
		}
	}
	want := []remediations.Reason{remediations.ReasonBlastRadius, remediations.ReasonStorm, remediations.ReasonChain}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The key is the same for ever: a build that changed it would leave every open incident at PagerDuty open.
func TestDedupKey(t *testing.T) {
	t.Parallel()
	const want = "9eeb093d6a812851bb81961799fa070c4b2760274cc76e6f2d8518acbfca7cc1"
	if got := DedupKey("retrystorm-3f9a2c81b04d-7"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if DedupKey("retrystorm-3f9a2c81b04d-7") == DedupKey("retrystorm-3f9a2c81b04d-8") {
		t.Error("two incidents have one key")
	}
}
