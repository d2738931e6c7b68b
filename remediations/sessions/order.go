package sessions

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	store "github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/sessions/bounds"
)

// longestAction is what a store takes of an action, less "-6", "-undo" and "-" with an epoch.
const longestAction = 53 - 2 - 5 - 1 - 16

// sendable says what is wrong with an order that could never have been sent: nothing can be asked about it, or be undone.
func sendable(o remediations.Order) error {
	switch {
	case o.Action == "" || len(o.Action) > longestAction:
		return fmt.Errorf("action %q takes 1 to %d characters", o.Action, longestAction)
	case o.Timeout <= 0 || o.Timeout.D() > bounds.MaxTimeout:
		return fmt.Errorf("it may take up to %s, not %s", bounds.MaxTimeout, o.Timeout)
	case o.Seen.Clock.IsZero():
		return errors.New("the store's clock was not seen")
	}
	return nil
}

// valid says what is wrong with an order before anything is sent.
func valid(ctx context.Context, o remediations.Order, w work) error {
	switch {
	case !o.Once || o.Undo != w.undo:
		return errors.New("the order does not say rightly that the change is over when it is made, and whether it can be taken back")
	case o.Limit.D() > bounds.MaxLimit:
		return fmt.Errorf("its effect may be looked for %s, not for %s", bounds.MaxLimit, o.Limit)
	case o.Seen.State != remediations.Absent:
		return fmt.Errorf("it was seen %q, not absent", o.Seen.State)
	case !time.Now().Before(o.Deadline):
		return fmt.Errorf("deadline %s has passed", o.Deadline.Format(time.RFC3339))
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return sendable(o)
}

// deadline is when an order must not take effect any more by the store's clock. It follows from the record alone, so that the same order is
// the same order again, and it comes no later than the order's own deadline: the look was before that was set.
func deadline(o remediations.Order) time.Time { return o.Seen.Clock.UTC().Add(o.Timeout.D()) }

// longPast is a deadline that no order can meet: whoever asks with it changes nothing.
func longPast() time.Time { return time.Unix(1, 0).UTC() }

// undoDeadline is when the store may have forgotten what was taken. An undo that arrives late until then is still wanted.
func undoDeadline(o remediations.Order) time.Time { return o.Seen.Clock.UTC().Add(store.RememberFor) }

// undoOf is the action that undoes another one in an epoch. It is another action in another epoch, since it then is another order.
func undoOf(action string, planned, now uint64) string {
	if now == planned {
		return action + "-undo"
	}
	return action + "-undo-" + strconv.FormatUint(now, 10)
}
