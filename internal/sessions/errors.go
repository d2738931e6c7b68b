package sessions

import (
	"errors"
	"fmt"
)

// ErrRefused wraps every error that proves that nothing was changed.
var ErrRefused = errors.New("refused: nothing was changed")

// The refusals. Each has a name, see [Code].
var (
	// ErrRequest is an order that is not well formed.
	ErrRequest = fmt.Errorf("%w: the order is not well formed", ErrRefused)
	// ErrMax is an order without a bound, or with more sessions than its bound.
	ErrMax = fmt.Errorf("%w: the order has no bound, or passes it", ErrRefused)
	// ErrEpoch is an order that was decided on another membership than there is now.
	ErrEpoch = fmt.Errorf("%w: the membership is of another epoch", ErrRefused)
	// ErrQuorum is an order while the membership has no quorum: this may be the small side of a partition.
	ErrQuorum = fmt.Errorf("%w: the membership has no quorum", ErrRefused)
	// ErrDeadline is an order that came too late, by the store's clock.
	ErrDeadline = fmt.Errorf("%w: the deadline has passed", ErrRefused)
	// ErrAction is an action that was used for another order before.
	ErrAction = fmt.Errorf("%w: the action was used for another order", ErrRefused)
	// ErrUnknownAction is a restore of an action that the store does not know, or has forgotten.
	ErrUnknownAction = fmt.Errorf("%w: no such action", ErrRefused)
	// ErrUnknownNode is a node that the store does not have.
	ErrUnknownNode = fmt.Errorf("%w: no such node", ErrRefused)
	// ErrNotAlive is a recovery to a member that is not alive.
	ErrNotAlive = fmt.Errorf("%w: who should get the sessions is not an alive member", ErrRefused)
	// ErrBehind is a node that did not reach the asked position in time.
	ErrBehind = fmt.Errorf("%w: the node has not reached that position", ErrRefused)
	// ErrBusy is a store that had somebody else in the way, or is not fit to be written to now.
	ErrBusy = fmt.Errorf("%w: the store cannot take the order now", ErrRefused)
)

// refusals are the refusals by their names.
func refusals() map[string]error {
	return map[string]error{
		"request": ErrRequest, "max": ErrMax, "epoch": ErrEpoch, "quorum": ErrQuorum, "deadline": ErrDeadline, "action": ErrAction,
		"unknown_action": ErrUnknownAction, "unknown_node": ErrUnknownNode, "not_alive": ErrNotAlive, "behind": ErrBehind, "busy": ErrBusy,
	}
}

// Code is the name of a refusal, "" for any other error.
func Code(err error) string {
	for name, refusal := range refusals() {
		if errors.Is(err, refusal) {
			return name
		}
	}
	return ""
}

// Refusal is the refusal of a name, nil if there is none of that name.
func Refusal(code string) error { return refusals()[code] }
