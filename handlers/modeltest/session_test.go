package modeltest

import (
	"encoding/json"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/remediations"
)

// session is what a change that happens once ends: an identity that is there or has gone. The target knows who it is and what time it is,
// and not who ended it.
type session struct {
	id   uint64
	gone bool
	// ends is when it goes by itself; zero: not before somebody ends it.
	ends time.Time
}

// settle lets it go by itself.
func (s *session) settle(now time.Time) {
	s.gone = s.gone || !s.ends.IsZero() && !now.Before(s.ends)
}

// show is what it does to the patient. What one session did is over when it has gone, if that helps at all.
func (s *session) show(seen *sight, does effect) {
	seen.Session = s.id
	if s.gone {
		seen.Worse = does == harms
		seen.Sick = seen.Sick && does != cures
	}
}

// is says whether the one that an order means is there.
func (s *session) is(o remediations.Order) bool {
	var p params
	return json.Unmarshal(o.Params, &p) == nil && p.Session == s.id && !s.gone
}

// state is all that can be said: the one that is meant is there, so nothing was done to it; or it has gone, whoever ended it.
func (s *session) state(o remediations.Order) (remediations.State, string) {
	if s.is(o) {
		return remediations.Absent, ""
	}
	var p params
	_ = json.Unmarshal(o.Params, &p)
	if p.Session != s.id && !s.gone {
		return remediations.Foreign, "another one"
	}
	return remediations.Satisfied, "it has gone"
}

// arise brings another one, which goes by itself in half of the cases.
func (t *target) arise() {
	t.session = session{id: t.session.id + 1}
	t.edits++
	if t.w.oneIn(2) {
		t.session.ends = t.w.now.Add(t.w.span(time.Second, 3*time.Minute))
	}
}

// editSession is a person who ends it, or starts again what was ended.
func (t *target) editSession() {
	if t.session.gone {
		t.arise()
		return
	}
	t.session.gone, t.edits = true, t.edits+1
}

// happen is a command that arrives at a target whose changes happen once. It looks at who is there and at its own clock, in the same moment
// as it acts: what comes a second time, or late, or for somebody else, does nothing.
func (t *target) happen(o remediations.Order) (remediations.Receipt, error) {
	w := t.w
	if !w.now.Before(o.Deadline) || !t.session.is(o) {
		return remediations.Receipt{}, remediations.ErrRefused
	}
	w.effect(t, o, w.over(o))
	t.session.gone, t.edits = true, t.edits+1
	t.fence = max(t.fence, o.Fence)
	return remediations.Receipt{Note: "it was ended"}, nil
}

// satisfied says that what an order wants is so, and that its event says no more than that.
func (w *world) satisfied(o remediations.Order, e incidents.Event) bool {
	t := w.targets[o.Service]
	return o.Once && e.Presence != nil && e.Presence.State == remediations.Satisfied && !t.session.is(o)
}

// happened holds one event against the life of a change that happens once: it is judged, ends, and is neither held nor taken back.
func (w *world) happened(id incidents.ID, f *file, e incidents.Event) {
	x := f.st.Fix()
	if x == nil || !x.Order.Once || !x.Times.Ended.IsZero() {
		if e.Kind == incidents.Spent {
			w.fail("once: %s is spent at stage %s", id, f.st.Stage)
		}
		return
	}
	end := x.Times.Issued.Add(x.Order.Limit.D())
	switch e.Kind {
	case incidents.Held, incidents.Adjusting, incidents.Reverting, incidents.Reverted, incidents.NotOurs:
		w.fail("once: %s is %s, and its change happens once", id, e.Kind)
	case incidents.GaveUp:
		if e.Presence == nil || e.Presence.State != remediations.Foreign {
			w.fail("once: %s is given up, and the target could tell", id)
		}
	case incidents.NotApplied:
		if w.truth.effects[x.Order.Action] > 0 {
			w.fail("once: %s says that nothing was changed, and %s took effect", id, x.Order.Action)
		}
	case incidents.Verified:
		// Who began to look before the end may write it down behind it, and clocks differ by a second at most.
		if w.current.since.After(end.Add(time.Second)) {
			w.fail("once: %s was judged %s behind its limit", id, w.current.since.Sub(end))
		}
	case incidents.Spent:
		w.count.spent++
		if x.Times.Applied.IsZero() || x.Judgement == nil && f.st.Recall == nil && e.At.Before(end) {
			w.fail("once: %s is spent at stage %s, and nobody judged it", id, f.st.Stage)
		}
	}
}

// recorded: what took effect at a target whose changes happen once is in the record when all is over.
func (w *world) recorded(f *file) {
	for _, x := range f.st.Fixes {
		if x.Order.Once && w.truth.effects[x.Order.Action] > 0 && x.Times.Applied.IsZero() && x.Outcome != incidents.OutcomeUnknown {
			w.fail("once: %s took effect, and the record of %s does not say so", x.Order.Action, f.st.ID)
		}
	}
}

// released: nothing new is decided, and nothing ends, while the lock of a change that has ended is still held.
func (w *world) released(id incidents.ID, f *file, e incidents.Event) {
	if f.st.Stage != incidents.Settled || e.Kind != incidents.Decided && e.Kind != incidents.Closed {
		return
	}
	x := f.st.Fix()
	if a, ok := w.truth.ledger.Active[f.st.Domain]; ok && a.Incident == id.String() && a.Fence == x.Order.Fence {
		w.fail("one holder: %s goes on with %s, and still holds the lock of its change %s that has ended", id, e.Kind, x.Order.Action)
	}
}
