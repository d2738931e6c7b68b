package handlers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/tracing"
	"github.com/firebreak-sre/firebreak/remediations"
)

// verify watches the symptom until the change is judged. It begins to give the change back when the alert resolves.
func (r *run) verify(ctx context.Context) (bool, error) {
	f := r.st.Fix()
	now := r.now()
	switch {
	case !now.Before(hardEnd(f)):
		return true, r.beginRevert(ctx, "its time limit has come")
	case r.st.Recall != nil:
		return true, r.beginRevert(ctx, "at the wish of "+r.st.Recall.Person.String()+": "+r.st.Recall.Why)
	case !r.st.Firing():
		return true, r.append(ctx, incidents.Event{Kind: incidents.Held, Note: "the alert resolved; giving the change back", Due: now})
	case r.needsRenewal(f, now):
		return true, r.adjust(ctx, f.Order.Released)
	case now.Before(r.st.Due):
		return false, nil
	}
	j, events, gone, err := r.judge(ctx, f)
	if gone || err != nil {
		return gone, err
	}
	switch j.Effect {
	case incidents.Improved:
		return true, r.append(ctx, append(events, incidents.Event{Kind: incidents.Verified, Judgement: &j},
			incidents.Event{Kind: incidents.Held, Note: "it stands until the hold is over or the alert resolves", Due: r.soon(f)})...)
	case incidents.Worse, incidents.NoEffect:
		return true, r.giveUp(ctx, events, j)
	}
	if now.Sub(f.Times.Applied) >= f.Verify.Within.D() {
		j = incidents.Judgement{Effect: incidents.NoEffect, Words: fmt.Sprintf("no effect could be shown within %s: %s", f.Verify.Within, j.Words), Evidence: j.Evidence}
		return true, r.giveUp(ctx, events, j)
	}
	return false, r.append(ctx, withDue(events, r.soon(f))...)
}

// giveUp takes a change back that did not help, and calls a person.
func (r *run) giveUp(ctx context.Context, events []incidents.Event, j incidents.Judgement) error {
	events = append(events, incidents.Event{Kind: incidents.Verified, Judgement: &j})
	if !r.st.Escalated {
		events = append(events, incidents.Event{Kind: incidents.Escalated, Note: "the change did not help and is taken back: " + j.Words})
	}
	if err := r.append(ctx, events...); err != nil {
		return err
	}
	return r.beginRevert(ctx, string(j.Effect)+": "+j.Words)
}

// hold keeps the change for its time, then gives the calls back share by share, each judged before the next.
func (r *run) hold(ctx context.Context) (bool, error) {
	f := r.st.Fix()
	now := r.now()
	switch {
	case !now.Before(hardEnd(f)):
		return true, r.beginRevert(ctx, "its time limit has come")
	case r.st.Recall != nil:
		return true, r.beginRevert(ctx, "at the wish of "+r.st.Recall.Person.String()+": "+r.st.Recall.Why)
	case f.Regressed && !r.st.Firing():
		return true, r.beginRevert(ctx, "the alert resolved")
	case r.needsRenewal(f, now):
		return true, r.adjust(ctx, f.Order.Released)
	case now.Before(r.st.Due):
		return false, nil
	case f.Order.Released == 0 && !f.Regressed && !f.Verify.UntilHealed && r.holdOver(f, now):
		return true, r.nextShare(ctx, f)
	}
	j, events, gone, err := r.judge(ctx, f)
	if gone || err != nil {
		return gone, err
	}
	if j.Effect == incidents.Worse && !f.Regressed {
		return true, r.regress(ctx, f, events, j)
	}
	if j.Effect == incidents.Improved && f.Times.Verified.IsZero() {
		events = append(events, incidents.Event{Kind: incidents.Verified, Judgement: &j})
	}
	healed := f.Order.Released == 0 && !f.Regressed && f.Verify.UntilHealed && j.Healed
	if healed || f.Order.Released > 0 && !f.Regressed && r.shareOver(f, j, now) {
		if err := r.append(ctx, withDue(events, now)...); err != nil {
			return false, err
		}
		return true, r.nextShare(ctx, f)
	}
	return false, r.append(ctx, withDue(events, r.soon(f))...)
}

// holdOver says that it is time to begin giving back.
func (r *run) holdOver(f *incidents.Fix, now time.Time) bool {
	return !r.st.Firing() || now.Sub(f.Times.Verified) >= f.Verify.HoldFor.D()
}

// shareOver says that the present share has stood long enough. A share that cannot be judged, because hardly anything is
// called, speaks against nothing: it is given twice the time.
func (r *run) shareOver(f *incidents.Fix, j incidents.Judgement, now time.Time) bool {
	stood := now.Sub(f.Times.Released)
	return j.Effect == incidents.Improved && stood >= f.Verify.RampEvery.D() || stood >= 2*f.Verify.RampEvery.D()
}

// nextShare gives the next share of the calls back, or the rest.
func (r *run) nextShare(ctx context.Context, f *incidents.Fix) error {
	for _, share := range f.Order.Ramp {
		if share > f.Order.Released {
			return r.adjust(ctx, share)
		}
	}
	return r.beginRevert(ctx, "it has done its work")
}

// regress goes back to the last share that held, once, and calls a person. The change still ends at its limit.
func (r *run) regress(ctx context.Context, f *incidents.Fix, events []incidents.Event, j incidents.Judgement) error {
	if f.Order.Released == 0 {
		return r.giveUp(ctx, events, j)
	}
	events = append(events, incidents.Event{Kind: incidents.Regressed, Judgement: &j,
		Note: fmt.Sprintf("the fault came back with %d %% of the calls given back: %s", f.Order.Released, j.Words)})
	if !r.st.Escalated {
		events = append(events, incidents.Event{Kind: incidents.Escalated, Note: "the fault comes back when the change is taken away: " + j.Words})
	}
	if err := r.append(ctx, events...); err != nil {
		return err
	}
	return r.adjust(ctx, shareBefore(f.Order.Ramp, f.Order.Released))
}

func shareBefore(ramp []int, share int) int {
	before := 0
	for _, s := range ramp {
		if s < share {
			before = s
		}
	}
	return before
}

// judge looks, asks the target whether the change still stands, and lets the handler say what it did. gone means that it stands no
// more, which is recorded.
func (r *run) judge(ctx context.Context, f *incidents.Fix) (j incidents.Judgement, events []incidents.Event, gone bool, err error) {
	rem, ok := r.remediation(f.Order.Remediation)
	if !ok {
		return j, nil, false, fmt.Errorf("verify %s: there is no remediation %q here", f.Order.Action, f.Order.Remediation)
	}
	ctx, span := r.spanOf(ctx, tracing.Verify, f.Order)
	defer span.End()
	observed, err := r.observe(ctx)
	if err != nil {
		span.Error(err)
		return j, nil, false, err
	}
	if seen, err := r.check(ctx, rem, f.Order); err == nil && seen.State != remediations.Unknown {
		observed.Presence = &seen
		if seen.State != remediations.Ours {
			span.Text(tracing.Result, "not_ours")
			return j, nil, true, r.append(ctx, observed, incidents.Event{Kind: incidents.NotOurs, Due: r.now(),
				Note: "the target no longer holds our change (" + string(seen.State) + "): left alone"})
		}
	}
	j, err = r.judged(observed)
	span.Text(tracing.Effect, string(j.Effect))
	span.Error(err)
	return j, []incidents.Event{observed}, false, err
}

// judged is what the handler says about the change with this look in the record.
func (r *run) judged(observed incidents.Event) (incidents.Judgement, error) {
	after := *r.st
	after.Fixes = append([]incidents.Fix(nil), r.st.Fixes...)
	after.Apply(observed)
	return r.h.Judge(think.Scene{Target: r.target, State: &after, Busy: r.others(), Now: observed.At})
}

// withDue says when to look again, on the last of the events.
func withDue(events []incidents.Event, due time.Time) []incidents.Event {
	events[len(events)-1].Due = due.UTC()
	return events
}

func (r *run) soon(f *incidents.Fix) time.Time { return r.now().Add(f.Verify.Every.D()).UTC() }

// hardEnd is when a change ends whatever anybody thinks of it.
func hardEnd(f *incidents.Fix) time.Time { return f.Times.Issued.Add(f.Order.Limit.D()) }

// needsRenewal is true in the second half of a lease that may be made longer.
func (r *run) needsRenewal(f *incidents.Fix, now time.Time) bool {
	rem, ok := r.remediation(f.Order.Remediation)
	if !ok || !rem.Bounds(f.Order.Step).Adjusts {
		return false
	}
	left := f.Order.Until.Sub(now)
	return left < f.Order.TTL.D()/2 && f.Order.Until.Before(hardEnd(f).Add(-time.Second)) && left > 0
}

// adjust rewrites our change: another share, or a later end, or both.
func (r *run) adjust(ctx context.Context, released int) error {
	f := r.st.Fix()
	o := f.Order
	o.Released = released
	now := r.now().UTC()
	o.Deadline = now.Add(o.Timeout.D())
	o.Until = now.Add(o.TTL.D())
	if end := hardEnd(f); o.Until.After(end) {
		o.Until = end
	}
	if err := r.append(ctx, incidents.Event{Kind: incidents.Adjusting, Order: &o, Due: now}); err != nil {
		return err
	}
	_, err := r.repeatAdjust(ctx)
	return err
}

// repeatAdjust sends the adjustment that the record names. It is a compare-and-act on our own change, so it may be sent again.
func (r *run) repeatAdjust(ctx context.Context) (bool, error) {
	f := r.st.Fix()
	if !r.now().Before(hardEnd(f)) {
		return true, r.beginRevert(ctx, "its time limit has come")
	}
	rem, _ := r.remediation(f.Order.Remediation)
	adjuster, ok := rem.(remediations.Adjuster)
	if !ok {
		return true, r.beginRevert(ctx, "it can no longer be adjusted")
	}
	cmd, cancel := context.WithTimeout(ctx, f.Order.Timeout.D())
	defer cancel()
	o := f.Order
	o.Deadline = r.now().Add(o.Timeout.D()).UTC()
	cmd, span := r.spanOf(cmd, tracing.Adjust, o)
	receipt, err := adjuster.Adjust(cmd, o, f.Receipt)
	answered(span, err)
	switch {
	case errors.Is(err, remediations.ErrNotOurs):
		return true, r.append(ctx, incidents.Event{Kind: incidents.NotOurs, Note: err.Error(), Due: r.now()})
	case err != nil:
		return false, fmt.Errorf("adjust %s: %w", f.Order.Action, err) // it comes again until its limit
	}
	return true, r.append(ctx, incidents.Event{Kind: incidents.Adjusted, Receipt: &receipt, Due: r.soon(f)})
}
