package operate

import (
	"context"
	"encoding/json"
)

// Told is what became of a test message to one place.
type Told struct {
	Place string `json:"place"`
	// Error is why it was not taken; empty if it was.
	Error string `json:"error,omitempty"`
}

// notifyTest sends one marked message to every place that is told of outcomes, and says which took it: one [Told] a line.
func (a *api) notifyTest(c call) error {
	if err := c.read(&struct{}{}); err != nil {
		return err
	}
	var all []Told
	if a.NotifyTest != nil {
		all = a.NotifyTest(c.r.Context())
	}
	a.took(c, "notify test").Int("places", len(all)).Msg("a test was told")
	c.w.Header().Set("Content-Type", "application/x-ndjson")
	enc := json.NewEncoder(c.w)
	for _, t := range all {
		if err := enc.Encode(t); err != nil {
			return nil // the reader is gone
		}
	}
	return nil
}

// NotifyTest tells a test to every place.
type NotifyTest func(ctx context.Context) []Told
