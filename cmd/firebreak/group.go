package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// group runs parts that live and end together: the first that fails ends all.
type group struct {
	wg     sync.WaitGroup
	ctx    context.Context //nolint:containedctx // a running service
	cancel context.CancelCauseFunc
}

func newGroup(ctx context.Context) *group {
	ctx, cancel := context.WithCancelCause(ctx)
	return &group{ctx: ctx, cancel: cancel}
}

// run starts a part. It must return soon after its context has ended.
func (g *group) run(name string, part func(context.Context) error) {
	g.wg.Go(func() {
		if err := part(g.ctx); err != nil {
			g.cancel(fmt.Errorf("%s: %w", name, err))
		}
	})
}

// wait waits for the end of all parts and returns what ended them, nil if they were told to.
func (g *group) wait() error {
	<-g.ctx.Done()
	g.wg.Wait()
	if err := context.Cause(g.ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
