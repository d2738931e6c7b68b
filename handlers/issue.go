package handlers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/failpoint"
	"github.com/firebreak-sre/firebreak/internal/tracing"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// issue passes the last gate and sends the change.
func (r *run) issue(ctx context.Context) (bool, error) {
	ctx, span := r.spanOf(ctx, tracing.Issue, r.st.Fix().Order)
	defer span.End()
	again, err := r.send(ctx)
	failed(span, err)
	return again, err
}

// send asks the last gate whether the change may still be made, and makes it.
func (r *run) send(ctx context.Context) (bool, error) {
	f := r.st.Fix()
	rem, known := r.remediation(f.Order.Remediation)
	asked := r.now()
	if no := r.lastGate(ctx, known, f); no != nil {
		return true, r.refuse(ctx, nil, *no)
	}
	o := f.Order // the record's own is what was intended; it changes with what is appended, and not before
	again, ready, err := r.recheck(ctx, rem, f, &o)
	if err != nil || !ready {
		return again, err
	}
	now := r.now().UTC()
	if stood := now.Sub(asked); stood < 0 || stood > gateFor {
		return true, nil // we stood still behind the gate, or the clock was moved: what it said then says nothing about now
	}
	o.Deadline, o.Until = now.Add(o.Timeout.D()), now.Add(o.TTL.D())
	if err := r.append(ctx, incidents.Event{Kind: incidents.Issuing, Order: &o}); err != nil {
		return false, err
	}
	failpoint.Hit("wire:before")
	receipt, err := r.apply(ctx, rem, o)
	failpoint.Hit("wire:after")
	r.cfg.Metrics.issued.WithLabelValues(r.h.Name(), o.Fix).Inc()
	switch {
	case err == nil:
		return true, r.recordApplied(ctx, rem, o, receipt)
	case errors.Is(err, remediations.ErrRefused):
		return true, r.append(ctx, incidents.Event{Kind: incidents.NotApplied, Note: err.Error(), Due: r.later()})
	}
	return true, r.append(ctx, incidents.Event{Kind: incidents.InDoubt, Note: err.Error(), Due: o.Deadline.Add(settleTime)})
}

// gateFor is how long the last gate's answer counts: as long as the last look and the last question may take.
const gateFor = observeTimeout + 5*time.Second

func (r *run) apply(ctx context.Context, rem remediations.Remediation, o remediations.Order) (remediations.Receipt, error) {
	ctx, cancel := context.WithDeadline(ctx, o.Deadline)
	defer cancel()
	ctx, span := r.spanOf(ctx, tracing.Apply, o)
	receipt, err := rem.Apply(ctx, o)
	answered(span, err)
	return receipt, err
}

// recordApplied stores that the change stands. If somebody else has gone on with the record meanwhile, because we were held up
// behind the gate for longer than the command's deadline, it is stored on what the record is by now: who asked the target before the
// change took effect may be about to write that nothing stands. If the change has been given up already, then it stands although
// nobody knows of it: it is taken back at once.
func (r *run) recordApplied(ctx context.Context, rem remediations.Remediation, o remediations.Order, receipt remediations.Receipt) error {
	for {
		err := r.append(ctx, incidents.Event{Kind: incidents.Applied, Receipt: &receipt,
			Presence: &remediations.Presence{State: remediations.Ours, Revision: receipt.Revision, Until: o.Until}, Due: r.now().UTC()})
		if !errors.Is(err, incidents.ErrConflict) {
			return err
		}
		st, loadErr := r.store.Load(ctx, r.st.ID)
		switch {
		case loadErr != nil:
			return err
		case o.Once && applied(st, o.Action):
			return err // whoever went on has found it, and it is over
		case ended(st, o.Action):
			return r.takeBack(ctx, rem, o, receipt, err)
		case st.Stage != incidents.Sending && st.Stage != incidents.Doubtful:
			return err // whoever went on has found it
		}
		r.st = st
	}
}

// takeBack ends a change that took effect after it had been given up. conflict is how that was found out.
func (r *run) takeBack(ctx context.Context, rem remediations.Remediation, o remediations.Order, receipt remediations.Receipt, conflict error) error {
	r.cfg.Metrics.late.WithLabelValues(r.h.Name()).Inc()
	if o.Once && !o.Undo {
		r.log.Error().Str("action", o.Action).Msg("a command took effect after it had been given up; it cannot be taken back")
		return conflict
	}
	r.log.Error().Str("action", o.Action).Msg("a command took effect after it had been given up; it is taken back")
	undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.Timeout.D())
	defer cancel()
	if err := r.revert(undo, rem, o, receipt); err != nil && !errors.Is(err, remediations.ErrNotOurs) {
		return fmt.Errorf("take back the late %s of %s: %w", o.Fix, o.Incident, err)
	}
	return conflict
}

// applied says whether an action is known to have taken effect.
func applied(st *incidents.State, action string) bool {
	for _, f := range st.Fixes {
		if f.Order.Action == action {
			return !f.Times.Applied.IsZero()
		}
	}
	return false
}

// ended says whether an action has come to its end in the record.
func ended(st *incidents.State, action string) bool {
	for _, f := range st.Fixes {
		if f.Order.Action == action {
			return !f.Times.Ended.IsZero()
		}
	}
	return false
}

// lastGate is asked right before the wire: the world may have moved since the change was armed.
func (r *run) lastGate(ctx context.Context, known bool, f *incidents.Fix) *incidents.Refusal {
	now := r.now()
	no := func(reason remediations.Reason, format string, args ...any) *incidents.Refusal {
		return &incidents.Refusal{Reason: reason, Words: fmt.Sprintf(format, args...)}
	}
	s := f.Order.Step
	switch {
	case !known:
		return no(remediations.ReasonNotAllowed, "there is no remediation %q here", s.Remediation)
	case r.st.Newer:
		return no(remediations.ReasonNewerRecord, "a newer build wrote to this record what this one does not understand")
	case !r.st.Firing():
		return no(remediations.ReasonResolved, "the alert resolved before the change was sent")
	case r.target.Mode == policy.Off || r.target.Mode == policy.Observe && f.Order.Override == "":
		return no(remediations.ReasonObserve, "the policy no longer lets this handler act here")
	case !r.cfg.Permits(r.h.Name(), r.st.Target, s.Place(), s.Fix):
		return no(remediations.ReasonNotAllowed, "the policy no longer names %s on %s for %s", s.Fix, s.Place(), r.st.Target)
	case now.Sub(f.Times.Intended) > r.cfg.Limits.AlertMaxAge.D():
		return no(remediations.ReasonTooLate, "decided on %s ago, and never sent", now.Sub(f.Times.Intended).Round(time.Second))
	}
	return refusalOf(r.cfg.Gate.LastGate(ctx, r.question()))
}

// recheck rebuilds the plan: what is sent is what was decided on, and still true. In one breath with the decision the look that it
// rests on is fresh, and the plan is derived from it again; otherwise the live system and the target are looked at anew. ready
// says that it may be sent; if not, again says whether there is something to do at once.
func (r *run) recheck(ctx context.Context, rem remediations.Remediation, f *incidents.Fix, o *remediations.Order) (again, ready bool, err error) {
	if r.fresh && r.now().Sub(r.lastLook()) <= freshFor {
		d, err := r.h.Decide(think.Scene{Target: r.target, State: r.unplanned(), Busy: r.others(), Now: r.now().UTC()})
		if err != nil {
			return false, false, err
		}
		return r.compare(ctx, f, nil, d)
	}
	if r.now().Before(r.st.Due) {
		return false, false, nil
	}
	observed, err := r.observe(ctx)
	if err != nil {
		return false, false, err
	}
	before := r.unplanned()
	before.Apply(observed)
	d, err := r.h.Decide(think.Scene{Target: r.target, State: before, Busy: r.others(), Now: observed.At})
	if err != nil {
		return false, false, err
	}
	if again, ready, err = r.compare(ctx, f, &observed, d); err != nil || !ready {
		return again, ready, err
	}
	seen, no := r.admit(ctx, rem, f.Order)
	if no != nil {
		return true, false, r.refuse(ctx, []incidents.Event{observed}, *no)
	}
	if err := r.append(ctx, observed); err != nil {
		return false, false, err
	}
	o.Seen = seen
	return false, true, nil
}

// freshFor is how old a look may be when a change is sent on it.
const freshFor = 2 * time.Second

func (r *run) lastLook() time.Time {
	if len(r.st.Looks) == 0 {
		return time.Time{}
	}
	return r.st.Looks[len(r.st.Looks)-1].At
}

// compare holds the plan that a decision makes now against the one that was armed.
func (r *run) compare(ctx context.Context, f *incidents.Fix, observed *incidents.Event, d incidents.Decision) (again, ready bool, err error) {
	plan := r.plan(r.unplanned(), d)
	if plan.Hash() == f.Order.Plan {
		return false, true, nil
	}
	var events []incidents.Event
	if observed != nil {
		events = append(events, *observed)
	}
	if d.Verdict == incidents.Wait && observed != nil {
		// Nothing speaks against it, and nothing for it: more looks are needed. The last gate ends that in time.
		events[0].Due = r.confirmAt(d)
		return false, false, r.append(ctx, events...)
	}
	words := fmt.Sprintf("looked at again it is %s → %s: %s", d.Cause, d.Verdict, d.Reason)
	if d.Verdict == incidents.Act {
		armed := incidents.Plan{Incident: r.st.ID, Target: r.st.Target, Domain: r.st.Domain, Nth: plan.Nth, Cause: plan.Cause, Class: plan.Class,
			Step: f.Order.Step, Verify: plan.Verify}
		if r.st.Decision != nil {
			armed = r.plan(r.unplanned(), *r.st.Decision)
		}
		words = "looked at again it is another plan: " + strings.Join(armed.Differences(plan), "; ")
	}
	return true, false, r.refuse(ctx, events, incidents.Refusal{Reason: remediations.ReasonPlanChanged, Words: words})
}

// unplanned is the state as it was when the present change was decided on.
func (r *run) unplanned() *incidents.State {
	st := *r.st
	st.Fixes = append([]incidents.Fix(nil), r.st.Fixes[:len(r.st.Fixes)-1]...)
	st.Stage = incidents.Looking
	if len(st.Fixes) > 0 {
		st.Stage = incidents.Settled
	}
	return &st
}
