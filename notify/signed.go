package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/notify/webhook"
)

// Signed is a generic webhook that is told, signed after Standard Webhooks.
type Signed struct {
	name   string
	sender *webhook.Sender
}

// NewSigned tells through sender.
func NewSigned(name string, sender *webhook.Sender) *Signed {
	return &Signed{name: name, sender: sender}
}

// Name is the webhook's name in the policy.
func (s *Signed) Name() string { return "webhook_" + s.name }

// Send sends one outcome. The id lets the receiver drop what it had already.
func (s *Signed) Send(ctx context.Context, o Outcome) error {
	body, err := encode(o)
	if err != nil {
		return fmt.Errorf("encode outcome %s: %w", o.ID, err)
	}
	err = s.sender.Send(ctx, o.ID, time.Now(), body)
	var bad *webhook.Error
	if errors.As(err, &bad) && bad.Permanent {
		return fmt.Errorf("%w: %w", ErrPermanent, err)
	}
	return err
}
