package kpi

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/incidents/measure"
	"github.com/firebreak-sre/firebreak/remediations"
)

// Collector takes the messages of records in the order in which they were stored. It is not safe for concurrent use.
type Collector struct {
	open            map[incidents.ID]*measure.Tracker
	handlers        map[string]*tally
	earlier, unread int
}

// New has seen nothing.
func New() *Collector {
	return &Collector{open: map[incidents.ID]*measure.Tracker{}, handlers: map[string]*tally{}}
}

// Add takes one message. An incident whose beginning was not in any is left out, and counted when it ends.
func (c *Collector) Add(id incidents.ID, events []incidents.Event) {
	t := c.open[id]
	for _, e := range events {
		if e.Kind == incidents.Opened && t == nil {
			t = &measure.Tracker{}
			c.open[id] = t
		}
		if t == nil {
			if e.Kind == incidents.Closed {
				c.earlier++
			}
			continue
		}
		t.Apply(e)
		if e.Kind == incidents.Closed {
			c.tally(id.Handler()).add(t.Measures())
			delete(c.open, id)
			t = nil
		}
	}
}

// Unread counts a message that could not be read.
func (c *Collector) Unread() { c.unread++ }

// Open is how many incidents it holds.
func (c *Collector) Open() int { return len(c.open) }

func (c *Collector) tally(handler string) *tally {
	if c.handlers[handler] == nil {
		c.handlers[handler] = newTally(handler, measure.Runbook(handler))
	}
	return c.handlers[handler]
}

// Report is the figures of everything so far; since and until are only written into it. More may be added afterwards.
func (c *Collector) Report(since, until time.Time) Report {
	r := Report{Since: since.UTC(), Until: until.UTC(), Handlers: []Group{}, Earlier: c.earlier, Unread: c.unread}
	now := map[string]*tally{}
	for handler, t := range c.handlers {
		now[handler] = t.clone()
	}
	for id, tracker := range c.open {
		h := id.Handler()
		if now[h] == nil {
			now[h] = newTally(h, measure.Runbook(h))
		}
		now[h].add(tracker.Measures())
	}
	runbooks := map[string]*tally{}
	several := map[string]int{}
	for _, h := range sortedKeys(now) {
		t := now[h]
		r.Handlers = append(r.Handlers, t.group())
		if t.runbook == "" {
			continue
		}
		several[t.runbook]++
		if runbooks[t.runbook] == nil {
			runbooks[t.runbook] = newTally("", t.runbook)
		}
		runbooks[t.runbook].merge(t)
	}
	for _, name := range sortedKeys(runbooks) {
		if several[name] > 1 {
			r.Runbooks = append(r.Runbooks, runbooks[name].group())
		}
	}
	return r
}

// tally is the figures of a group while they are counted. What it holds does not grow with the incidents.
type tally struct {
	handler, runbook string
	targets          []measure.Target
	measured         []measure.Target
	incidents, open  int
	spans            map[string]*against // by the target's name
	approvals        spread
	fixed, sent      int
	changes          measure.Changes
	refused          map[remediations.Reason]*Refused
	outcomes         map[incidents.Outcome]int
}

// against is a span with what became of its target.
type against struct {
	spread
	met, missed int
}

func newTally(handler, runbook string) *tally {
	targets := slices.DeleteFunc(measure.Targets(), func(t measure.Target) bool { return t.Runbook != runbook })
	return &tally{handler: handler, runbook: runbook, targets: targets, measured: measured(targets), spans: map[string]*against{},
		refused: map[remediations.Reason]*Refused{}, outcomes: map[incidents.Outcome]int{}}
}

// measured are the spans that a group shows: three that everybody asks for, then what else its runbook demands.
func measured(targets []measure.Target) []measure.Target {
	out := []measure.Target{
		{Name: measure.Detection, From: measure.Started, To: measure.Detected},
		{Name: measure.Mitigation, From: measure.Started, To: measure.Mitigated},
		{Name: measure.Recovery, From: measure.Started, To: measure.Recovered},
	}
	for _, target := range targets {
		if target.Limit == 0 {
			continue
		}
		if i := slices.IndexFunc(out, func(known measure.Target) bool { return known.Name == target.Name }); i >= 0 {
			out[i] = target
		} else {
			out = append(out, target)
		}
	}
	return out
}

// add counts one incident.
func (t *tally) add(m measure.Measures) {
	t.incidents++
	for _, span := range t.measured {
		a := t.span(span.Name)
		if took, why := m.Took(span.From, span.To); why == "" {
			a.add(took)
		}
	}
	for _, c := range m.Against(t.targets) {
		switch c.Result {
		case measure.Met:
			t.span(c.Name).met++
		case measure.Missed:
			t.span(c.Name).missed++
		}
	}
	for _, wait := range m.Waits {
		t.approvals.add(wait)
	}
	t.changes.Sent += m.Changes.Sent
	t.changes.Stood += m.Changes.Stood
	t.changes.Helped += m.Changes.Helped
	t.changes.Reverted += m.Changes.Reverted
	for reason, times := range m.Refused {
		t.refuse(Refused{Reason: string(reason), Incidents: 1, Times: times})
	}
	if m.At[measure.Closed].IsZero() {
		t.open++
		return
	}
	t.outcomes[m.Outcome]++
	if m.Changes.Sent > 0 {
		t.sent++
		if m.Outcome == incidents.OutcomeFixed {
			t.fixed++
		}
	}
}

func (t *tally) span(name string) *against {
	if t.spans[name] == nil {
		t.spans[name] = &against{}
	}
	return t.spans[name]
}

func (t *tally) refuse(r Refused) {
	known := t.refused[remediations.Reason(r.Reason)]
	if known == nil {
		known = &Refused{Reason: r.Reason}
		t.refused[remediations.Reason(r.Reason)] = known
	}
	known.Incidents += r.Incidents
	known.Times += r.Times
}

// merge counts what another has counted.
func (t *tally) merge(o *tally) {
	t.incidents += o.incidents
	t.open += o.open
	for name, a := range o.spans {
		mine := t.span(name)
		mine.merge(&a.spread)
		mine.met += a.met
		mine.missed += a.missed
	}
	t.approvals.merge(&o.approvals)
	t.fixed += o.fixed
	t.sent += o.sent
	t.changes.Sent += o.changes.Sent
	t.changes.Stood += o.changes.Stood
	t.changes.Helped += o.changes.Helped
	t.changes.Reverted += o.changes.Reverted
	for _, r := range o.refused {
		t.refuse(*r)
	}
	for outcome, n := range o.outcomes {
		t.outcomes[outcome] += n
	}
}

func (t *tally) clone() *tally {
	out := newTally(t.handler, t.runbook)
	out.merge(t)
	return out
}

// sortedKeys are a map's keys in order.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
