package desk

import (
	"context"

	"github.com/firebreak-sre/firebreak/incidents"
)

// Ref names one asking, as it was shown to people.
type Ref struct {
	Incident incidents.ID
	// Asking is [incidents.Asking.ID].
	Asking string
	// Plan is the hash that was shown. An answer to another one answers nothing.
	Plan string
}

// May says whether a person may approve a fix of a target: nil if so. It is asked with what the record says, not with what the answer
// says.
type May func(handler, target, fix string) error

// Answered is what an answer came to.
type Answered struct {
	// Have of Need people have approved.
	Have, Need int
	Asking     incidents.Asking
}

// Approve says yes to one plan. It does not make the change: the plan is built again from fresh looks before, and must be the same.
func (d *Desk) Approve(ctx context.Context, ref Ref, p incidents.Person, may May) (Answered, error) {
	var out Answered
	_, err := d.order(ctx, ref.Incident, func(st *incidents.State) (incidents.Event, error) {
		a, err := d.asked(st, ref, may)
		if err != nil {
			return incidents.Event{}, err
		}
		if a.By != nil && a.By.Same(p) {
			return incidents.Event{}, no(OwnRequest, "%s asked for it, and %s cannot be told apart from them: nobody approves their own request", a.By, p)
		}
		for _, s := range st.Approvals {
			if s.Person.Same(p) {
				return incidents.Event{}, no(SaidAlready, "%s has approved it already, and %s cannot be told apart from them; %d of %d people have", s.Person, p, len(st.Approvals), a.Need)
			}
		}
		out = Answered{Have: len(st.Approvals) + 1, Need: a.Need, Asking: *a}
		return incidents.Event{Kind: incidents.Approved, Person: &p, Plan: a.Plan, Due: d.now().UTC()}, nil
	})
	return out, err
}

// Deny says no to one plan. A reason helps and is not needed. Whoever may approve may deny.
func (d *Desk) Deny(ctx context.Context, ref Ref, p incidents.Person, reason string, may May) error {
	_, err := d.order(ctx, ref.Incident, func(st *incidents.State) (incidents.Event, error) {
		if err := tooLong(reason); err != nil {
			return incidents.Event{}, err
		}
		a, err := d.asked(st, ref, may)
		if err != nil {
			return incidents.Event{}, err
		}
		return incidents.Event{Kind: incidents.Denied, Person: &p, Plan: a.Plan, Note: reason, Due: d.now().UTC()}, nil
	})
	return err
}

// asked is the asking that an answer is about, if it can still be answered by this person.
func (d *Desk) asked(st *incidents.State, ref Ref, may May) (*incidents.Asking, error) {
	a := st.Asking
	switch {
	case !st.Open():
		return nil, no(Over, "%s has ended", ref.Incident)
	case a == nil || st.Stage != incidents.Waiting:
		return nil, no(NothingAsked, "nothing is asked for in %s any more: it was decided, or withdrawn", ref.Incident)
	case a.ID != ref.Asking || a.Plan != ref.Plan:
		return nil, no(OtherAsking, "%s asks about another plan by now: look at it again", ref.Incident)
	case !d.now().Before(a.Until):
		return nil, no(TooLate, "the asking ended at %s", a.Until.Format("15:04:05Z07:00"))
	}
	if err := may(st.Handler, st.Target, a.Step.Fix); err != nil {
		return nil, &No{Code: NotApprover, Words: err.Error()}
	}
	return a, nil
}
