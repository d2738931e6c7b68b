package incidents

import (
	"fmt"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/remediations"
)

// Words is what an event says, in one line for people. Alert text in it is as strangers wrote it: escape it for where it goes.
func (e Event) Words() string {
	if w := e.thoughtWords(); w != "" {
		return w
	}
	if w := e.fixWords(); w != "" {
		return w
	}
	if e.Person != nil {
		return e.personWords()
	}
	if e.Kind == Asked && e.Asking != nil {
		return askingWords(*e.Asking)
	}
	if e.Kind == Rung && e.Rung != nil {
		return e.Rung.words()
	}
	if e.Kind == Closed && e.Closing != nil {
		return fmt.Sprintf("%s: %s", e.Closing.Outcome, e.Closing.Words)
	}
	switch {
	case e.Note != "":
		return e.Note
	case e.Kind.known():
		return strings.ReplaceAll(string(e.Kind), "_", " ")
	}
	return "(written by a newer build)"
}

func (e Event) thoughtWords() string {
	switch {
	case e.Kind == Opened && e.Opening != nil:
		a := e.Opening.Alert
		return fmt.Sprintf("%s fires for %s (%s)", a.Name(), e.Opening.Target, a.Fingerprint)
	case e.Kind == AlertSeen && e.Alert != nil:
		return fmt.Sprintf("%s is %s (%s)", e.Alert.Name(), e.Alert.Status, e.Alert.Fingerprint)
	case e.Kind == Observed && e.Presence != nil:
		return strings.TrimSuffix("looked at the live system; the change "+presenceWords(*e.Presence)+"; "+e.Note, "; ")
	case e.Kind == Observed && e.Note == "":
		return "looked at the live system"
	case e.Kind == Decided && e.Decision != nil:
		return decisionWords(*e.Decision)
	case e.Kind == Refused && e.Refusal != nil:
		return fmt.Sprintf("%s: %s", e.Refusal.Reason, e.Refusal.Words)
	}
	return ""
}

func decisionWords(d Decision) string {
	facts := make([]string, 0, len(d.Evidence))
	for _, ev := range d.Evidence {
		facts = append(facts, ev.Words)
	}
	s := fmt.Sprintf("%s → %s: %s", d.Cause, d.Verdict, d.Reason)
	if len(facts) > 0 {
		s += " [" + strings.Join(facts, "; ") + "]"
	}
	return s
}

func (e Event) fixWords() string {
	switch e.Kind {
	case Intended, Issuing, Adjusting:
		if e.Order == nil {
			return ""
		}
		return orderWords(e.Kind, *e.Order)
	case Applied:
		s := "the change stands"
		if e.Receipt != nil && e.Receipt.Note != "" {
			s += ": " + e.Receipt.Note
		}
		return s
	case Adjusted:
		return "the change stands as adjusted"
	case Verified:
		if e.Judgement != nil {
			return fmt.Sprintf("%s: %s", e.Judgement.Effect, e.Judgement.Words)
		}
	case Reverting:
		if e.Note != "" {
			return "taking the change back: " + e.Note
		}
		return "taking the change back"
	case Spent:
		return "done, and over: there is nothing to take back"
	case Reverted:
		if e.Note != "" {
			return "nothing of ours stands any more: " + e.Note
		}
		return "nothing of ours stands any more"
	}
	return ""
}

func orderWords(k Kind, o remediations.Order) string {
	place := o.Place()
	switch {
	case k == Intended && o.Once:
		return fmt.Sprintf("%s, by action %s", o.Words(), o.Action)
	case k == Intended:
		return fmt.Sprintf("%s on %s, for %s at a time and %s at most, by action %s", o.Fix, place, o.TTL, o.Limit, o.Action)
	case k == Issuing:
		return fmt.Sprintf("sending %s on %s (action %s, fence %d, until %s)", o.Fix, place, o.Action, o.Fence, o.Until.Format(time.TimeOnly))
	}
	if o.Released > 0 {
		return fmt.Sprintf("%d %% of the calls of %s go free, until %s", o.Released, place, o.Until.Format(time.TimeOnly))
	}
	return fmt.Sprintf("%s on %s until %s", o.Fix, place, o.Until.Format(time.TimeOnly))
}

func presenceWords(p remediations.Presence) string {
	s := "is " + string(p.State)
	if p.Instances > 0 {
		s += fmt.Sprintf(", %d of %d instances obey", p.Obeying, p.Instances)
	}
	if p.Detail != "" {
		s += " (" + p.Detail + ")"
	}
	return s
}

// Summary is an incident in one line.
type Summary struct {
	ID        ID        `json:"id"`
	Handler   string    `json:"handler"`
	Target    string    `json:"target"`
	Alert     string    `json:"alert"`
	Stage     Stage     `json:"stage"`
	Outcome   Outcome   `json:"outcome,omitempty"`
	Cause     string    `json:"cause,omitempty"`
	Fix       string    `json:"fix,omitempty"`
	Refused   string    `json:"refused,omitempty"`
	Firing    bool      `json:"firing"`
	Escalated bool      `json:"escalated,omitempty"`
	OpenedAt  time.Time `json:"opened_at"`
	ClosedAt  time.Time `json:"closed_at,omitzero"`
	Words     string    `json:"words,omitempty"`
}

// Summary is the state in one line.
func (s *State) Summary() Summary {
	sum := Summary{ID: s.ID, Handler: s.Handler, Target: s.Target, Alert: s.Opening.Alert.Name(), Stage: s.Stage,
		Firing: s.Firing(), Escalated: s.Escalated, OpenedAt: s.OpenedAt, ClosedAt: s.ClosedAt}
	if s.Decision != nil {
		sum.Cause, sum.Words = s.Decision.Cause, s.Decision.Reason
	}
	if f := s.Fix(); f != nil {
		sum.Fix = f.Order.Fix
	}
	if s.Refusal != nil {
		sum.Refused, sum.Words = string(s.Refusal.Reason), s.Refusal.Words
	}
	if s.Closing != nil {
		sum.Outcome, sum.Words = s.Closing.Outcome, s.Closing.Words
	}
	return sum
}

func (e Event) personWords() string {
	what := map[Kind]string{Approved: "approved by", Denied: "denied by", Acked: "acknowledged by",
		Overridden: "the brakes are overridden by", Recalled: "taken back at the wish of"}[e.Kind]
	if what == "" {
		what = strings.ReplaceAll(string(e.Kind), "_", " ") + " by"
	}
	words := what + " " + e.Person.String()
	if e.Note != "" {
		words += ": " + e.Note
	}
	return words
}

func askingWords(a Asking) string {
	people := "one person"
	if a.Need > 1 {
		people = fmt.Sprintf("%d different people", a.Need)
	}
	return fmt.Sprintf("approval by %s is asked for until %s: %s (class %s, plan %.12s)",
		people, a.Until.UTC().Format("15:04:05Z"), a.Step.Words(), a.Class, a.Plan)
}
