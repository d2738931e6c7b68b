package guard

import (
	"context"
	"time"
)

// within runs f and stops waiting for it when the time is over, even if f does not notice: a look at a file on a dead network
// mount cannot be interrupted. f may then still run, so it must own all that it touches.
func within[T any](ctx context.Context, limit time.Duration, f func(ctx context.Context) (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	got := make(chan answer, 1)
	go func() {
		value, err := f(ctx)
		got <- answer{value: value, err: err}
	}()
	select {
	case a := <-got:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}
