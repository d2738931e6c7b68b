package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/console"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/remediations"
)

type explainCmd struct {
	server
	Incident string `arg:"" help:"The incident's id."`
	JSON     bool   `help:"The explanation as one JSON object."`
}

// Help is what "firebreak explain --help" teaches.
func (c *explainCmd) Help() string {
	return `Reads the incident's record and says: which alert it was, what was measured before and after, which cause and by which rule, which
other causes were considered and what was in their way, what the plan was with its bounds, who agreed, and every no with what it
means and what lifts it. It says nothing that is not in the record. "firebreak incidents show" lists the record itself.`
}

// Run explains.
func (c *explainCmd) Run(a *app) error {
	rec, err := c.record(a.ctx, c.Incident)
	if err != nil {
		return err
	}
	e := explain(rec)
	if c.JSON {
		return json.NewEncoder(a.stdout).Encode(e)
	}
	e.print(a.stdout)
	return nil
}

// explanation is why an incident went as it did, from its record alone.
type explanation struct {
	Summary incidents.Summary `json:"summary"`
	// Alerts are said in words, each as it last was.
	Alerts []string `json:"alerts"`
	// Decision is the one that was acted on, or else the last one.
	Decision *incidents.Decision `json:"decision,omitempty"`
	// After is what a change did to the symptom, as it was judged last.
	After *incidents.Judgement `json:"after,omitempty"`
	// Plans are those that were made or asked about, in order; if there are none, the one that was decided on last.
	Plans []planned `json:"plans,omitempty"`
	// Agreed is who said what, in order.
	Agreed   []event `json:"agreed,omitempty"`
	Refusals []no    `json:"refusals,omitempty"`
	// Next is what would be done if the last no were lifted; empty if none stands.
	Next string `json:"next,omitempty"`
	// Open says that the incident goes on.
	Open bool `json:"open"`
}

// planned is a change with its bounds. Made says that it was begun.
type planned struct {
	Step   remediations.Step  `json:"step"`
	Class  remediations.Class `json:"class,omitempty"`
	Verify *incidents.Verify  `json:"verify,omitempty"`
	Hash   string             `json:"hash,omitempty"`
	Made   bool               `json:"made"`
}

// event is something that people said, with its time since the first.
type event struct {
	After string `json:"after"`
	Words string `json:"words"`
}

// no is a refusal. The same one again and again is one, with how often it was said.
type no struct {
	Reason remediations.Reason `json:"reason"`
	Words  string              `json:"words"`
	First  string              `json:"first"`
	Last   string              `json:"last"`
	Times  int                 `json:"times"`
	Means  string              `json:"means"`
	Lifts  string              `json:"lifts"`
	Until  time.Time           `json:"until,omitzero"`
}

// explain reads the record once, from its beginning.
func explain(rec console.Record) explanation {
	st := incidents.Fold(rec.Events)
	e := explanation{Summary: rec.Summary, Open: st.Open(), Next: nextOf(st)}
	for _, a := range st.Alerts {
		e.Alerts = append(e.Alerts, fmt.Sprintf("%s is %s, since %s: %s", a.Name(), a.Status, stamp(a.StartsAt), labels(a.Labels)))
	}
	var last *incidents.Decision
	for _, ev := range rec.Events {
		at := since(rec.Summary.OpenedAt, ev.At)
		switch {
		case ev.Kind == incidents.Decided && ev.Decision != nil:
			last = ev.Decision
		case ev.Kind == incidents.Intended && ev.Order != nil:
			e.Decision = last
			e.planned(ev.Order.Plan, planned{Step: ev.Order.Step, Verify: verifyOf(last), Hash: ev.Order.Plan, Made: true})
		case ev.Kind == incidents.Asked && ev.Asking != nil:
			e.planned(ev.Asking.Plan, planned{Step: ev.Asking.Step, Class: ev.Asking.Class, Verify: verifyOf(last), Hash: ev.Asking.Plan})
		case ev.Kind == incidents.Verified && ev.Judgement != nil:
			e.After = ev.Judgement
		case ev.Kind == incidents.Refused && ev.Refusal != nil:
			e.refuse(*ev.Refusal, at)
		}
		if agrees(ev.Kind) {
			e.Agreed = append(e.Agreed, event{After: at, Words: ev.Words()})
		}
	}
	if e.Decision == nil {
		e.Decision = last
	}
	if len(e.Plans) == 0 && last != nil && last.Step != nil {
		e.Plans = []planned{{Step: *last.Step, Verify: last.Verify, Hash: st.Plan}}
	}
	return e
}

// agrees are the events that say who agreed, or did not.
func agrees(k incidents.Kind) bool {
	switch k {
	case incidents.Asked, incidents.Approved, incidents.Denied, incidents.Expired, incidents.Voided, incidents.Overridden, incidents.Recalled, incidents.Acked:
		return true
	}
	return false
}

// planned takes a plan up; one that was asked about and then made is one plan.
func (e *explanation) planned(hash string, p planned) {
	for i := range e.Plans {
		if known := &e.Plans[i]; known.Hash == hash && hash != "" {
			known.Made = known.Made || p.Made
			return
		}
	}
	e.Plans = append(e.Plans, p)
}

func verifyOf(d *incidents.Decision) *incidents.Verify {
	if d == nil {
		return nil
	}
	return d.Verify
}

func (e *explanation) refuse(r incidents.Refusal, at string) {
	if n := len(e.Refusals); n > 0 && e.Refusals[n-1].Reason == r.Reason && e.Refusals[n-1].Words == r.Words {
		last := &e.Refusals[n-1]
		last.Times, last.Last, last.Until = last.Times+1, at, r.Until
		return
	}
	means, lifts := r.Reason.Help()
	if means == "" {
		means, lifts = "This command does not know the reason: the server is newer.", `Use the server's own version of "firebreak".`
	}
	e.Refusals = append(e.Refusals, no{Reason: r.Reason, Words: r.Words, First: at, Last: at, Times: 1, Means: means, Lifts: lifts, Until: r.Until})
}

// nextOf is what would be done if the no that stands were lifted, "" if none stands.
func nextOf(st *incidents.State) string {
	if !st.Open() || st.Refusal == nil {
		return ""
	}
	return wouldDo(st)
}

// wouldDo is what the last decision asks for, in words.
func wouldDo(st *incidents.State) string {
	d := st.Decision
	switch {
	case d == nil:
		return "it is not known yet: nothing was decided so far"
	case d.Verdict == incidents.Act && d.Step != nil:
		return stepWords(*d.Step) + ", if a fresh look asks for the same"
	case d.Verdict == incidents.Act:
		return "a change that the record does not describe"
	}
	return fmt.Sprintf("no change: the last decision is %s → %s", d.Cause, d.Verdict)
}

// stepWords is a change with its bounds.
func stepWords(s remediations.Step) string {
	words := s.Fix + " on " + s.Place()
	if len(s.Params) > 0 {
		words += " with " + string(s.Params)
	}
	if s.Once {
		return words + ", by " + s.Remediation + ", once"
	}
	return words + fmt.Sprintf(", by %s, for %s at most", s.Remediation, s.Limit)
}

// ending says how a change ends when nothing goes wrong.
func (p planned) ending() string {
	switch {
	case p.Step.Once:
		return "it happens once, and cannot be taken back"
	case p.Verify != nil && p.Verify.UntilHealed:
		return "taken back when what it was for has been gone for " + p.Verify.HoldFor.String() + ", whatever the alert does"
	}
	return fmt.Sprintf("ends by itself unless it is renewed within %s; %s", p.Step.TTL, rampWords(p))
}

// judging says how a change is looked at.
func (p planned) judging() string {
	words := fmt.Sprintf("judged every %s", p.Verify.Every)
	if p.Step.Once {
		return words + fmt.Sprintf(" for at most %s; a person is called if it does not help", p.Verify.Within)
	}
	return words + fmt.Sprintf(", and taken back if it does not help within %s", p.Verify.Within)
}

// rampWords say how a change is given back.
func rampWords(p planned) string {
	if len(p.Step.Ramp) == 0 {
		return "given back at once"
	}
	shares := make([]string, len(p.Step.Ramp))
	for i, share := range p.Step.Ramp {
		shares[i] = fmt.Sprintf("%d %%", share)
	}
	words := "given back in steps: " + strings.Join(shares, ", ") + " of the calls, then all"
	if p.Verify != nil && p.Verify.RampEvery > 0 {
		words += fmt.Sprintf(", one every %s", p.Verify.RampEvery)
	}
	return words
}
