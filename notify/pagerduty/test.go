package pagerduty

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/PagerDuty/go-pagerduty"
)

// Test shows one change that says that it is a test: it proves the key and the way, and calls nobody. A key that takes no changes
// cannot be proved without calling somebody.
func (s *Sink) Test(ctx context.Context) error {
	if !s.config.changes() {
		return errors.New("this key takes no change events, and anything else would call somebody")
	}
	body, err := json.Marshal(pagerduty.ChangeEvent{RoutingKey: s.config.RoutingKey.Reveal(), Payload: pagerduty.ChangeEventPayload{
		Summary: "Test of Firebreak: nothing was changed, and nothing is wrong", Source: "firebreak", Timestamp: stamp(s.config.Now())}})
	if err != nil {
		return fmt.Errorf("encode the test: %w", err)
	}
	if err := s.pace.wait(ctx); err != nil {
		return err
	}
	return s.post(ctx, changePath, body)
}
