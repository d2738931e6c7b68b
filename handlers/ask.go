package handlers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/tracing"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// Approvals says who must agree to a change, as the policy has it.
type Approvals interface {
	// Anyone says whether the policy names anybody who may approve a fix of a target. Nobody is nobody.
	Anyone(handler, target, fix string) bool
	// Expire is how long an asking waits for its answer.
	Expire() time.Duration
}

// votes is how many people must agree.
func (r *run) votes(class remediations.Class) int {
	return think.Votes(class, r.target.Mode, r.overridden())
}

// ask asks people for one plan. Nobody is asked for what the policy, the guard, the target or the ledger would refuse anyway. The ledger
// grants only when they have said yes, since what it grants is taken: it can still refuse what others have taken meanwhile.
func (r *run) ask(ctx context.Context, t thought, need int, changed []string) (bool, error) {
	plan, step := t.plan.Hash(), *t.decision.Step
	no := func(reason remediations.Reason, format string, args ...any) (bool, error) {
		return false, r.refuse(ctx, t.events(), incidents.Refusal{Reason: reason, Words: fmt.Sprintf(format, args...), Until: r.now().Add(10 * time.Minute).UTC()})
	}
	switch {
	case r.cfg.Approvals == nil || !r.cfg.Approvals.Anyone(r.h.Name(), r.st.Target, step.Fix):
		return no(remediations.ReasonClass, "%s needs approval (class %s, mode %s), and the policy names nobody who may give it", step.Fix, t.plan.Class, r.target.Mode)
	case r.st.Denial != nil && r.st.DeniedPlan == plan:
		return no(remediations.ReasonDenied, "%s denied it: %s", r.st.Denial.Person, r.st.Denial.Why)
	case r.st.Askings >= think.MaxAskings:
		return no(remediations.ReasonApprovalExpired, "%d askings of this incident were not answered in time", r.st.Askings)
	}
	rem, _ := r.remediation(step.Remediation)
	if _, refused := r.admit(ctx, rem, r.order(t, rem)); refused != nil {
		return false, r.refuse(ctx, t.events(), *refused)
	}
	switch no, err := r.cfg.Ledger.Would(ctx, r.reservation(t), r.now()); {
	case err != nil:
		return false, r.refuse(ctx, t.events(), ledgerRefusal(err))
	case no != nil:
		return false, r.refuse(ctx, t.events(), *refusalOf(no))
	}
	until := r.now().Add(r.cfg.Approvals.Expire()).UTC()
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%d", r.st.ID, plan, r.st.Askings+1))
	asking := incidents.Asking{ID: hex.EncodeToString(sum[:10]), Plan: plan, Class: t.plan.Class, Cause: t.decision.Cause, Step: step,
		Why: t.decision.Reason, Evidence: t.decision.Evidence, Need: need, Until: until, Changed: changed}
	if r.st.Override != nil {
		asking.By = &r.st.Override.Person
	}
	return false, r.append(ctx, append(t.events(), incidents.Event{Kind: incidents.Asked, Asking: &asking, Plan: plan, Due: until})...)
}

// answer is for when people were asked: it ends in a change, in a no, or by its time.
func (r *run) answer(ctx context.Context) (bool, error) {
	a, now := r.st.Asking, r.now()
	void := func(note string) (bool, error) {
		return true, r.append(ctx, incidents.Event{Kind: incidents.Voided, Plan: a.Plan, Note: note, Due: now.UTC()})
	}
	switch {
	case !r.st.Firing():
		return void("withdrawn: the alert resolved")
	case r.target.Mode == policy.Off:
		return void("withdrawn: the policy no longer lets this handler act here")
	case !now.Before(a.Until):
		return false, r.expire(ctx, a)
	case len(r.yes()) < a.Need:
		return r.wait(a.Until)
	case now.Before(r.st.Due):
		return false, nil
	}
	return r.approved(ctx, a)
}

// yes are the different people who approved and may: not who asked for it.
func (r *run) yes() []incidents.Person {
	var out []incidents.Person
	for _, s := range r.st.Approvals {
		fresh := r.st.Asking.By == nil || !s.Person.Same(*r.st.Asking.By)
		for _, p := range out {
			fresh = fresh && !p.Same(s.Person)
		}
		if fresh {
			out = append(out, s.Person)
		}
	}
	return out
}

// expire ends an asking that nobody answered, and calls a person: they were needed and did not come.
func (r *run) expire(ctx context.Context, a *incidents.Asking) error {
	words := fmt.Sprintf("nobody answered within %s", r.cfg.Approvals.Expire())
	events := []incidents.Event{{Kind: incidents.Expired, Plan: a.Plan, Note: words}}
	if !r.st.Escalated {
		events = append(events, incidents.Event{Kind: incidents.Escalated, Note: "approval of " + a.Step.Fix + " on " + r.st.Target + " was asked for: " + words})
	}
	return r.append(ctx, append(events, incidents.Event{Kind: incidents.Refused, Due: r.later(),
		Refusal: &incidents.Refusal{Reason: remediations.ReasonApprovalExpired, Words: words}})...)
}

// approved is for when enough people have said yes.
func (r *run) approved(ctx context.Context, a *incidents.Asking) (bool, error) {
	ctx, span := r.span(ctx, tracing.Approve)
	defer span.End()
	again, err := r.confirmed(ctx, a)
	failed(span, err)
	return again, err
}

// confirmed rebuilds the plan from a fresh look. The approval is for exactly what was asked about: anything else voids it, and is
// asked about anew, with the difference.
func (r *run) confirmed(ctx context.Context, a *incidents.Asking) (bool, error) {
	observed, err := r.observe(ctx)
	if err != nil {
		return false, err
	}
	t, err := r.think(observed)
	if err != nil {
		return false, err
	}
	if t.decision.Verdict == incidents.Wait {
		// Nothing speaks against it yet: more looks are needed, until the asking ends.
		observed.Due = r.confirmAt(t.decision)
		return false, r.append(ctx, observed)
	}
	voided := incidents.Event{Kind: incidents.Voided, Plan: a.Plan}
	if t.plan.Hash() != a.Plan {
		voided.Note = fmt.Sprintf("the plan is another one now: it is %s → %s", t.decision.Cause, t.decision.Verdict)
		voided.Due = r.now().UTC()
		if t.decision.Verdict != incidents.Act {
			return true, r.append(ctx, observed, voided)
		}
		asked := incidents.Plan{Incident: r.st.ID, Target: r.st.Target, Domain: r.st.Domain, Nth: t.plan.Nth, Cause: a.Cause, Class: a.Class, Step: a.Step, Verify: t.plan.Verify}
		asked.Step.Reason = ""
		if err := r.append(ctx, voided); err != nil {
			return false, err
		}
		rem, no := r.allowed(t)
		if no != nil {
			return false, r.refuse(ctx, t.events(), *no)
		}
		return r.ask(ctx, t, max(1, r.votes(rem.Bounds(*t.decision.Step).Class)), asked.Differences(t.plan))
	}
	rem, no := r.allowed(t)
	if no != nil {
		return false, r.refuse(ctx, t.events(), *no)
	}
	return r.arm(ctx, t.events(), t, rem)
}
