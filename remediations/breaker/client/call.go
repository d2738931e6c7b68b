package client

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
)

// Call is one call of an edge, however many attempts it takes. It counts once, and its attempts share one draw of the
// calls that are released.
type Call struct {
	edge   *Edge
	luck   luck
	passed atomic.Int32
	ended  atomic.Bool
}

// Begin starts a call. Every attempt of it asks Allow before and says Done after; End is said once.
func (e *Edge) Begin() *Call {
	e.counts.calls.Add(1)
	return &Call{edge: e, luck: draw()}
}

// Allow says whether the call may make its next attempt: nil, or a [*HeldError]. An attempt is a retry if an attempt of
// the same call has passed before.
func (c *Call) Allow() error {
	if h := c.edge.held.Load(); h != nil {
		if err := h.allow(int(c.passed.Load())+1, c.luck); err != nil {
			c.edge.counts.rejected.Add(1)
			return err
		}
	}
	c.passed.Add(1)
	c.edge.counts.started.Add(1)
	return nil
}

// Done says how an attempt ended that Allow has let pass. An attempt that the caller gave up is no failure of the
// dependency; one that the service's own breaker refused did not happen.
func (c *Call) Done(err error) {
	switch {
	case err == nil, errors.Is(err, context.Canceled):
	case errors.Is(err, circuitbreaker.ErrOpen):
		c.edge.counts.shorted.Add(1)
	default:
		c.edge.counts.failures.Add(1)
	}
}

// End says how the call ended. Only the first End counts.
func (c *Call) End(err error) {
	if !c.ended.Swap(true) && err == nil {
		c.edge.counts.successes.Add(1)
	}
}

// Call runs fn as one call. Fn makes each attempt through attempt, which returns a [*HeldError] without running it
// if it may not be made.
func (e *Edge) Call(ctx context.Context, fn func(ctx context.Context, attempt func(func() error) error) error) error {
	c := e.Begin()
	err := fn(ctx, func(op func() error) error {
		if err := c.Allow(); err != nil {
			return err
		}
		err := op()
		c.Done(err)
		return err
	})
	c.End(err)
	return err
}

type callKey struct{}

// Context makes the requests that carry it, through [Edge.RoundTripper], attempts of this call. The caller says End.
func (c *Call) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

// callOf is the call that a context carries, if it is one of this edge.
func (e *Edge) callOf(ctx context.Context) (*Call, bool) {
	c, ok := ctx.Value(callKey{}).(*Call)
	return c, ok && c.edge == e
}
