package probe

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/sessiondrift"
)

var (
	// ErrUnreadable says that a look could read nothing at all: neither the store, nor anything around it.
	ErrUnreadable = errors.New("nothing of the store could be read")
	// ErrUnknownTarget says that the policy does not name a target (any more).
	ErrUnknownTarget = errors.New("the policy names no such store")
)

// Observe looks at one store and at what goes on around it. It changes nothing. What could not be read says why in its part. With an error
// nothing could be read; the observation is returned beside it nevertheless, so that the record can say why.
func (p *Prober) Observe(ctx context.Context, target string) (sessiondrift.Observation, error) {
	s, ok := p.stores[target]
	if !ok {
		return sessiondrift.Observation{}, fmt.Errorf("observe %s: %w", target, ErrUnknownTarget)
	}
	ctx, cancel := within(ctx, p.limits.look)
	defer cancel()
	var o sessiondrift.Observation
	var all sync.WaitGroup
	all.Go(func() { p.readSessions(ctx, s, &o) })
	all.Go(func() { o.Replicas, o.Contents = p.readReplicas(ctx, s) })
	if s.metrics != nil {
		all.Go(func() { o.Around = p.readAround(ctx, *s.metrics) })
	}
	all.Wait()
	if o.Members.Problem == "" || o.Replicas.Problem == "" || anything(o.Around) {
		return o, nil
	}
	why := o.Members.Problem
	return sessiondrift.Observation{Problem: why}, fmt.Errorf("observe %s: %w: %s", target, ErrUnreadable, why)
}

// anything says whether Prometheus answered at all.
func anything(a sessiondrift.Around) bool {
	return len(a.Partition) > 0 || a.Deploying != nil || a.NotFound != nil || a.OrphansBefore != nil
}

// within bounds one part of a look, and says so where that ended it.
func within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("no answer within %s", d))
}

// almost is how much earlier than a context's end a client may have given up because of it.
const almost = 50 * time.Millisecond

// isOver says whether an error can be due to the context's end.
func isOver(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && time.Until(deadline) < almost
}
