package handlers

import (
	"context"
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/tracing"
)

// verifyOnce watches the symptom after a change that happened and is over. Nothing of it stands, so nothing is held: it ends when it is
// judged. A resolved alert does not end it: resolving is often what the change was for. What did not help is taken back where that can
// be done.
func (r *run) verifyOnce(ctx context.Context) (bool, error) {
	f := r.st.Fix()
	now := r.now()
	switch {
	case !now.Before(hardEnd(f)):
		return true, r.endOnce(ctx, nil, "the time for judging it is over")
	case r.st.Recall != nil && f.Order.Undo:
		return true, r.beginRevert(ctx, "at the wish of "+r.st.Recall.Person.String()+": "+r.st.Recall.Why)
	case r.st.Recall != nil:
		return true, r.spend(ctx, nil, r.st.Recall.Person.String()+" wanted it taken back, which cannot be done: "+r.st.Recall.Why)
	case now.Before(r.st.Due):
		return false, nil
	}
	j, observed, err := r.judgeOnce(ctx, f)
	if err != nil {
		return false, err
	}
	if j.Effect == incidents.Pending && now.Sub(f.Times.Applied) >= f.Verify.Within.D() {
		j = incidents.Judgement{Effect: incidents.NoEffect, Words: fmt.Sprintf("no effect could be shown within %s: %s", f.Verify.Within, j.Words), Evidence: j.Evidence}
	}
	if j.Effect == incidents.Pending {
		return false, r.append(ctx, withDue([]incidents.Event{observed}, r.soon(f))...)
	}
	events := []incidents.Event{observed, {Kind: incidents.Verified, Judgement: &j}}
	if j.Effect == incidents.Improved {
		return true, r.spend(ctx, events, "")
	}
	if !r.st.Escalated {
		end := "cannot be taken back"
		if f.Order.Undo {
			end = "is taken back"
		}
		events = append(events, incidents.Event{Kind: incidents.Escalated, Note: "the change did not help, and " + end + ": " + j.Words})
	}
	return true, r.endOnce(ctx, events, string(j.Effect)+": "+j.Words)
}

// judgeOnce looks, and lets the handler say what the change did.
func (r *run) judgeOnce(ctx context.Context, f *incidents.Fix) (incidents.Judgement, incidents.Event, error) {
	ctx, span := r.spanOf(ctx, tracing.Verify, f.Order)
	defer span.End()
	observed, err := r.observe(ctx)
	if err != nil {
		span.Error(err)
		return incidents.Judgement{}, observed, err
	}
	j, err := r.judged(observed)
	span.Text(tracing.Effect, string(j.Effect))
	span.Error(err)
	return j, observed, err
}

// endOnce takes a change back that did not show that it helped, where that can be done; else it is behind us.
func (r *run) endOnce(ctx context.Context, events []incidents.Event, why string) error {
	if !r.st.Fix().Order.Undo {
		note := ""
		if len(events) == 0 {
			note = why
		}
		return r.spend(ctx, events, note)
	}
	if len(events) > 0 {
		if err := r.append(ctx, events...); err != nil {
			return err
		}
	}
	return r.beginRevert(ctx, why)
}

// spend records that a change which happens once is behind us.
func (r *run) spend(ctx context.Context, events []incidents.Event, note string) error {
	return r.append(ctx, append(events, incidents.Event{Kind: incidents.Spent, Note: note, Due: r.now().Add(afterOnce).UTC()})...)
}

// afterOnce is waited after a change that happens once before the target is looked at for what to do next.
const afterOnce = 5 * time.Second
