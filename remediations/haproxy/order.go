package haproxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/firebreak-sre/firebreak/remediations"
)

// params are the settings of a drain.
type params struct {
	// MinReady is how many others must take connections; the larger of this and the pool's counts.
	MinReady *int `json:"min_ready"`
}

// minReady is the larger of what the pool and the order ask for.
func minReady(p pool, o remediations.Order) (int, error) {
	var asked params
	if len(bytes.TrimSpace(o.Params)) > 0 {
		d := json.NewDecoder(bytes.NewReader(o.Params))
		d.DisallowUnknownFields()
		if err := d.Decode(&asked); err != nil {
			return 0, fmt.Errorf("read params: %w", err)
		}
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return 0, errors.New("read params: something follows them")
		}
	}
	switch {
	case asked.MinReady == nil:
		return p.MinReady, nil
	case *asked.MinReady < 1:
		return 0, fmt.Errorf("read params: min_ready %d is less than 1", *asked.MinReady)
	}
	return max(p.MinReady, *asked.MinReady), nil
}

// valid says what is wrong with an order before anything is sent.
func valid(o remediations.Order) error {
	var err error
	switch {
	case !markable(o.Action):
		err = fmt.Errorf("action %.80q cannot be kept as a mark", o.Action)
	case o.TTL.D() <= 0:
		err = fmt.Errorf("ttl %s is not positive", o.TTL)
	case o.Limit.D() > MaxLimit || o.TTL.D() > MaxLimit:
		err = fmt.Errorf("it may stand for %s, not for ttl %s, limit %s", MaxLimit, o.TTL, o.Limit)
	case o.Released != 0:
		err = fmt.Errorf("a server is drained as a whole, not with %d %% released", o.Released)
	case !time.Now().Before(o.Until):
		err = fmt.Errorf("until %s has passed", o.Until.Format(time.RFC3339))
	case o.Seen.State != remediations.Absent:
		err = fmt.Errorf("it was seen %q, not absent", o.Seen.State)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", remediations.ErrRefused, err)
	}
	return inTime(o)
}

// inTime says that the order may still be carried out.
func inTime(o remediations.Order) error {
	if !time.Now().Before(o.Deadline) {
		return fmt.Errorf("%w: deadline %s has passed", remediations.ErrRefused, o.Deadline.Format(time.RFC3339))
	}
	return nil
}

// bounded gives one line to HAProxy its own timeout.
func bounded(ctx context.Context, o remediations.Order) (context.Context, context.CancelFunc) {
	if o.Timeout.D() <= 0 {
		return context.WithTimeout(ctx, defaultTimeout)
	}
	return context.WithTimeout(ctx, o.Timeout.D())
}
