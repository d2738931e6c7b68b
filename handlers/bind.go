package handlers

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/firebreak-sre/firebreak/handlers/think"
)

// Bound is a failure family whose observations are only known as JSON, so that one loop can carry all of them.
type Bound struct {
	*think.Bound
	observe func(ctx context.Context, target string) (json.RawMessage, error)
}

// Bind makes a family ready for the [Loop]: who thinks, and who looks for it.
func Bind[O any](t think.Thinker[O], p Prober[O]) *Bound {
	return &Bound{Bound: think.Bind(t), observe: func(ctx context.Context, target string) (json.RawMessage, error) {
		o, err := p.Observe(ctx, target)
		seen, unwritable := json.Marshal(o)
		return seen, errors.Join(err, unwritable)
	}}
}
