package modeltest

import (
	"encoding/json"
	"time"

	"github.com/firebreak-sre/firebreak/handlers"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// booked holds the ledger's new document against the grants that the world remembers for ever.
func (w *world) booked() {
	old := w.truth.ledger
	var s sheet
	if err := json.Unmarshal(w.book, &s); err != nil {
		w.fail("the ledger cannot be read: %v", err)
		return
	}
	w.truth.ledger = s
	switch {
	case s.Fence == old.Fence:
	case s.Fence == old.Fence+1:
		w.granted(s)
	default:
		w.fail("I3: the ledger's fence went from %d to %d", old.Fence, s.Fence)
	}
	for domain, a := range s.Active {
		if was, ok := old.Active[domain]; ok && was.Incident != a.Incident {
			w.fail("the lock of %s went from %s to %s at once", domain, was.Incident, a.Incident)
		}
		if g := w.truth.grants[a.Fence]; g.Incident != a.Incident || g.Domain != domain {
			w.fail("I3: %s holds %s with fence %d, which was granted to %+v", a.Incident, domain, a.Fence, g)
		}
	}
	// What was granted within a day is in the book: it never counts too little.
	have := map[uint64]bool{}
	for _, t := range s.Spent {
		have[t.Fence] = true
	}
	for fence, g := range w.truth.grants {
		if !have[fence] && w.now.Sub(g.At) < 24*time.Hour {
			w.fail("I2: grant %d is no longer in the book after %s", fence, w.now.Sub(g.At))
		}
	}
	w.locks()
}

// granted counts a new grant against every window.
func (w *world) granted(s sheet) {
	last := s.Spent[len(s.Spent)-1]
	a := s.Active[last.Domain]
	if last.Fence != s.Fence || a.Fence != s.Fence {
		w.fail("I2: fence %d was granted without a token or a lock", s.Fence)
		return
	}
	w.truth.grants[s.Fence] = grant{Domain: last.Domain, Incident: a.Incident, Action: last.Action, At: last.At, Override: a.Override}
	if a.Override {
		return
	}
	within := func(span time.Duration, fits func(grant) bool) int {
		n := 0
		for _, g := range w.truth.grants {
			if fits(g) && g.At.After(last.At.Add(-span)) {
				n++
			}
		}
		return n
	}
	for _, b := range []struct {
		name  string
		limit policy.Budget
		fits  func(grant) bool
	}{
		{"domain " + last.Domain, w.limits.PerDomain, func(g grant) bool { return g.Domain == last.Domain }},
		{"action " + last.Action, w.limits.PerAction, func(g grant) bool { return g.Action == last.Action }},
		{"all", w.limits.Global, func(grant) bool { return true }},
	} {
		if n := within(time.Hour, b.fits); n > b.limit.Hour {
			w.fail("I2: %d grants in an hour of %s, %d are allowed", n, b.name, b.limit.Hour)
		}
		if n := within(24*time.Hour, b.fits); n > b.limit.Day {
			w.fail("I2: %d grants in a day of %s, %d are allowed", n, b.name, b.limit.Day)
		}
	}
}

// locks: whoever has a change armed or standing holds the lock of its domain, with the fence that the change carries.
func (w *world) locks() {
	for _, id := range w.truth.open {
		f := w.truth.files[id]
		x := f.st.Fix()
		if x == nil || !x.Times.Ended.IsZero() {
			continue
		}
		a, ok := w.truth.ledger.Active[f.st.Domain]
		if !ok || a.Incident != id.String() || a.Fence != x.Order.Fence {
			w.fail("one holder: %s is %s with fence %d, and the lock of %s is held by %q with fence %d",
				id, f.st.Stage, x.Order.Fence, f.st.Domain, a.Incident, a.Fence)
		}
	}
}

// over says that an action has come to its end in the record.
func (w *world) over(o remediations.Order) bool {
	f := w.truth.files[incidents.ID(o.Incident)]
	if f == nil {
		return false
	}
	for _, x := range f.st.Fixes {
		if x.Order.Action == o.Action {
			return !x.Times.Ended.IsZero()
		}
	}
	return false
}

// effect is a change that takes effect at a target now.
func (w *world) effect(t *target, o remediations.Order, late bool) {
	w.count.effects++
	if late {
		w.count.late[t.kind]++
		if t.kind.compares() {
			w.fail("I1: a late command took effect at %s, which looks at the deadline", t.name)
		}
	}
	if w.truth.effects[o.Action]++; w.truth.effects[o.Action] > 1 {
		w.fail("I1: action %s took effect %d times at %s", o.Action, w.truth.effects[o.Action], t.name)
	}
	f := w.truth.files[incidents.ID(o.Incident)]
	var issued time.Time
	if f != nil {
		for _, x := range f.st.Fixes {
			if x.Order.Action == o.Action {
				issued = x.Times.Issued
			}
		}
	}
	if issued.IsZero() {
		w.fail("I2: action %s took effect at %s and its issuing is not durable", o.Action, t.name)
		return
	}
	if g, ok := w.truth.grants[o.Fence]; !ok || g.Incident != o.Incident {
		w.fail("I2: action %s took effect without a grant", o.Action)
	}
	if o.Fence < t.fence && !late {
		w.fail("I3: %s saw fence %d after %d", t.name, o.Fence, t.fence)
	}
	if o.Until.Sub(issued) > o.Limit.D()+time.Second {
		w.fail("I4: action %s stands at %s until %s behind its limit", o.Action, t.name, o.Until.Sub(issued)-o.Limit.D())
	}
	for _, name := range w.names {
		if u := w.targets[name]; !late && !u.late && u != t && u.domain == t.domain && u.ours() && !w.over(u.order) {
			u.settle()
			if u.ours() {
				w.fail("one holder: action %s took effect at %s while %s stands at %s", o.Action, t.name, u.value, u.name)
			}
		}
	}
}

// adjusted is a change that is rewritten at its target.
func (w *world) adjusted(t *target, o remediations.Order) {
	f := w.truth.files[incidents.ID(o.Incident)]
	for _, x := range f.st.Fixes {
		if x.Order.Action == o.Action && o.Until.After(x.Times.Issued.Add(o.Limit.D()+time.Second)) {
			w.fail("I4: %s was renewed at %s until %s, behind its limit", o.Action, t.name, o.Until)
		}
	}
	if o.Fence < t.fence {
		w.fail("I3: %s saw fence %d after %d", t.name, o.Fence, t.fence)
	}
}

// overwritten is a person's value under a command of ours. Only a target that cannot compare lets that happen, and only between our
// reading and our writing.
func (w *world) overwritten(t *target, what string, edits uint64) {
	if t.kind.compares() || t.edits == edits {
		w.fail("I8: a %s overwrote %s at %s", what, t.value, t.name)
		return
	}
	w.count.window++
}

// confused is a revert that takes another action's change back. Only a level, which does not say whose it is, lets that happen, and only to a
// revert that was held up until its record had ended, or to a change that took effect late.
func (w *world) confused(t *target, o remediations.Order, edits uint64) {
	if t.kind.compares() || t.edits == edits && !(t.kind == level && (t.late || w.over(o))) {
		w.fail("I8: the revert of %s took %s back at %s", o.Action, t.value, t.name)
		return
	}
	w.count.confusion++
}

// decideAgain derives a decision from the record alone: the looks since the last change ended, up to number n.
func (w *world) decideAgain(st *incidents.State, n int, now time.Time) incidents.Decision {
	since := 0
	for _, x := range st.Fixes {
		since = max(since, x.LooksUntil)
	}
	c := handlers.Case[sight]{Target: handlers.Target{Name: st.Target}, Alerts: st.Alerts, Now: now}
	for _, l := range st.Looks[min(since, n+1) : n+1] {
		look := handlers.Look[sight]{At: l.At}
		if err := json.Unmarshal(l.Seen, &look.Seen); err != nil {
			w.fail("a look cannot be read: %v", err)
		}
		c.Before = append(c.Before, look)
	}
	c.Before = c.Before[max(0, len(c.Before)-120):]
	if len(c.Before) == 0 {
		return incidents.Decision{}
	}
	return decide(c)
}
