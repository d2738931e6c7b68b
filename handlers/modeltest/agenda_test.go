package modeltest

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
)

const (
	// claimTTL is how long work is left to a replica that is silent, as in bus/claim.go.
	claimTTL = 15 * time.Second
	// redeliverAfter is how long an alert that was not acknowledged stays away.
	redeliverAfter = 2 * time.Second
	// ackWait is how long a delivery waits for whoever has it in hand and is silent.
	ackWait = 30 * time.Second
)

// entries are the agenda as the bus keeps it, with the claims.
type entries struct {
	rev    uint64
	items  map[string]entry
	claims map[string]claim
}

type entry struct {
	due time.Time
	rev uint64
}

type claim struct {
	lane  *lane     // nil: its replica died
	until time.Time // with lane nil
}

// claimed says whether somebody else has a key in hand, as far as the others can know.
func (e *entries) claimed(key string, now time.Time) bool {
	c, ok := e.claims[key]
	switch {
	case !ok:
		return false
	case c.lane == nil:
		return now.Before(c.until)
	case !c.lane.rep.paused.IsZero():
		return now.Before(c.lane.rep.paused.Add(claimTTL))
	}
	return true
}

func (e *entries) release(key string, l *lane, until time.Time) {
	if e.claims[key].lane == l {
		e.claims[key] = claim{until: until}
	}
}

// agenda is what one replica has of it: see bus.Agenda.
type agenda struct {
	w     *world
	rep   *replica
	taken map[string]uint64 // the revision that a key had when it was handed out
	// nudged keys are due now; retry is when one that failed comes again.
	nudged map[string]bool
	retry  map[string]time.Time
	tries  map[string]int
	// only, if not empty, is the one key that Open tells of: the start takes overdue ones one by one, in an order that the seed knows.
	only string
}

func (a *agenda) put(key string, due time.Time) {
	a.w.agenda.rev++
	a.w.agenda.items[key] = entry{due: due, rev: a.w.agenda.rev}
	a.nudged[key] = false
	delete(a.retry, key)
}

func (a *agenda) Set(_ context.Context, key string, due time.Time) error {
	a.w.at("agenda:set")
	if a.w.fault(a.w.faults.store) {
		return errDown
	}
	a.put(key, due)
	a.w.at("agenda:was set")
	return nil
}

func (a *agenda) Move(_ context.Context, key string, due time.Time) error {
	a.w.at("agenda:move")
	if a.w.fault(a.w.faults.store) {
		return errDown
	}
	if a.w.agenda.items[key].rev != a.taken[key] {
		a.Nudge(key)
		return nil
	}
	a.put(key, due)
	a.taken[key] = a.w.agenda.rev
	a.w.at("agenda:moved")
	return nil
}

func (a *agenda) Clear(_ context.Context, key string) error {
	a.w.at("agenda:clear")
	if a.w.fault(a.w.faults.store) {
		return errDown
	}
	delete(a.w.agenda.items, key)
	delete(a.nudged, key)
	delete(a.retry, key)
	a.w.at("agenda:cleared")
	return nil
}

func (a *agenda) Nudge(key string) {
	a.nudged[key] = true
	delete(a.retry, key)
}

func (a *agenda) AwaitEntry(context.Context, string) bool { return false }

func (a *agenda) Knows(key string) bool {
	_, ok := a.w.agenda.items[key]
	return ok
}

func (a *agenda) Count(prefix string) int {
	n := 0
	for key := range a.w.agenda.items {
		if strings.HasPrefix(key, prefix) {
			n++
		}
	}
	return n
}

func (a *agenda) Open(context.Context) (map[string]time.Time, error) {
	if a.only == "" {
		a.w.at("agenda:open")
	}
	out := map[string]time.Time{}
	for key, e := range a.w.agenda.items {
		if a.only == "" || a.only == key {
			out[key] = e.due
		}
	}
	return out, nil
}

// due says whether this replica would hand a key out now.
func (a *agenda) due(key string) bool {
	e, ok := a.w.agenda.items[key]
	now := a.rep.now()
	switch retry := a.retry[key]; {
	case a.rep.works(key):
		return false
	case a.nudged[key]:
		return true
	case !retry.IsZero(): // also of one that is in the agenda no more: the replica remembers it
		return !now.Before(retry)
	case !ok:
		return false
	}
	return !now.Before(e.due)
}

// next is when something of the agenda becomes due on this replica, by the world's clock.
func (a *agenda) next() time.Time {
	var first time.Time
	for _, key := range a.w.keys(a.rep) {
		e, ok := a.w.agenda.items[key]
		at := e.due
		if r := a.retry[key]; !r.IsZero() {
			at = r
		} else if !ok {
			continue // it was nudged: that is now
		}
		at = at.Add(-a.rep.skew)
		if c := a.w.agenda.claims[key]; c.lane == nil && c.until.After(at) {
			at = c.until
		}
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}

// done is the end of work on a key: see bus.Agenda's serve.
func (a *agenda) done(key string, err error) {
	now := a.rep.now()
	e, open := a.w.agenda.items[key]
	switch {
	case err != nil:
		a.tries[key]++
		a.nudged[key] = false
		a.retry[key] = now.Add(min(250*time.Millisecond<<min(a.tries[key], 8), time.Minute))
	case a.nudged[key]:
	case open && !e.due.After(now):
		a.retry[key] = now.Add(time.Second)
	default:
		a.tries[key] = 0
	}
}

// carry is the job of carrying one incident.
func (w *world) carry(l *lane, key string) {
	a := l.rep.agenda
	a.taken[key] = w.agenda.items[key].rev
	a.nudged[key] = false
	delete(a.retry, key)
	w.agenda.claims[key] = claim{lane: l}
	w.begin(l, &job{name: "carry " + key, key: key, run: func(ctx context.Context) error { return l.rep.loop.Carry(ctx, key) }})
}

// wakeUp is the first job of a replica: what is overdue ends before anything new begins.
func (w *world) wakeUp(l *lane) {
	l.rep.fresh = false
	w.begin(l, &job{name: "start", run: func(ctx context.Context) error {
		w.at("start")
		a := l.rep.agenda
		open, err := a.Open(ctx)
		overdue := w.overdue(l.rep)
		for _, key := range slices.Sorted(maps.Keys(open)) {
			if l.rep.dead {
				return err
			}
			a.only = key
			l.rep.loop.EndOverdue(ctx)
			a.only = ""
		}
		if !l.rep.dead && w.faults.store == 0 && w.faults.book == 0 {
			w.attended(overdue)
		}
		return err
	}})
}

// overdue are the incidents whose change should have ended by now, each with how long its record is.
func (w *world) overdue(r *replica) map[incidents.ID]int {
	out := map[incidents.ID]int{}
	for _, id := range w.truth.open {
		st := w.truth.files[id].st
		x := st.Fix()
		_, known := w.agenda.items[id.Key()]
		switch {
		case !known || x == nil || x.Times.Issued.IsZero() || !x.Times.Ended.IsZero(), r.now().Before(x.Times.Issued.Add(x.Order.Limit.D())):
		case (st.Stage == incidents.Doubtful || st.Stage == incidents.UndoDoubtful) && r.now().Before(st.Due):
		case st.Stage == incidents.Changing: // an adjustment may have been tried, and not be told
		default:
			out[id] = st.Events
		}
	}
	return out
}

// attended: a replica that has started has taken every overdue change in hand.
func (w *world) attended(overdue map[incidents.ID]int) {
	for id, events := range overdue {
		if w.truth.files[id].st.Events == events {
			w.fail("I4: %s was overdue at the start, and nobody looked at it", id)
		}
	}
}
