package pagerduty

import (
	"fmt"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
)

// How much of one text is shown, in runes, and of how many things.
const (
	maxName    = 200
	maxLine    = 400
	maxWords   = 1000
	maxLabels  = 64
	maxNumbers = 64
)

// details are what people read below an incident. A field without anything to say is left out.
type details struct {
	Incident  string            `json:"incident"`
	Event     string            `json:"event"`
	ID        string            `json:"id"`
	Now       string            `json:"now"`
	Late      string            `json:"late,omitempty"`
	Alert     string            `json:"alert"`
	Handler   string            `json:"handler"`
	Target    string            `json:"target"`
	Cause     string            `json:"cause,omitempty"`
	Why       string            `json:"why,omitempty"`
	Plan      string            `json:"plan,omitempty"`
	Before    []string          `json:"before,omitempty"`
	After     []string          `json:"after,omitempty"`
	Judgement string            `json:"judgement,omitempty"`
	Refusals  []string          `json:"refusals,omitempty"`
	Timeline  []string          `json:"timeline,omitempty"`
	Labels    map[string]string `json:"labels,omitempty"`
}

// asMap is what change events take.
func (d details) asMap() map[string]any {
	m := map[string]any{"incident": d.Incident, "event": d.Event, "id": d.ID, "now": d.Now, "alert": d.Alert, "handler": d.Handler,
		"target": d.Target, "plan": d.Plan, "cause": d.Cause, "why": d.Why, "before": d.Before, "after": d.After, "judgement": d.Judgement}
	for name, v := range m {
		if list, ok := v.([]string); v == "" || ok && len(list) == 0 {
			delete(m, name)
		}
	}
	return m
}

// detailsOf are the details of a record up to an event, with at most so many lines of each kind. st is the state that the events make.
func detailsOf(st *incidents.State, events []incidents.Event, lines int) details {
	d := details{
		Incident: st.ID.String(), Alert: plain(st.Opening.Alert.Name(), maxName), Handler: st.Handler, Target: plain(st.Target, maxName),
		Now: now(st), Refusals: refusals(events, lines), Timeline: timeline(events, lines), Labels: labels(st, lines),
	}
	if dec := st.Decision; dec != nil {
		d.Cause, d.Why, d.Before = plain(dec.Cause, maxName), plain(dec.Reason, maxWords), numbers(dec.Evidence, lines)
	}
	d.Plan = planWords(st)
	if f := st.Fix(); f != nil && f.Judgement != nil {
		d.Judgement = plain(string(f.Judgement.Effect)+": "+f.Judgement.Words, maxWords)
		d.After = numbers(f.Judgement.Evidence, lines)
	}
	return d
}

// now is where the incident stands.
func now(st *incidents.State) string {
	if st.Closing != nil {
		return plain(string(st.Closing.Outcome)+": "+st.Closing.Words, maxLine)
	}
	if st.Firing() {
		return string(st.Stage) + ", the alert fires"
	}
	return string(st.Stage) + ", the alert has resolved"
}

// planWords is the change that was made or decided on last, with what bounds it.
func planWords(st *incidents.State) string {
	switch f := st.Fix(); {
	case f != nil:
		o := f.Order
		if o.Once {
			return plain(fmt.Sprintf("%s; action %s, plan %.12s", o.Words(), o.Action, o.Plan), maxLine)
		}
		return plain(fmt.Sprintf("%s on %s, at most %s, ends by itself after %s; action %s, plan %.12s",
			o.Fix, o.Place(), o.Limit, o.TTL, o.Action, o.Plan), maxLine)
	case st.Decision != nil && st.Decision.Step != nil:
		s := st.Decision.Step
		return plain(fmt.Sprintf("%s was not made; plan %.12s", s.Words(), st.Plan), maxLine)
	}
	return ""
}

func numbers(all []incidents.Evidence, lines int) []string {
	var out []string
	for _, e := range all[:min(len(all), maxNumbers, lines)] {
		line := fmt.Sprintf("%s = %g", e.Name, e.Value)
		if e.Unit != "" {
			line += " " + e.Unit
		}
		if e.Words != "" {
			line += ": " + e.Words
		}
		out = append(out, plain(line, maxLine))
	}
	return out
}

// refusals are the last no's, by their names.
func refusals(events []incidents.Event, most int) []string {
	return lastLines(events, most, func(e incidents.Event) bool { return e.Kind == incidents.Refused && e.Refusal != nil })
}

// timeline is the end of the record, without the looks that say nothing by themselves.
func timeline(events []incidents.Event, most int) []string {
	return lastLines(events, most, func(e incidents.Event) bool {
		return e.Kind != incidents.Observed || e.Note != "" || e.Presence != nil
	})
}

// lastLines are the last events that are worth it, one line each; the first line is how many were left out.
func lastLines(events []incidents.Event, most int, worth func(incidents.Event) bool) []string {
	var some []incidents.Event
	for _, e := range events {
		if worth(e) {
			some = append(some, e)
		}
	}
	var out []string
	if left := len(some) - most; left > 0 {
		out = append(out, fmt.Sprintf("(%d earlier lines are left out)", left))
		some = some[left:]
	}
	for _, e := range some {
		out = append(out, plain(fmt.Sprintf("%s %s: %s", clock(e.At), e.Kind, e.Words()), maxLine))
	}
	return out
}

func labels(st *incidents.State, most int) map[string]string {
	all := st.Opening.Alert.Labels
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	out := map[string]string{}
	for _, name := range names[:min(len(names), maxLabels, most)] {
		out[plain(name, maxName)] = plain(all[name], maxName)
	}
	return out
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05Z") }
