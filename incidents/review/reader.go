package review

import (
	"maps"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/incidents/measure"
)

// reader takes a record in, once, from its beginning.
type reader struct {
	m     measure.Measures
	state *incidents.State
	zero  time.Time

	last, acted *incidents.Event // the last decision, and the one that a change was made on
	judged      *incidents.Judgement
	rows        []Row
	keys        []string // of rows: what makes two of them equal; "" nothing does
	adjusting   string   // the key of the last event that was about to adjust
	said        []Said
	refusals    []Refusal
	waits       [][2]time.Time // for answers of people
	foreign     int            // events of a newer build
}

func newReader(events []incidents.Event, id incidents.ID) *reader {
	r := &reader{m: measure.Of(events), state: incidents.Fold(events)}
	if r.m.ID == "" {
		r.m.ID, r.m.Handler = id, id.Handler()
	}
	r.zero = r.m.At[measure.Detected]
	if r.zero.IsZero() && len(events) > 0 {
		r.zero = events[0].At
	}
	return r
}

// after is when something happened, from the detection on.
func (r *reader) after(t time.Time) Span { return Span(t.Sub(r.zero)) }

// read takes in one event.
func (r *reader) read(e incidents.Event) {
	if e.V > incidents.Version {
		r.foreign++
	}
	r.row(e)
	switch e.Kind {
	case incidents.Decided:
		if e.Decision != nil {
			r.last = &e
		}
	case incidents.Intended:
		if r.last != nil {
			r.acted = r.last
		}
	case incidents.Verified, incidents.Regressed:
		if e.Judgement != nil {
			r.judged = e.Judgement
		}
	case incidents.Refused:
		if e.Refusal != nil {
			r.refuse(e)
		}
	}
	r.people(e)
}

// people is for what people are asked, and say.
func (r *reader) people(e incidents.Event) {
	switch e.Kind {
	case incidents.Asked:
		r.waits = append(r.waits, [2]time.Time{e.At, r.m.Last})
	case incidents.Approved, incidents.Denied, incidents.Expired, incidents.Voided:
		if n := len(r.waits); n > 0 && r.waits[n-1][1].Equal(r.m.Last) {
			r.waits[n-1][1] = e.At
		}
	case incidents.Acked, incidents.Overridden, incidents.Recalled:
	default:
		if e.Person == nil {
			return
		}
	}
	plan := e.Plan
	if plan == "" && e.Asking != nil {
		plan = e.Asking.Plan
	}
	r.said = append(r.said, Said{At: e.At.UTC(), After: r.after(e.At), Words: plain(e.Words()), Plan: tag(plan)})
}

// refuse counts the same no as one, wherever it was said.
func (r *reader) refuse(e incidents.Event) {
	no, at := e.Refusal, r.after(e.At)
	for i := range r.refusals {
		if known := &r.refusals[i]; known.Reason == tag(string(no.Reason)) && known.By == tag(no.By) {
			known.Times, known.Last, known.Words = known.Times+1, at, plain(no.Words)
			return
		}
	}
	means, lifts := no.Reason.Help()
	if means == "" {
		means, lifts = "This version does not know the reason: a newer one gave it.", "A newer version can say."
	}
	r.refusals = append(r.refusals, Refusal{Reason: tag(string(no.Reason)), Words: plain(no.Words), By: tag(no.By), First: at, Last: at,
		Times: 1, Means: means, Lifts: lifts})
}

// document is what was read, without what is derived from all of it.
func (r *reader) document() Document {
	d := Document{Head: r.head(), Gaps: r.gaps(), Torn: !r.m.Whole, Alerts: r.alerts(), Finding: r.finding(), Changes: r.changes(),
		Said: r.said, Refusals: r.refusals}
	for i := range d.Said {
		d.Said[i].Done = d.Said[i].Plan != "" && slices.ContainsFunc(d.Changes, func(c Change) bool { return c.Plan == d.Said[i].Plan })
	}
	for _, m := range measure.Moments() {
		if at := r.m.At[m]; !at.IsZero() {
			d.Moments = append(d.Moments, Moment{Name: m, Words: m.Words(), At: at.UTC(), After: r.after(at)})
		}
	}
	slices.SortStableFunc(d.Moments, func(x, y Moment) int { return x.At.Compare(y.At) })
	for _, c := range r.m.Compare() {
		t := Target{Name: c.Name, Source: c.Source, Result: c.Result, Why: plain(c.Why)}
		if c.Result != measure.NotMeasurable {
			t.Took = Span(c.Took)
		}
		d.Targets = append(d.Targets, t)
	}
	d.Timeline, d.LeftOut = r.timeline()
	return d
}

func (r *reader) head() Head {
	h := Head{Incident: tag(r.m.ID.String()), Handler: tag(r.m.Handler), Runbook: measure.Runbook(r.m.Handler), Target: tag(r.m.Target),
		Domain: tag(r.state.Domain), Outcome: tag(string(r.m.Outcome)), Stage: string(r.state.Stage), Zero: r.zero.UTC(), AsOf: r.m.Last.UTC()}
	if h.Target == "" {
		h.Target = "an unknown target"
	}
	return h
}

// gaps say what is not whole.
func (r *reader) gaps() []string {
	var out []string
	if len(r.rows) == 0 {
		return []string{"The record is empty."}
	}
	if !r.m.Whole {
		out = append(out, "The record's beginning is gone: it was kept for its time. What happened first is not known, and spans count from the oldest event that is left.")
	}
	if r.foreign > 0 || r.state.Newer {
		out = append(out, "A newer version wrote to this record what this one does not understand. It is in the timeline, and in nothing else.")
	}
	if r.state.Open() {
		out = append(out, "The incident is open: this is what was known at "+stamp(r.m.Last)+".")
	}
	return out
}

func (r *reader) alerts() []Alert {
	out := []Alert{}
	for _, a := range r.state.Alerts {
		out = append(out, Alert{Name: tag(a.Name()), Status: tag(string(a.Status)), Fingerprint: tag(a.Fingerprint), StartsAt: a.StartsAt.UTC(),
			EndsAt: a.EndsAt.UTC(), Labels: pairs(a.Labels), Annotations: pairs(a.Annotations)})
	}
	return out
}

func pairs(m map[string]string) []Pair {
	var out []Pair
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, Pair{Name: tag(name), Value: tag(m[name])})
	}
	return out
}
