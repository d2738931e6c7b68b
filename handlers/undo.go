package handlers

import (
	"context"
	"errors"
	"fmt"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/failpoint"
	"github.com/firebreak-sre/firebreak/internal/tracing"
	"github.com/firebreak-sre/firebreak/remediations"
)

// beginRevert records that the change is about to be taken back, and does it.
func (r *run) beginRevert(ctx context.Context, why string) error {
	if err := r.append(ctx, incidents.Event{Kind: incidents.Reverting, Note: why, Due: r.now()}); err != nil {
		return err
	}
	_, err := r.repeatRevert(ctx)
	return err
}

// repeatRevert sends the undo. It touches only what is still ours, so it may be sent again as often as needed, and nothing that
// refuses a change refuses its undo.
func (r *run) repeatRevert(ctx context.Context) (bool, error) {
	f := r.st.Fix()
	if r.st.Stage == incidents.UndoDoubtful && r.now().Before(r.st.Due) {
		return false, nil
	}
	rem, ok := r.remediation(f.Order.Remediation)
	if !ok {
		return false, fmt.Errorf("revert %s: there is no remediation %q here", f.Order.Action, f.Order.Remediation)
	}
	failpoint.Hit("undo:before")
	cmd, cancel := context.WithTimeout(ctx, f.Order.Timeout.D())
	err := r.revert(cmd, rem, f.Order, f.Receipt)
	cancel()
	failpoint.Hit("undo:after")
	switch {
	case err == nil:
		return true, r.append(ctx, incidents.Event{Kind: incidents.Reverted, Due: r.later()})
	case errors.Is(err, remediations.ErrNotOurs):
		return true, r.append(ctx, incidents.Event{Kind: incidents.NotOurs, Note: err.Error(), Due: r.later()})
	}
	return r.doubtRevert(ctx, f, rem, err)
}

// revert sends one command to take a change back.
func (r *run) revert(ctx context.Context, rem remediations.Remediation, o remediations.Order, receipt remediations.Receipt) error {
	ctx, span := r.spanOf(ctx, tracing.Revert, o)
	err := rem.Revert(ctx, o, receipt)
	answered(span, err)
	return err
}

// doubtRevert tries again and again. What the target ends by itself has ended once its time has passed.
func (r *run) doubtRevert(ctx context.Context, f *incidents.Fix, rem remediations.Remediation, cause error) (bool, error) {
	now := r.now()
	if rem.Bounds(f.Order.Step).ExpiresItself && now.After(f.Order.Until.Add(settleTime)) {
		return true, r.append(ctx, incidents.Event{Kind: incidents.Reverted, Due: now,
			Note: "the target could not be reached; its own time limit has passed"})
	}
	events := []incidents.Event{{Kind: incidents.RevertInDoubt, Note: cause.Error(), Due: backoff(now, f.Doubts)}}
	if f.Doubts+1 == maxDoubts {
		events = append(events, incidents.Event{Kind: incidents.Escalated,
			Note: fmt.Sprintf("%s on %s could not be taken back: %v; trying on", f.Order.Fix, r.st.Target, cause)})
	}
	return false, r.append(ctx, events...)
}
