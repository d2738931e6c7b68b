package replay

import (
	"time"

	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
)

// Engine runs a stream of records through other rules and says what would have been done. It keeps the incidents that are open, and
// nothing of those that have ended: its memory follows how much is open at once, not how long the past is.
type Engine struct {
	rules  Rules
	done   func(Result)
	open   map[incidents.ID]*incident
	zones  zones
	ledger simulated
	totals Totals
}

// Result is one incident in both courses.
type Result struct {
	ID       incidents.ID      `json:"id"`
	Handler  string            `json:"handler"`
	Target   string            `json:"target"`
	OpenedAt time.Time         `json:"opened_at"`
	ClosedAt time.Time         `json:"closed_at,omitzero"`
	Outcome  incidents.Outcome `json:"outcome,omitempty"`
	// Then is what was done and Now what would have been, each decision that came to something else than the one before.
	Then []Deed `json:"then"`
	Now  []Deed `json:"now"`
	// Differs says that the two are not the same.
	Differs bool `json:"differs"`
	// Unknown is from when on the other course is not known, and Why.
	Unknown time.Time `json:"unknown,omitzero"`
	Why     string    `json:"why,omitempty"`
	// Partial says that the record's beginning is no longer kept, so that nothing could be derived.
	Partial bool `json:"partial,omitempty"`
}

// New makes an engine. done gets every incident when it has ended, and by [Engine.Finish] those that have not; nil drops them.
func New(r Rules, done func(Result)) *Engine {
	if done == nil {
		done = func(Result) {}
	}
	return &Engine{rules: r, done: done, open: map[incidents.ID]*incident{}, zones: newZones(r), ledger: newSimulated(r), totals: newTotals()}
}

// incident is one incident in both courses.
type incident struct {
	id incidents.ID
	// then is the record as it is. now is the record as it would be under the other rules, for as long as that is known.
	then, now incidents.State
	memo      think.Memo
	deeds     [2][]Deed
	// confirm is when the other course wanted to look a second time, and what for; zero if it did not, or the record did too.
	confirm time.Time
	wanted  Deed
	unknown time.Time
	why     string
	// stands is the grant of a change that only the other course made.
	stands bool
	// rest is what follows the event in hand, in the same message.
	rest    []incidents.Event
	partial bool
}

const (
	then = 0
	now  = 1
)

// Next takes the next message of the stream, in its order.
func (e *Engine) Next(m Message) {
	e.totals.Messages++
	e.totals.Events += len(m.Events)
	inc, known := e.open[m.ID]
	if !known {
		if inc = e.begin(m); inc == nil {
			return
		}
	}
	for i, ev := range m.Events {
		inc.rest = m.Events[i+1:]
		e.event(inc, ev)
	}
	if !inc.then.Open() {
		e.finish(inc)
	}
}

// Finish reports the incidents that have not ended, and returns the totals.
func (e *Engine) Finish() Totals {
	for _, inc := range e.open {
		e.finish(inc)
	}
	return e.totals
}

// begin takes an incident up. What comes behind its end, such as an acknowledgement, is none.
func (e *Engine) begin(m Message) *incident {
	if len(m.Events) == 0 {
		return nil
	}
	switch m.Events[0].Kind {
	case incidents.Opened:
	case incidents.Acked:
		e.ledger.acked(m.Events[0], m.ID)
		return nil
	default: // its beginning is no longer kept, or it is before the range
		e.totals.Partial++
	}
	inc := &incident{id: m.ID, then: incidents.State{Stage: incidents.Looking}, now: incidents.State{Stage: incidents.Looking},
		partial: m.Events[0].Kind != incidents.Opened}
	e.open[m.ID] = inc
	e.totals.Incidents++
	return inc
}

func (e *Engine) event(inc *incident, ev incidents.Event) {
	if ev.Kind == incidents.Opened && ev.Opening != nil {
		e.zones.open(ev.Opening.Handler, ev.Opening.Target)
	}
	if inc.partial {
		inc.then.Apply(ev)
		return
	}
	e.ledger.passed(ev.At)
	switch {
	case ev.Kind == incidents.Decided && ev.Decision != nil:
		e.decided(inc, ev)
	case ev.Kind == incidents.Refused && ev.Refusal != nil:
		e.refused(inc, ev)
	case ev.Kind == incidents.Verified && ev.Judgement != nil:
		e.verified(inc, ev)
	default:
		e.apply(inc, ev)
	}
	e.totals.seen(inc, ev)
}

// apply enters an event in both courses, as far as the other one is known.
func (e *Engine) apply(inc *incident, ev incidents.Event) {
	stood := inc.now.Fix() != nil && inc.now.Fix().Times.Ended.IsZero()
	inc.then.Apply(ev)
	if !inc.unknown.IsZero() {
		return
	}
	inc.now.Apply(inc.translated(ev))
	if stood && !inc.now.Fix().Times.Ended.IsZero() {
		e.ledger.release(inc, ev.At)
	}
	if ev.Kind == incidents.Acked {
		e.ledger.acked(ev, inc.id)
	}
}

// translated is an event about a plan as the other course knows that plan: the same change can have another hash there, since other rules
// may call its cause differently or judge it differently.
func (inc *incident) translated(ev incidents.Event) incidents.Event {
	switch ev.Kind {
	case incidents.Asked:
		if ev.Asking != nil {
			asking := *ev.Asking
			asking.Plan, ev.Asking = inc.now.Plan, &asking
		}
	case incidents.Denied:
		if inc.now.Asking != nil {
			ev.Plan = inc.now.Asking.Plan
		}
	}
	return ev
}

// decided is where the courses may part.
func (e *Engine) decided(inc *incident, ev incidents.Event) {
	was := e.recorded(inc, ev)
	inc.note(then, was)
	if !inc.unknown.IsZero() {
		inc.then.Apply(ev)
		return
	}
	if e.missed(inc, ev.At) {
		inc.then.Apply(ev)
		return
	}
	is, decision := e.decide(inc, ev)
	inc.note(now, is)
	inc.then.Apply(ev)
	if heavy(was) || heavy(is) {
		if !was.same(is) {
			e.part(inc, ev.At, words(was, is))
			if is.Kind == Acted {
				inc.stands = true
				e.ledger.until(inc, ev.At.Add(is.step.Limit.D()))
			}
			return
		}
	}
	inc.now.Apply(decision)
	e.awaitSecondLook(inc, was, is, decision)
}

// heavy says whether a deed changes what happens next.
func heavy(d Deed) bool { return d.Kind == Acted || d.Kind == Asked }

// part ends what is known of the other course.
func (e *Engine) part(inc *incident, at time.Time, why string) {
	inc.unknown, inc.why, inc.confirm = at, why, time.Time{}
}

func words(was, is Deed) string {
	switch {
	case is.Kind == Missing:
		return is.Words
	case was.Kind == is.Kind:
		return "what follows is not recorded: it would have " + is.Kind.past() + " differently"
	}
	return "what follows is not recorded: it " + was.Kind.past() + ", and would have " + is.Kind.past()
}

// awaitSecondLook remembers that the other course wanted to look again soon where the recorded one did not.
func (e *Engine) awaitSecondLook(inc *incident, was, is Deed, decision incidents.Event) {
	inc.confirm = time.Time{}
	if is.Kind != Nothing || is.Fix == "" || was.Kind == Nothing && was.Fix != "" {
		return
	}
	inc.confirm, inc.wanted = think.ConfirmAt(*decision.Decision, decision.At), is
}

// lateLook is how late another look may be for the second one that a change needs.
const lateLook = 5 * time.Second

// missed says that the other course needed a look that nobody made in time.
func (e *Engine) missed(inc *incident, at time.Time) bool {
	if inc.confirm.IsZero() || !at.After(inc.confirm.Add(lateLook)) {
		return false
	}
	d := inc.wanted
	d.Kind, d.At, d.step = Missing, inc.confirm, nil
	d.Words = "it would have looked again at " + inc.confirm.Format(time.RFC3339) + " to confirm " + d.Fix + " on " + d.Place + ", and nobody did"
	inc.note(now, d)
	e.part(inc, at, d.Words)
	return true
}

// note keeps a deed if it is not the same as the one before.
func (inc *incident) note(course int, d Deed) {
	list := inc.deeds[course]
	if n := len(list); n > 0 && list[n-1].same(d) && list[n-1].Cause == d.Cause {
		return
	}
	if len(list) == maxDeeds { // the first and the latest say most
		list = list[:maxDeeds-1]
	}
	inc.deeds[course] = append(list, d)
}

// maxDeeds bounds what is kept of one incident.
const maxDeeds = 32

func (e *Engine) finish(inc *incident) {
	if !inc.partial && inc.unknown.IsZero() && !inc.then.ClosedAt.IsZero() {
		e.missed(inc, inc.then.ClosedAt)
	}
	delete(e.open, inc.id)
	e.zones.closed(inc.then.Handler, inc.then.Target)
	e.ledger.closed(inc)
	r := Result{ID: inc.id, Handler: inc.id.Handler(), Target: inc.then.Target, OpenedAt: inc.then.OpenedAt, ClosedAt: inc.then.ClosedAt,
		Then: inc.deeds[then], Now: inc.deeds[now], Unknown: inc.unknown, Why: inc.why, Partial: inc.partial}
	if c := inc.then.Closing; c != nil {
		r.Outcome = c.Outcome
	}
	r.Differs = !sameDeeds(r.Then, r.Now)
	e.totals.add(r)
	e.done(r)
}

func sameDeeds(a, b []Deed) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !a[i].same(b[i]) || a[i].Cause != b[i].Cause {
			return false
		}
	}
	return true
}

// Weightiest is the deed that counts for an incident: the first of the weightiest kind.
func Weightiest(list []Deed) Deed {
	best := Deed{Kind: Nothing}
	for i, d := range list {
		if i == 0 || d.Kind.weight() > best.Kind.weight() {
			best = d
		}
	}
	return best
}
