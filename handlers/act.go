package handlers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/failpoint"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

const (
	// settleTime is waited beyond a command's deadline before the target is asked whether it took effect.
	settleTime = time.Second
	// maxDoubts is how often a target that cannot answer is asked before a person is called. It is asked on after that.
	maxDoubts = 5
)

// guard asks everything that stands outside of the handler, takes the lock and the budget, and arms the change. Nothing is sent here.
func (r *run) guard(ctx context.Context, events []incidents.Event, d incidents.Decision) (bool, error) {
	no, rem := r.allowed(d)
	if no != nil {
		return false, r.refuse(ctx, events, *no)
	}
	// The target is asked before the ledger: what cannot be changed now must cost neither budget nor a cooldown.
	order := r.order(*d.Step, rem)
	seen, err := r.check(ctx, rem, order)
	if no := busyTarget(seen, err); no != nil {
		return false, r.refuse(ctx, events, *no)
	}
	grant, err := r.cfg.Ledger.Reserve(ctx, r.st.ID.String(), r.st.Domain, r.now())
	if err != nil {
		return false, r.refuse(ctx, events, r.ledgerRefusal(err))
	}
	order.Fence, order.Seen = grant.Fence, seen
	return true, r.append(ctx, append(events, incidents.Event{Kind: incidents.Intended, Order: &order})...)
}

// allowed is everything about a plan that can be refused without taking anything.
func (r *run) allowed(d incidents.Decision) (*incidents.Refusal, remediations.Remediation) {
	if d.Step == nil {
		return &incidents.Refusal{Reason: remediations.ReasonNotAllowed, Words: "the decision names no change"}, nil
	}
	rem, ok := r.remediation(d.Step.Remediation)
	if !ok {
		return &incidents.Refusal{Reason: remediations.ReasonNotAllowed, Words: fmt.Sprintf("there is no remediation %q here", d.Step.Remediation)}, nil
	}
	b := rem.Bounds(*d.Step)
	switch {
	case b.Class == remediations.ClassN:
		return &incidents.Refusal{Reason: remediations.ReasonNotAllowed, Words: fmt.Sprintf("%s does not do %s there", d.Step.Remediation, d.Step.Fix)}, nil
	case r.target.Mode != policy.Auto:
		return &incidents.Refusal{Reason: remediations.ReasonObserve, Words: fmt.Sprintf("would have done: %s on %s → %s for at most %s (mode %s)",
			d.Step.Fix, d.Step.Service, d.Step.Edge, d.Step.Limit, r.target.Mode)}, nil
	case b.Class != remediations.ClassA:
		return &incidents.Refusal{Reason: remediations.ReasonClass, Words: fmt.Sprintf("%s is class %s: it needs approval", d.Step.Remediation, b.Class)}, nil
	case d.Step.Limit.D() > b.MaxLimit:
		return &incidents.Refusal{Reason: remediations.ReasonNotAllowed, Words: fmt.Sprintf("%s may stand for %s at most, and %s were asked for", d.Step.Fix, b.MaxLimit, d.Step.Limit)}, nil
	}
	return nil, rem
}

func (r *run) ledgerRefusal(err error) incidents.Refusal {
	var no *remediations.NoError
	if errors.As(err, &no) {
		return incidents.Refusal{Reason: no.Reason, Words: no.Words, By: no.By, Until: no.Until}
	}
	return incidents.Refusal{Reason: remediations.ReasonLedger, Words: "the limits could not be read, so the answer is no: " + err.Error()}
}

func busyTarget(seen remediations.Presence, err error) *incidents.Refusal {
	switch {
	case err != nil:
		return &incidents.Refusal{Reason: remediations.ReasonProbeUnknown, Words: "the target could not be read: " + err.Error()}
	case seen.State == remediations.Absent:
		return nil
	case seen.State == remediations.Foreign:
		return &incidents.Refusal{Reason: remediations.ReasonTargetBusy, Words: "somebody else's change stands at the target: " + seen.Detail, Until: seen.Until}
	}
	return &incidents.Refusal{Reason: remediations.ReasonProbeUnknown, Words: "the target says that it is " + string(seen.State) + ": " + seen.Detail}
}

// order makes a step ready to be sent. What it is called follows from the record alone, so that whoever goes on after a crash
// means the same action.
func (r *run) order(step remediations.Step, rem remediations.Remediation) remediations.Order {
	if !rem.Bounds(step).Adjusts {
		step.TTL, step.Ramp = step.Limit, nil // it can be neither renewed nor ramped
	}
	plan, _ := json.Marshal(step) // a struct of texts and numbers
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%d", r.st.ID, plan, len(r.st.Fixes)+1))
	return remediations.Order{
		Step: step, Action: hex.EncodeToString(sum[:10]), Incident: r.st.ID.String(),
	}
}

func (r *run) check(ctx context.Context, rem remediations.Remediation, o remediations.Order) (remediations.Presence, error) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout.D())
	defer cancel()
	return rem.Check(ctx, o)
}

// issue passes the last gate and sends the change.
func (r *run) issue(ctx context.Context) (bool, error) {
	f := r.st.Fix()
	rem, ok := r.remediation(f.Order.Remediation)
	if no := r.lastGate(ctx, rem, ok, f); no != nil {
		return true, r.refuse(ctx, nil, *no)
	}
	now := r.now().UTC()
	o := f.Order
	o.Deadline, o.Until = now.Add(o.Timeout.D()), now.Add(o.TTL.D())
	if err := r.append(ctx, incidents.Event{Kind: incidents.Issuing, Order: &o}); err != nil {
		return false, err
	}
	failpoint.Hit("wire:before")
	receipt, err := r.apply(ctx, rem, o)
	failpoint.Hit("wire:after")
	r.cfg.Metrics.issued.WithLabelValues(r.h.name, o.Fix).Inc()
	switch {
	case err == nil:
		return true, r.append(ctx, incidents.Event{Kind: incidents.Applied, Receipt: &receipt,
			Presence: &remediations.Presence{State: remediations.Ours, Revision: receipt.Revision, Until: o.Until}, Due: now})
	case errors.Is(err, remediations.ErrRefused):
		return true, r.append(ctx, incidents.Event{Kind: incidents.NotApplied, Note: err.Error(), Due: r.later()})
	}
	return true, r.append(ctx, incidents.Event{Kind: incidents.InDoubt, Note: err.Error(), Due: o.Deadline.Add(settleTime)})
}

func (r *run) apply(ctx context.Context, rem remediations.Remediation, o remediations.Order) (remediations.Receipt, error) {
	ctx, cancel := context.WithDeadline(ctx, o.Deadline)
	defer cancel()
	return rem.Apply(ctx, o)
}

// lastGate is asked right before the wire: the world may have moved since the change was armed.
func (r *run) lastGate(ctx context.Context, rem remediations.Remediation, known bool, f *incidents.Fix) *incidents.Refusal {
	now := r.now()
	switch {
	case !known:
		return &incidents.Refusal{Reason: remediations.ReasonNotAllowed, Words: fmt.Sprintf("there is no remediation %q here", f.Order.Remediation)}
	case !r.st.Firing():
		return &incidents.Refusal{Reason: remediations.ReasonResolved, Words: "the alert resolved before the change was sent"}
	case r.target.Mode != policy.Auto:
		return &incidents.Refusal{Reason: remediations.ReasonObserve, Words: "the policy no longer lets this handler act here"}
	case now.Sub(f.Times.Intended) > r.cfg.Limits.AlertMaxAge.D():
		return &incidents.Refusal{Reason: remediations.ReasonTooLate, Words: fmt.Sprintf("decided on %s ago, and never sent", now.Sub(f.Times.Intended).Round(time.Second))}
	}
	if r.fresh {
		return nil
	}
	seen, err := r.check(ctx, rem, f.Order)
	if no := busyTarget(seen, err); no != nil {
		return no
	}
	f.Order.Seen = seen
	return nil
}

// resolveDoubt is for a command of which only the sending is known. The deadline has to pass first: until then it may still take
// effect. Then the target is asked; nothing is sent again without its proof.
func (r *run) resolveDoubt(ctx context.Context) (bool, error) {
	f := r.st.Fix()
	now := r.now()
	if ready := f.Order.Deadline.Add(settleTime); now.Before(ready) {
		return r.wait(ready)
	}
	if r.st.Stage == incidents.Doubtful && now.Before(r.st.Due) {
		return false, nil
	}
	rem, ok := r.remediation(f.Order.Remediation)
	if !ok {
		return false, fmt.Errorf("resolve %s: there is no remediation %q here", f.Order.Action, f.Order.Remediation)
	}
	seen, err := r.ask(ctx, rem, f.Order)
	if err != nil {
		seen = remediations.Presence{State: remediations.Unknown, Detail: err.Error()}
	}
	switch seen.State {
	case remediations.Ours:
		return true, r.append(ctx, incidents.Event{Kind: incidents.Applied, Presence: &seen, Due: now,
			Receipt: &remediations.Receipt{Revision: seen.Revision, Until: seen.Until, Note: "found at the target"}})
	case remediations.Absent:
		return true, r.append(ctx, incidents.Event{Kind: incidents.NotApplied, Presence: &seen, Note: "the target proves that nothing was changed", Due: now})
	case remediations.Foreign:
		return true, r.append(ctx, incidents.Event{Kind: incidents.NotApplied, Presence: &seen, Note: "somebody else's change stands there: " + seen.Detail, Due: r.later()})
	}
	return r.doubt(ctx, f, rem, seen)
}

// ask fences where the target can be fenced, so that a command which is still on its way dies there.
func (r *run) ask(ctx context.Context, rem remediations.Remediation, o remediations.Order) (remediations.Presence, error) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout.D())
	defer cancel()
	if fencer, ok := rem.(remediations.Fencer); ok {
		return fencer.Fence(ctx, o)
	}
	return rem.Check(ctx, o)
}

// doubt goes on asking. A target that ends the change by itself needs no answer once that time has passed.
func (r *run) doubt(ctx context.Context, f *incidents.Fix, rem remediations.Remediation, seen remediations.Presence) (bool, error) {
	now := r.now()
	if rem.Bounds(f.Order.Step).ExpiresItself && now.After(f.Order.Until.Add(settleTime)) {
		return true, r.append(ctx, incidents.Event{Kind: incidents.GaveUp, Presence: &seen, Due: now,
			Note: "the target never said whether the change took effect; its own time limit has passed"})
	}
	events := []incidents.Event{{Kind: incidents.InDoubt, Presence: &seen, Note: seen.Detail, Due: backoff(now, f.Doubts)}}
	if f.Doubts+1 == maxDoubts {
		events = append(events, incidents.Event{Kind: incidents.Escalated,
			Note: fmt.Sprintf("%s was sent to %s, and the target cannot say whether it took effect", f.Order.Fix, r.st.Target)})
	}
	return false, r.append(ctx, events...)
}

// backoff is the n-th wait of a row: 1, 2, 4 … 30 seconds.
func backoff(now time.Time, n int) time.Time {
	return now.Add(min(time.Second<<min(n, 5), 30*time.Second)).UTC()
}
