package handlers

import (
	"context"
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/tracing"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

const (
	// observeTimeout bounds one look, whatever the handler's own limit is.
	observeTimeout = 10 * time.Second
	// forgotten is how long an alert can go unheard of before its incident ends without a resolve: resolves get lost.
	forgotten = 24 * time.Hour
)

// look is for when nothing of ours stands: end, wait, or look and decide.
func (r *run) look(ctx context.Context) (bool, error) {
	now := r.now()
	switch {
	case !r.st.Firing():
		return true, r.close(ctx, "")
	case now.Sub(r.st.LastHeard()) > forgotten:
		return true, r.close(ctx, fmt.Sprintf("; nothing was heard of the alert for %s", forgotten))
	case r.target.Mode == policy.Off:
		return r.wait(now.Add(10 * time.Minute))
	case now.Before(r.st.Due):
		return false, nil
	case think.GivenUp(r.st):
		return false, r.handOver(ctx, now.Add(10*time.Minute))
	case think.Stale(r.st, now, r.cfg.Limits.AlertMaxAge.D()):
		return r.refuseStale(ctx, now)
	}
	observed, err := r.observe(ctx)
	if err != nil {
		return false, err
	}
	return r.decide(ctx, observed)
}

// decide thinks about a look and does what comes of it.
func (r *run) decide(ctx context.Context, observed incidents.Event) (bool, error) {
	ctx, span := r.span(ctx, tracing.Decide)
	defer span.End()
	t, err := r.think(observed)
	if err != nil {
		span.Error(err)
		return false, err
	}
	span.Text(tracing.Cause, t.decision.Cause)
	span.Text(tracing.Verdict, string(t.decision.Verdict))
	again, err := r.follow(ctx, t)
	failed(span, err)
	return again, err
}

// follow does what a decision asks for.
func (r *run) follow(ctx context.Context, t thought) (bool, error) {
	observed, decided, d := t.observed, t.decided, t.decision
	switch d.Verdict {
	case incidents.Act:
		return r.guard(ctx, t)
	case incidents.Page:
		decided.Due = r.later()
		events := []incidents.Event{observed, decided}
		if !r.st.Escalated {
			events = append(events, incidents.Event{Kind: incidents.Escalated, Note: d.Reason})
		}
		return false, r.append(ctx, events...)
	case incidents.Wait:
		decided.Due = d.Until
	default:
		decided.Due = r.later()
	}
	if !decided.Due.After(r.now()) {
		decided.Due = r.now().Add(10 * time.Millisecond)
	}
	return false, r.append(ctx, observed, decided)
}

// handOver calls a person for an incident that has had its fixes and goes on, once.
func (r *run) handOver(ctx context.Context, due time.Time) error {
	r.st.Due = due
	if r.st.Escalated || r.st.Recall != nil {
		return nil
	}
	return r.append(ctx, incidents.Event{Kind: incidents.Escalated, Due: due.UTC(),
		Note: fmt.Sprintf("the alert still fires after %d changes, and no further one is tried", len(r.st.Fixes))})
}

func (r *run) refuseStale(ctx context.Context, now time.Time) (bool, error) {
	until := now.Add(10 * time.Minute)
	if r.st.Refusal != nil && r.st.Refusal.Reason == remediations.ReasonStaleAlert {
		return r.wait(until)
	}
	return false, r.refuse(ctx, nil, incidents.Refusal{Reason: remediations.ReasonStaleAlert, Until: until,
		Words: fmt.Sprintf("last heard of %s ago, and acted on only within %s; a fresh delivery lifts this",
			now.Sub(r.st.LastHeard()).Round(time.Second), r.cfg.Limits.AlertMaxAge)})
}

// observe looks, and makes an event of what it saw. That nothing could be read is something it saw.
func (r *run) observe(ctx context.Context) (incidents.Event, error) {
	look, cancel := context.WithTimeout(ctx, observeTimeout)
	defer cancel()
	look, span := r.span(look, tracing.Look)
	defer span.End()
	e := incidents.Event{Kind: incidents.Observed, At: r.now().UTC()}
	var err error
	e.Seen, err = r.h.observe(look, r.st.Target)
	span.Error(err)
	if ctx.Err() != nil {
		return e, fmt.Errorf("look at %s: %w", r.st.Target, context.Cause(ctx)) // told to stop: it says nothing about the target
	}
	if err != nil {
		e.Note = "nothing could be read: " + err.Error()
	}
	if e.Seen == nil {
		return e, fmt.Errorf("look at %s: %w", r.st.Target, err)
	}
	return e, nil
}

// others counts the handler's other open incidents.
func (r *run) others() int { return max(0, r.agenda.Count(r.h.Name()+".")-1) }

// later is when to look again while nothing is urgent: soon at first, rarely when it lasts.
func (r *run) later() time.Time {
	now := r.now()
	return now.Add(min(max(now.Sub(r.st.OpenedAt)/4, 10*time.Second), 10*time.Minute)).UTC()
}

// refuse records a named no behind other events, and when to ask again.
func (r *run) refuse(ctx context.Context, events []incidents.Event, no incidents.Refusal) error {
	due := no.Until
	if !due.After(r.now()) {
		due = r.later()
	}
	r.cfg.Tracer.Current(ctx).Text(tracing.Refusal, string(no.Reason))
	if r.st.Stage == incidents.Waiting {
		events = append(events, incidents.Event{Kind: incidents.Voided, Plan: r.st.Asking.Plan, Note: "refused: " + no.Words})
	}
	return r.append(ctx, append(events, incidents.Event{Kind: incidents.Refused, Refusal: &no, Due: due})...)
}

// close ends the incident with the one outcome that its record has earned.
func (r *run) close(ctx context.Context, why string) error {
	ctx, span := r.span(ctx, tracing.Close)
	defer span.End()
	c := conclude(r.st)
	c.Words += why
	span.Text(tracing.Outcome, string(c.Outcome))
	err := r.append(ctx, incidents.Event{Kind: incidents.Closed, Closing: &c})
	failed(span, err)
	return err
}

// conclude is the outcome of an incident in which nothing of ours stands any more.
func conclude(st *incidents.State) incidents.Closing {
	for i := len(st.Fixes) - 1; i >= 0; i-- {
		if f := &st.Fixes[i]; f.Outcome != "" {
			return incidents.Closing{Outcome: f.Outcome, Words: fixWords(f)}
		}
	}
	d, no := st.Decision, st.Refusal
	switch {
	case stoodUnjudged(st) && st.Fix().Order.Once && st.Fix().Times.Reverting.IsZero():
		return incidents.Closing{Outcome: incidents.OutcomeWithdrawn, Words: "the alert resolved, and what the change did was never judged; it cannot be taken back"}
	case stoodUnjudged(st):
		return incidents.Closing{Outcome: incidents.OutcomeWithdrawn, Words: "the alert resolved before the change could be judged; it was taken back"}
	case no != nil && no.Reason == remediations.ReasonStaleAlert:
		return incidents.Closing{Outcome: incidents.OutcomeStale, Words: "too old to act on: " + no.Words}
	case no != nil && no.Reason == remediations.ReasonObserve:
		return incidents.Closing{Outcome: incidents.OutcomeObserved, Words: no.Words}
	case no != nil && no.Reason != remediations.ReasonResolved:
		return incidents.Closing{Outcome: incidents.OutcomeRefused, Words: string(no.Reason) + ": " + no.Words}
	case st.Escalated:
		return incidents.Closing{Outcome: incidents.OutcomePaged, Words: "left to people: " + reason(d)}
	case d != nil && d.Verdict == incidents.FalsePositive:
		return incidents.Closing{Outcome: incidents.OutcomeFalsePositive, Words: reason(d)}
	}
	return incidents.Closing{Outcome: incidents.OutcomeWithdrawn, Words: "the alert resolved before anything was done"}
}

// stoodUnjudged says that a change stood, and the alert resolved before anybody could tell what it did.
func stoodUnjudged(st *incidents.State) bool {
	f := st.Fix()
	return f != nil && !f.Times.Applied.IsZero()
}

func reason(d *incidents.Decision) string {
	if d == nil {
		return "nothing was decided"
	}
	return d.Reason
}

func fixWords(f *incidents.Fix) string {
	stood := f.Times.Ended.Sub(f.Times.Applied).Round(time.Millisecond)
	change, end := f.Order.Fix+" on "+f.Order.Place(), "; it was taken back"
	done := fmt.Sprintf("%s stood for %s", change, stood)
	if f.Order.Once && f.Times.Reverting.IsZero() {
		done, end = change+" was done", "; there is nothing to take back"
	}
	switch f.Outcome {
	case incidents.OutcomeFixed:
		return done + " and helped" + end
	case incidents.OutcomeRefusedByFix:
		return change + " was refused by the target; nothing was changed"
	case incidents.OutcomeUnknown:
		return change + " was sent, and the target cannot say whether it took effect; a person decides"
	}
	words := ""
	if f.Judgement != nil {
		words = ": " + f.Judgement.Words
	}
	return fmt.Sprintf("%s, %s%s%s", done, f.Outcome, words, end)
}
