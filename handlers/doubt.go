package handlers

import (
	"context"
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/tracing"
	"github.com/firebreak-sre/firebreak/remediations"
)

const (
	// settleTime is waited beyond a command's deadline before the target is asked whether it took effect.
	settleTime = time.Second
	// maxDoubts is how often a target that cannot answer is asked before a person is called. It is asked on after that.
	maxDoubts = 5
)

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
	seen, err := r.askTarget(ctx, rem, f.Order)
	if err != nil {
		seen = remediations.Presence{State: remediations.Unknown, Detail: err.Error()}
	}
	switch seen.State {
	case remediations.Ours:
		return true, r.append(ctx, incidents.Event{Kind: incidents.Applied, Presence: &seen, Due: now,
			Receipt: &remediations.Receipt{Revision: seen.Revision, Until: seen.Until, Note: "found at the target"}})
	case remediations.Satisfied:
		return true, r.append(ctx, incidents.Event{Kind: incidents.Applied, Presence: &seen, Due: now,
			Receipt: &remediations.Receipt{Note: "what it wanted is so, and the target cannot say whether by this command: " + seen.Detail}})
	case remediations.Absent:
		return true, r.append(ctx, incidents.Event{Kind: incidents.NotApplied, Presence: &seen, Note: "the target proves that nothing was changed", Due: now})
	case remediations.Foreign:
		if f.Order.Once {
			return true, r.append(ctx, incidents.Event{Kind: incidents.GaveUp, Presence: &seen, Due: now,
				Note: "it is different there by now, so nobody can tell whether it happened: " + seen.Detail})
		}
		return true, r.append(ctx, incidents.Event{Kind: incidents.NotApplied, Presence: &seen, Note: "somebody else's change stands there: " + seen.Detail, Due: r.later()})
	}
	return r.doubt(ctx, f, rem, seen)
}

// askTarget fences where the target can be fenced, so that a command which is still on its way dies there.
func (r *run) askTarget(ctx context.Context, rem remediations.Remediation, o remediations.Order) (remediations.Presence, error) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout.D())
	defer cancel()
	ctx, span := r.spanOf(ctx, tracing.Check, o)
	ask := rem.Check
	if fencer, ok := rem.(remediations.Fencer); ok {
		ask = fencer.Fence
	}
	seen, err := ask(ctx, o)
	span.Text(tracing.Result, string(seen.State))
	answered(span, err)
	return seen, err
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
