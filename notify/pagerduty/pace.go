package pagerduty

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// PagerDuty takes about 120 events in any minute of one key. We send one each half second and a bit, and a few at once after a rest: at
// most burst and a minute's worth, 110.
const (
	paceEvery = 600 * time.Millisecond
	paceBurst = 10
	// waitAtMost is how long a call waits for its turn; whoever would have to wait longer is told so, and comes again.
	waitAtMost = 5 * time.Second
)

// pace keeps our events below the limit, and at rest after PagerDuty said so.
type pace struct {
	now func() time.Time

	mu sync.Mutex
	// due is when all that was let through is paid for; rest until when nothing is. Both are guarded by mu.
	due, resting time.Time
}

// busyError says that it is not our turn, and when it is.
type busyError struct{ until time.Time }

func (e *busyError) Error() string {
	return "wait for pagerduty: it is our turn again at " + clock(e.until)
}

// wait returns when it is the caller's turn.
func (p *pace) wait(ctx context.Context) error {
	d, until := p.take()
	if d > waitAtMost {
		return &busyError{until: until}
	}
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for pagerduty: %w", context.Cause(ctx))
	}
}

// take gives the caller the next turn, if it comes soon enough, and says how long it is until then.
func (p *pace) take() (time.Duration, time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if p.due.Before(now) {
		p.due = now
	}
	turn := p.due.Add(-(paceBurst - 1) * paceEvery)
	if p.resting.After(turn) {
		turn = p.resting
	}
	d := turn.Sub(now)
	if d <= waitAtMost {
		p.due = p.due.Add(paceEvery)
	}
	return d, turn
}

// rest lets nothing through for a while.
func (p *pace) rest(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := p.now().Add(d); until.After(p.resting) {
		p.resting = until
	}
}
