package handlers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/tracing"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/guard"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
)

// thought is a look and what was made of it, not yet in the record.
type thought struct {
	observed, decided incidents.Event
	decision          incidents.Decision
	plan              incidents.Plan
}

func (t thought) events() []incidents.Event { return []incidents.Event{t.observed, t.decided} }

// think decides on the record as it will be with this look in it.
func (r *run) think(observed incidents.Event) (thought, error) {
	seen := *r.st
	seen.Apply(observed)
	basis := r.cfg.Basis
	basis.Busy = r.others()
	d, err := r.h.Decide(think.Scene{Target: r.target, State: &seen, Busy: basis.Busy, Now: observed.At})
	if err != nil {
		return thought{}, err
	}
	t := thought{observed: observed, decision: d, plan: r.plan(r.st, d)}
	t.decided = incidents.Event{Kind: incidents.Decided, Decision: &d, Plan: t.plan.Hash(), Basis: &basis}
	return t, nil
}

func (r *run) plan(st *incidents.State, d incidents.Decision) incidents.Plan {
	class := remediations.ClassN
	if d.Step != nil {
		if rem, ok := r.remediation(d.Step.Remediation); ok {
			class = rem.Bounds(*d.Step).Class
		}
	}
	return incidents.PlanOf(st, st.Domain, class, d)
}

// guard asks everything that stands outside of the handler, takes the lock and the budget, and arms the change. Nothing is sent here.
func (r *run) guard(ctx context.Context, t thought) (bool, error) {
	if r.st.Plan == "" || r.st.Plan != t.plan.Hash() {
		// Two looks in a row must ask for the same change: one may have caught a bad moment.
		t.decided.Due = r.confirmAt(t.decision)
		return false, r.append(ctx, t.events()...)
	}
	rem, no := r.allowed(t)
	if no != nil {
		return false, r.refuse(ctx, t.events(), *no)
	}
	if need := r.votes(rem.Bounds(*t.decision.Step).Class); need > 0 {
		return r.ask(ctx, t, need, nil)
	}
	return r.arm(ctx, t.events(), t, rem)
}

// arm is the last part of the guard, when nobody needs to be asked any more.
func (r *run) arm(ctx context.Context, events []incidents.Event, t thought, rem remediations.Remediation) (bool, error) {
	order := r.order(t, rem)
	// The target and everything else are asked before the ledger: what cannot be changed now must cost neither budget nor a cooldown.
	seen, no := r.admit(ctx, rem, order)
	if no != nil {
		return false, r.refuse(ctx, events, *no)
	}
	grant, err := r.reserve(ctx, t)
	if err != nil {
		return false, r.refuse(ctx, events, ledgerRefusal(err))
	}
	order.Fence, order.Seen = grant.Fence, seen
	return true, r.append(ctx, append(events, incidents.Event{Kind: incidents.Intended, Order: &order})...)
}

// confirmAt is when to look a second time.
func (r *run) confirmAt(d incidents.Decision) time.Time { return think.ConfirmAt(d, r.now()) }

// allowed is everything about a plan that can be refused without asking anybody.
func (r *run) allowed(t thought) (remediations.Remediation, *incidents.Refusal) {
	p := think.Proposal{Step: t.decision.Step, Target: r.target, Overridden: r.overridden(), Newer: r.st.Newer}
	var rem remediations.Remediation
	if step := p.Step; step != nil {
		if rem, p.Known = r.remediation(step.Remediation); p.Known {
			p.Bounds, p.Permitted = rem.Bounds(*step), r.cfg.Permits(r.h.Name(), r.st.Target, step.Place(), step.Fix)
		}
	}
	return rem, p.Refusal()
}

// overridden says that a person lets the next change pass the brakes.
func (r *run) overridden() bool { return think.Overridden(r.st, r.now()) }

// admit asks the target, and everything that is neither handler nor target nor ledger.
func (r *run) admit(ctx context.Context, rem remediations.Remediation, o remediations.Order) (remediations.Presence, *incidents.Refusal) {
	asked := r.now()
	seen, err := r.check(ctx, rem, o)
	if no := busyTarget(seen, err); no != nil {
		return seen, no
	}
	ask := r.question()
	ask.Presence, ask.Asked, ask.Answered = seen, asked, r.now()
	return seen, refusalOf(r.cfg.Gate.Admit(ctx, ask))
}

func (r *run) question() guard.Ask {
	var firing []alerts.Alert
	for _, a := range r.st.Alerts {
		if a.Status == alerts.Firing {
			firing = append(firing, a)
		}
	}
	return guard.Ask{Handler: r.h.Name(), Domain: r.st.Domain, Alerts: firing, Now: r.now(), Override: r.overridden() || r.st.Stage == incidents.Planned && r.st.Fix().Order.Override != ""}
}

func refusalOf(no *remediations.NoError) *incidents.Refusal {
	if no == nil {
		return nil
	}
	return &incidents.Refusal{Reason: no.Reason, Words: no.Words, By: no.By, Until: no.Until}
}

func (r *run) reservation(t thought) ledger.Ask {
	open, known := r.sick(r.target.Zone)
	return ledger.Ask{Incident: r.st.ID.String(), Domain: r.st.Domain, Zone: r.target.Zone, Target: r.h.Name() + ":" + r.st.Target,
		Action: t.plan.Step.Remediation + "/" + t.plan.Step.Fix, Class: t.plan.Class, Sick: open, Known: known, Override: r.overridden()}
}

// reserve asks the ledger, which grants or says no.
func (r *run) reserve(ctx context.Context, t thought) (remediations.Grant, error) {
	ctx, span := r.span(ctx, tracing.Reserve)
	defer span.End()
	grant, err := r.cfg.Ledger.Reserve(ctx, r.reservation(t), r.now())
	var no *remediations.NoError
	if errors.As(err, &no) {
		span.Text(tracing.Refusal, string(no.Reason))
		return grant, err
	}
	span.Error(err)
	return grant, err
}

func ledgerRefusal(err error) incidents.Refusal {
	var no *remediations.NoError
	if errors.As(err, &no) {
		return *refusalOf(no)
	}
	return incidents.Refusal{Reason: remediations.ReasonLedger, Words: "the limits could not be read, so the answer is no: " + err.Error()}
}

func busyTarget(seen remediations.Presence, err error) *incidents.Refusal {
	switch {
	case err != nil:
		return &incidents.Refusal{Reason: remediations.ReasonProbeUnknown, Words: "the target could not be read: " + err.Error()}
	case seen.State == remediations.Absent:
		return nil
	case seen.State == remediations.Satisfied:
		return &incidents.Refusal{Reason: remediations.ReasonPlanChanged, Words: "what it was for is gone already: " + seen.Detail}
	case seen.State == remediations.Foreign:
		return &incidents.Refusal{Reason: remediations.ReasonTargetBusy, Words: "somebody else's change stands at the target: " + seen.Detail, Until: seen.Until}
	}
	return &incidents.Refusal{Reason: remediations.ReasonProbeUnknown, Words: "the target says that it is " + string(seen.State) + ": " + seen.Detail}
}

// order makes a step ready to be sent. What it is called follows from the plan alone, so that whoever goes on after a crash
// means the same action.
func (r *run) order(t thought, rem remediations.Remediation) remediations.Order {
	step := *t.decision.Step
	if !rem.Bounds(step).Adjusts {
		step.TTL, step.Ramp = step.Limit, nil // it can be neither renewed nor ramped
	}
	plan := t.plan.Hash()
	sum := sha256.Sum256([]byte(r.st.ID.String() + "\n" + plan))
	who := ""
	if r.overridden() {
		who = r.st.Override.Person.String()
	}
	return remediations.Order{Step: step, Override: who, Plan: plan, Action: hex.EncodeToString(sum[:10]), Incident: r.st.ID.String()}
}

func (r *run) check(ctx context.Context, rem remediations.Remediation, o remediations.Order) (remediations.Presence, error) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout.D())
	defer cancel()
	return rem.Check(ctx, o)
}
