package replay

import (
	"container/heap"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
)

// simulated is the ledger as the other course would have kept it, in the time of the record.
type simulated struct {
	book   *ledger.Book
	limits policy.Limits
	// ends are the changes that only the other course made, by when they end at the latest.
	ends endings
}

func newSimulated(r Rules) simulated {
	book, err := ledger.ReadBook(nil)
	if err != nil {
		book = &ledger.Book{} // an empty document is always readable
	}
	return simulated{book: book, limits: r.Limits}
}

// ask is what the ledger is asked for a change.
func (s *simulated) ask(inc *incident, class remediations.Class, target think.Target, step *remediations.Step, sick, known int, override bool) ledger.Ask {
	return ledger.Ask{Incident: inc.id.String(), Domain: inc.now.Domain, Zone: target.Zone,
		Target: inc.id.Handler() + ":" + inc.now.Target, Action: step.Remediation + "/" + step.Fix, Class: class, Sick: sick, Known: known, Override: override}
}

// release gives back what both courses held.
func (s *simulated) release(inc *incident, at time.Time) {
	f := inc.now.Fix()
	s.book.Release(s.limits, ledger.End{Incident: inc.id.String(), Domain: inc.now.Domain, Unused: f.Times.Issued.IsZero(),
		Doubt: f.Outcome == incidents.OutcomeUnknown}, at)
}

// until enters when a change that only the other course made ends at the latest.
func (s *simulated) until(inc *incident, at time.Time) {
	heap.Push(&s.ends, ending{at: at, incident: inc.id.String(), domain: inc.now.Domain})
}

// passed ends what has ended by a time.
func (s *simulated) passed(at time.Time) {
	for len(s.ends) > 0 && !s.ends[0].at.After(at) {
		e, _ := heap.Pop(&s.ends).(ending)
		s.book.Release(s.limits, ledger.End{Incident: e.incident, Domain: e.domain}, e.at)
	}
}

// closed ends what an incident still holds: the fault is over, so the change would be.
func (s *simulated) closed(inc *incident) {
	if inc.stands && !inc.then.ClosedAt.IsZero() {
		s.book.Release(s.limits, ledger.End{Incident: inc.id.String(), Domain: inc.now.Domain}, inc.then.ClosedAt)
	}
}

// acked is a person's word. That there is nothing to acknowledge in this course is no error of it.
func (s *simulated) acked(ev incidents.Event, id incidents.ID) {
	for _, b := range s.book.Blocks(s.limits, ev.At) {
		if b.By == id.String() {
			_, _ = s.book.Ack(s.limits, id.String(), b.Domain, "", ev.At)
		}
	}
}

// ending is when a change ends at the latest.
type ending struct {
	at               time.Time
	incident, domain string
}

type endings []ending

func (q endings) Len() int           { return len(q) }
func (q endings) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q endings) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }

// Push is for container/heap.
func (q *endings) Push(x any) {
	if e, ok := x.(ending); ok {
		*q = append(*q, e)
	}
}

// Pop is for container/heap.
func (q *endings) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}

// zones counts what is open at once.
type zones struct {
	// of is the zone of a target, by handler and name; known how many targets a zone has.
	of    map[[2]string]string
	known map[string]int
	sick  map[string]int
	// handlers counts open incidents by handler, targets by target.
	handlers map[string]int
}

func newZones(r Rules) zones {
	z := zones{of: map[[2]string]string{}, known: map[string]int{}, sick: map[string]int{}, handlers: map[string]int{}}
	for name, h := range r.Thinkers {
		for _, t := range h.Targets() {
			z.of[[2]string{name, t.Name}] = t.Zone
			z.known[t.Zone]++
		}
	}
	return z
}

func (z *zones) open(handler, target string) {
	z.handlers[handler]++
	if zone, ok := z.of[[2]string{handler, target}]; ok {
		z.sick[zone]++
	}
}

func (z *zones) closed(handler, target string) {
	if target == "" {
		return // its beginning was not there
	}
	z.handlers[handler]--
	if zone, ok := z.of[[2]string{handler, target}]; ok {
		z.sick[zone]--
	}
}

func (z *zones) others(handler string) int { return max(0, z.handlers[handler]-1) }

func (z *zones) count(zone string) (sick, known int) { return z.sick[zone], z.known[zone] }
