package client

import (
	"errors"
	"fmt"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"github.com/firebreak-sre/firebreak/remediations/breaker/lease"
)

var (
	// ErrHeld is what every refusal is. Give it to AbortOnErrors of a retry policy: trying again is what must not happen.
	ErrHeld = errors.New("edge held")
	// ErrRetryBudget is what a retry is refused with when the budget is spent.
	ErrRetryBudget = errors.New("retry budget spent")
)

// HeldError says which edge is held, and why. It is one value for all calls that one lease refuses: do not change it.
type HeldError struct {
	Edge   string
	Fix    lease.Fix
	Until  time.Time // when the lease ends here, if it is not renewed
	Action string
	Reason string
	// Retry says that only a further attempt was refused: the first one passed.
	Retry bool
}

// Error is for people.
func (e *HeldError) Error() string {
	what := "held by " + e.Fix.String()
	if e.Retry {
		what = ErrRetryBudget.Error()
	}
	return fmt.Sprintf("edge %s: %s until %s, action %s: %s", e.Edge, what, e.Until.Format(time.RFC3339), e.Action, e.Reason)
}

// Is makes a refusal an [ErrHeld]. A refused retry is an [ErrRetryBudget] too; any other refusal is the ErrOpen of failsafe-go, so that
// what a service does when its own breaker is open holds here as well.
func (e *HeldError) Is(target error) bool {
	switch target {
	case ErrHeld:
		return true
	case ErrRetryBudget:
		return e.Retry
	case circuitbreaker.ErrOpen:
		return !e.Retry
	}
	return false
}
