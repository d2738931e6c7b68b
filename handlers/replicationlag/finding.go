package replicationlag

import (
	"cmp"
	"math"
	"math/bits"
	"slices"

	"github.com/firebreak-sre/firebreak/alerts"
)

// finding is what the looks that must agree say about one standby.
type finding struct {
	name   string
	states []state // one for each of the looks, oldest first
	trend  trend
	// cause is what the newest look says, first what the first one says that says otherwise; agree that none does.
	cause, first Cause
	agree        bool
	// slot is set instead of all above when the decision is about a slot.
	slot *Slot
}

func (f finding) last() state { return f.states[len(f.states)-1] }

// known says that the finding is about a standby.
func (f finding) known() bool { return len(f.states) > 0 }

// findings are those of all standbys: first those that firing alerts name, then those that are furthest behind, then in the order of
// the policy. The first one that has a fault comes before all those that have none.
func (r deciding) findings() []finding {
	var found []finding
	for _, n := range r.cluster.topology.Nodes {
		if n.Node == r.newest().primary.Name {
			continue
		}
		f := finding{name: n.Node, agree: true}
		for _, s := range r.samples() {
			f.states = append(f.states, r.stateOf(s, n))
		}
		f.trend = r.withBaseline(trendOf(f.states))
		f.cause = r.classify(f.last(), f.trend)
		for _, s := range f.states {
			if c := r.classify(s, f.trend); c != f.cause && f.agree {
				f.agree, f.first = false, c
			}
		}
		found = append(found, f)
	}
	names := r.namedByAlerts()
	slices.SortStableFunc(found, func(a, b finding) int {
		return cmp.Or(
			cmp.Compare(calm(a), calm(b)),
			cmp.Compare(place(names, a.name), place(names, b.name)),
			cmp.Compare(badness(b), badness(a)))
	})
	return found
}

// calm orders the standbys that have no fault after the others.
func calm(f finding) int {
	if f.agree && f.cause.calm() {
		return 1
	}
	return 0
}

func place(names []string, name string) int {
	if i := slices.Index(names, name); i >= 0 {
		return i
	}
	return len(names)
}

// badness is how far a standby is behind, in powers of four: two that are about equal must not take turns at being the worst.
func badness(f finding) int {
	switch s := f.last(); {
	case f.cause == CauseStandbyAbsent:
		return math.MaxInt
	case !s.readable() || s.sender == nil && !s.cascaded || !s.lag.known:
		return math.MaxInt - 1
	default:
		return bits.Len64(uint64(s.lag.bytes)) / 2
	}
}

// namedByAlerts are the nodes that the firing alerts name, in the order in which the alerts came.
func (r deciding) namedByAlerts() []string {
	var names []string
	for _, a := range r.Alerts {
		if a.Status != alerts.Firing {
			continue
		}
		if name, ok := r.cluster.subject(a); ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
