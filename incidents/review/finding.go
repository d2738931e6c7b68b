package review

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
)

// finding is what the decision says that was acted on, or the last one.
func (r *reader) finding() *Finding {
	e := r.acted
	if e == nil {
		e = r.last
	}
	if e == nil {
		return nil
	}
	d := e.Decision
	f := &Finding{Cause: tag(d.Cause), Verdict: tag(string(d.Verdict)), Reason: plain(d.Reason), Rule: plain(d.Rule)}
	for _, o := range d.Others {
		f.Others = append(f.Others, Other{Name: tag(o.Name), Why: plain(o.Why)})
	}
	if e.Basis != nil {
		f.Policy, f.Build = tag(e.Basis.Policy), tag(e.Basis.Build)
	}
	f.Facts = facts(d.Evidence, r.judged)
	return f
}

// facts put beside each other what has the same name.
func facts(before []incidents.Evidence, judged *incidents.Judgement) []Fact {
	var out []Fact
	for _, e := range before {
		out = append(out, Fact{Name: tag(e.Name), Before: words(e)})
	}
	if judged == nil {
		return out
	}
	for _, e := range judged.Evidence {
		name := tag(e.Name)
		if i := slices.IndexFunc(out, func(f Fact) bool { return f.Name == name && f.After == "" }); i >= 0 {
			out[i].After = words(e)
			continue
		}
		if strings.HasSuffix(name, "_before") {
			continue // what the judgement compared with is the decision's own, or a moment after it
		}
		out = append(out, Fact{Name: name, After: words(e)})
	}
	return out
}

// words are a fact's own, or its number.
func words(e incidents.Evidence) string {
	if e.Words != "" {
		return plain(e.Words)
	}
	return number(e.Value, tag(e.Unit))
}

// changes are what was done, in order.
func (r *reader) changes() []Change {
	var out []Change
	for _, f := range r.state.Fixes {
		c := Change{What: tag(f.Order.Fix + " on " + place(f)), Params: tag(string(f.Order.Params)), Bounds: bounds(f), Plan: tag(f.Order.Plan),
			Action: tag(f.Order.Action), Override: tag(f.Order.Override)}
		if f.Judgement != nil {
			c.Effect, c.Words = tag(string(f.Judgement.Effect)), plain(f.Judgement.Words)
		}
		for _, s := range []struct {
			name string
			at   time.Time
		}{{"planned", f.Times.Intended}, {"sent", f.Times.Issued}, {"stood", f.Times.Applied}, {"judged improved", f.Times.Verified},
			{"given back in part", f.Times.Released}, {"taken back", f.Times.Reverting}, {"ended", f.Times.Ended}} {
			if !s.at.IsZero() {
				c.Steps = append(c.Steps, Step{Name: s.name, At: s.at.UTC(), After: r.after(s.at)})
			}
		}
		end := r.m.Last
		if !f.Times.Ended.IsZero() {
			end, c.Ended = f.Times.Ended, r.after(f.Times.Ended)
		}
		if !f.Times.Applied.IsZero() {
			c.bar = [2]Span{r.after(f.Times.Applied), r.after(end)}
		}
		out = append(out, c)
	}
	return out
}

func place(f incidents.Fix) string {
	if p := f.Order.Place(); p != "" {
		return p
	}
	return "a place that the record does not name"
}

// bounds say in words what a change could not pass.
func bounds(f incidents.Fix) string {
	o := f.Order
	if o.Once {
		return "happens once"
	}
	text := fmt.Sprintf("stands for %s at most, and for %s without being renewed", Span(o.Limit.D()), Span(o.TTL.D()))
	if f.Renewals > 0 {
		text += fmt.Sprintf("; it was renewed %d times", f.Renewals)
	}
	return text
}
