package measure

import (
	"maps"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/remediations"
)

// Measures are the figures of one incident.
type Measures struct {
	ID      incidents.ID
	Handler string
	Target  string
	// Outcome is empty while the incident is open.
	Outcome incidents.Outcome
	At      Times
	// Last is when the newest event happened: an open incident is known until then.
	Last time.Time
	// Changes count what was done at the target.
	Changes Changes
	// Waits are how long people took for each approval that came.
	Waits []time.Duration
	// Refused counts how often each reason was said.
	Refused map[remediations.Reason]int
	// Whole says that the record's beginning is there. The bus forgets by age, message by message.
	Whole bool
}

// Changes count the changes of an incident.
type Changes struct {
	// Sent may have reached the target; Stood were confirmed; Helped were judged improved; Reverted were taken back.
	Sent, Stood, Helped, Reverted int
}

// Tracker reads one incident event by event, in order. It keeps moments, not events: what it holds does not grow with the looks of an
// incident. Its zero value is ready.
type Tracker struct {
	m       Measures
	firing  map[string]bool // by fingerprint
	ended   time.Time       // when the last alert resolved
	healed  time.Time       // when the symptom was judged healed
	run     run
	asking  asking
	changes []change
}

// run is a row of equal decisions.
type run struct {
	cause   string
	verdict incidents.Verdict
	since   time.Time
}

// asking is a request for approval that stands.
type asking struct {
	asked, approved time.Time
	need, yes       int
}

// change is one change with its moments.
type change struct {
	decided, asked, approved, intended, issued, applied, verified, reverted time.Time
	// never says that the target proved that it did not change.
	never bool
}

// Of are the measures of a record.
func Of(events []incidents.Event) Measures {
	var t Tracker
	for _, e := range events {
		t.Apply(e)
	}
	return t.Measures()
}

// Apply reads one more event. What a newer build wrote and this one does not know changes no measure.
func (t *Tracker) Apply(e incidents.Event) {
	if e.At.After(t.m.Last) {
		t.m.Last = e.At
	}
	if t.m.At == nil {
		t.m.At, t.m.Refused, t.firing = Times{}, map[remediations.Reason]int{}, map[string]bool{}
	}
	t.alert(e)
	t.think(e)
	t.people(e)
	t.change(e)
	if e.Kind == incidents.Closed {
		t.m.At.set(Closed, e.At)
		if e.Closing != nil {
			t.m.Outcome = e.Closing.Outcome
		}
	}
}

// alert is for what Alertmanager said.
func (t *Tracker) alert(e incidents.Event) {
	switch {
	case e.Kind == incidents.Opened && e.Opening != nil:
		o := e.Opening
		t.m.ID, t.m.Handler, t.m.Target, t.m.Whole = o.ID, o.Handler, o.Target, true
		t.m.At.set(Started, o.Alert.StartsAt)
		t.m.At.set(Detected, e.At)
		t.heard(o.Alert, e.At)
	case e.Kind == incidents.AlertSeen && e.Alert != nil:
		t.heard(*e.Alert, e.At)
	}
}

// heard takes in how an alert stands. An end that lies outside of what the record knows is not believed: clocks differ.
func (t *Tracker) heard(a alerts.Alert, at time.Time) {
	was := t.anyFires()
	t.firing[a.Fingerprint] = a.Status == alerts.Firing
	switch {
	case t.anyFires() && !was && !t.ended.IsZero():
		t.ended, t.healed = time.Time{}, time.Time{} // it is back
	case !t.anyFires() && was:
		t.ended = at
		if a.EndsAt.After(t.m.At[Detected]) && a.EndsAt.Before(at) {
			t.ended = a.EndsAt
		}
	}
}

func (t *Tracker) anyFires() bool {
	for _, fires := range t.firing {
		if fires {
			return true
		}
	}
	return false
}

// think is for decisions and refusals.
func (t *Tracker) think(e incidents.Event) {
	switch {
	case e.Kind == incidents.Decided && e.Decision != nil:
		d := e.Decision
		switch {
		case d.Verdict == incidents.Wait:
			t.run = run{}
		case t.run.since.IsZero() || t.run.cause != d.Cause || t.run.verdict != d.Verdict:
			t.run = run{cause: d.Cause, verdict: d.Verdict, since: e.At}
		}
	case e.Kind == incidents.Refused && e.Refusal != nil:
		t.m.Refused[e.Refusal.Reason]++
	case e.Kind == incidents.Escalated && t.m.At[Escalated].IsZero():
		t.m.At.set(Escalated, e.At)
	}
}

// people is for what people are asked, and say.
func (t *Tracker) people(e incidents.Event) {
	switch e.Kind {
	case incidents.Asked:
		t.asking = asking{asked: e.At, need: 1}
		if e.Asking != nil {
			t.asking.need = max(1, e.Asking.Need)
		}
	case incidents.Approved:
		if t.asking.yes++; t.asking.yes == t.asking.need {
			t.asking.approved = e.At
			t.m.Waits = append(t.m.Waits, max(0, e.At.Sub(t.asking.asked)))
		}
	case incidents.Denied, incidents.Expired, incidents.Voided:
		t.asking = asking{}
	}
	if e.Person != nil && !t.m.At[Escalated].IsZero() && t.m.At[Answered].IsZero() {
		t.m.At.set(Answered, e.At)
	}
}

// change is for the life of a change.
func (t *Tracker) change(e incidents.Event) {
	if e.Kind == incidents.Intended {
		t.changes = append(t.changes, change{decided: t.run.since, asked: t.asking.asked, approved: t.asking.approved, intended: e.At})
		t.asking = asking{}
		return
	}
	if len(t.changes) == 0 {
		return
	}
	c := &t.changes[len(t.changes)-1]
	switch e.Kind {
	case incidents.Issuing:
		first(&c.issued, e.At)
	case incidents.Applied:
		first(&c.applied, e.At)
	case incidents.Verified:
		if e.Judgement != nil && e.Judgement.Effect == incidents.Improved {
			first(&c.verified, e.At)
			if e.Judgement.Healed {
				first(&t.healed, e.At)
			}
		}
	case incidents.Regressed:
		t.healed = time.Time{}
	case incidents.Reverted:
		c.reverted, t.run = e.At, run{}
	case incidents.NotApplied:
		c.never, t.run = true, run{}
	case incidents.GaveUp, incidents.Spent, incidents.NotOurs:
		t.run = run{}
	}
}

// first keeps the first time that something happened.
func first(kept *time.Time, at time.Time) {
	if kept.IsZero() {
		*kept = at
	}
}

// Measures are the figures so far. What is returned is not changed by later events.
func (t *Tracker) Measures() Measures {
	m := t.m
	m.At, m.Refused, m.Waits = Times{}, maps.Clone(t.m.Refused), slices.Clone(t.m.Waits)
	maps.Copy(m.At, t.m.At)
	m.At.set(Decided, t.run.since)
	m.At.set(Asked, t.asking.asked)
	m.At.set(Approved, t.asking.approved)
	if c := t.chosen(); c != nil {
		delete(m.At, Decided)
		delete(m.At, Asked)
		delete(m.At, Approved)
		c.into(m.At)
	}
	recovered := t.ended
	if !t.healed.IsZero() && (recovered.IsZero() || t.healed.Before(recovered)) {
		recovered = t.healed
	}
	m.At.set(Recovered, recovered)
	for _, c := range t.changes {
		m.Changes.count(c)
		if !c.issued.IsZero() && !c.never { // what was not sent, or did not happen, changes nothing of what stands
			delete(m.At, Reverted)
			m.At.set(Reverted, c.reverted)
		}
	}
	return m
}

// chosen is the change whose moments are the incident's: the first that helped, else the first that got furthest.
func (t *Tracker) chosen() *change {
	reached := []func(c change) bool{
		func(c change) bool { return !c.verified.IsZero() },
		func(c change) bool { return !c.applied.IsZero() },
		func(c change) bool { return !c.issued.IsZero() },
		func(change) bool { return true },
	}
	for _, so := range reached {
		if i := slices.IndexFunc(t.changes, so); i >= 0 {
			return &t.changes[i]
		}
	}
	return nil
}

func (c change) into(at Times) {
	at.set(Decided, c.decided)
	at.set(Asked, c.asked)
	at.set(Approved, c.approved)
	at.set(Intended, c.intended)
	at.set(Issued, c.issued)
	at.set(Applied, c.applied)
	at.set(Verified, c.verified)
	if !c.verified.IsZero() {
		at.set(Mitigated, c.applied)
	}
}

func (n *Changes) count(c change) {
	for _, one := range []struct {
		n  *int
		is bool
	}{{&n.Sent, !c.issued.IsZero()}, {&n.Stood, !c.applied.IsZero()}, {&n.Helped, !c.verified.IsZero()}, {&n.Reverted, !c.reverted.IsZero()}} {
		if one.is {
			*one.n++
		}
	}
}
