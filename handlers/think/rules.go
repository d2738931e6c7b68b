package think

import (
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// What the loop and a replay both ask about a decision, before anything outside of the record is asked.

const (
	// maxFixes is how many changes one incident may try. What did not help twice does not help.
	maxFixes = 2
	// MaxAskings is how often one incident asks people. Who did not answer three times does not want to be asked again.
	MaxAskings = 3
	// ConfirmAfter is the time between two agreeing looks where the handler does not name one.
	ConfirmAfter = 5 * time.Second
)

// ConfirmAt is when to look a second time at what was decided at a time: when the handler says, else in a moment.
func ConfirmAt(d incidents.Decision, at time.Time) time.Time {
	if d.Until.After(at) {
		return d.Until
	}
	return at.Add(ConfirmAfter).UTC()
}

// Proposal is a change that was decided on, and what the policy and the remediation say about it.
type Proposal struct {
	// Step is nil if the decision names no change.
	Step *remediations.Step
	// Known says that there is such a remediation, with these Bounds.
	Known  bool
	Bounds remediations.Bounds
	// Permitted says that the policy names the fix at this place for this target.
	Permitted bool
	Target    Target
	// Overridden says that a person lets the next change pass the brakes; Newer that a newer build wrote to the record.
	Overridden, Newer bool
}

// Refusal is everything about a proposal that can be refused without asking anybody; nil if nothing is.
func (p Proposal) Refusal() *incidents.Refusal {
	no := func(reason remediations.Reason, format string, args ...any) *incidents.Refusal {
		return &incidents.Refusal{Reason: reason, Words: fmt.Sprintf(format, args...)}
	}
	step, b := p.Step, p.Bounds
	switch {
	case step == nil:
		return no(remediations.ReasonNotAllowed, "the decision names no change")
	case !p.Known:
		return no(remediations.ReasonNotAllowed, "there is no remediation %q here", step.Remediation)
	case p.Newer:
		return no(remediations.ReasonNewerRecord, "a newer build wrote to this record what this one does not understand: it looks, and changes nothing")
	case b.Class == remediations.ClassN:
		return no(remediations.ReasonNotAllowed, "%s does not do %s there", step.Remediation, step.Fix)
	case !p.Permitted:
		return no(remediations.ReasonNotAllowed, "the policy does not name %s on %s for %s", step.Fix, step.Place(), p.Target.Name)
	case p.Target.Mode == policy.Off || p.Target.Mode == policy.Observe && !p.Overridden:
		return no(remediations.ReasonObserve, "would have done: %s (mode %s)", step.Words(), p.Target.Mode)
	case step.Once != b.Once:
		return no(remediations.ReasonNotAllowed, "the decision and %s do not agree on whether %s is over when it is done", step.Remediation, step.Fix)
	case step.Undo != b.Undo || step.Undo && !step.Once:
		return no(remediations.ReasonNotAllowed, "the decision and %s do not agree on whether %s can be taken back", step.Remediation, step.Fix)
	case step.Limit.D() > b.MaxLimit:
		return no(remediations.ReasonNotAllowed, "%s may stand for %s at most, and %s were asked for", step.Fix, b.MaxLimit, step.Limit)
	}
	return nil
}

// Votes is how many people must agree: what the class demands, or more where the mode does.
func Votes(class remediations.Class, mode policy.Mode, overridden bool) int {
	switch {
	case class == remediations.ClassP2:
		return 2
	case class == remediations.ClassA && (mode == policy.Auto || overridden):
		return 0
	}
	return 1
}

// GivenUp says that an incident has had its changes: a person has it.
func GivenUp(st *incidents.State) bool {
	f := st.Fix()
	if f == nil {
		return false
	}
	if st.Recall != nil {
		return true
	}
	switch f.Outcome {
	case incidents.OutcomeIneffective, incidents.OutcomeWorse, incidents.OutcomeRegressed, incidents.OutcomeUnknown:
		return true
	}
	return len(st.Fixes) >= maxFixes
}

// Stale says that the alert is too old to act on: it is neither freshly delivered, nor have we kept looking at it as planned
// since it was. A backlog that is read hours later must not be acted on.
func Stale(st *incidents.State, now time.Time, limit time.Duration) bool {
	if now.Sub(st.LastHeard()) <= limit {
		return false
	}
	if st.Refusal != nil && st.Refusal.Reason == remediations.ReasonStaleAlert {
		return true
	}
	return st.Due.IsZero() || now.Sub(st.Due) > limit
}

// Overridden says that a person lets the next change of an incident pass the brakes.
func Overridden(st *incidents.State, now time.Time) bool {
	return st.Override != nil && now.Before(st.Override.Until)
}
