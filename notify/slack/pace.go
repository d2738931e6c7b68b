package slack

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// waitAtMost is how long a call waits for its turn. Whoever would have to wait longer is told so, and comes again: what is shown then is
// the newest state, and what was to be shown now is never sent.
const waitAtMost = 3 * time.Second

// rate is how often something may be done: one each every, and burst at once.
type rate struct {
	every time.Duration
	burst int
}

// The rates that Slack documents: one message a second in a channel "with short bursts", and 50 a minute of the methods of its third tier.
func postRate() rate { return rate{every: time.Second, burst: 2} }
func tierThree() rate {
	return rate{every: 1200 * time.Millisecond, burst: 10}
}

// pace keeps calls below Slack's limits, and at rest where Slack said so. Replicas do not know of each other's calls: where they are too
// many together, Slack says so, and each rests.
type pace struct {
	now   func() time.Time
	sleep func(context.Context, time.Duration) error

	mu sync.Mutex
	// slots are guarded by mu.
	slots map[string]slot
}

// slot is the pace of one thing.
type slot struct {
	// due is when all that was let through is paid for; rest is until when nothing is let through.
	due, rest time.Time
}

func newPace(now func() time.Time) *pace {
	return &pace{now: now, sleep: sleep, slots: map[string]slot{}}
}

// busyError says that it is not the turn of a call, and when it is.
type busyError struct {
	what  string
	until time.Time
}

func (e *busyError) Error() string {
	return fmt.Sprintf("wait for slack: %s rests until %s", e.what, clock(e.until))
}

// wait returns when it is the caller's turn.
func (p *pace) wait(ctx context.Context, what string, r rate) error {
	for {
		d, until := p.take(what, r)
		switch {
		case d <= 0:
			return nil
		case d > waitAtMost:
			return &busyError{what: what, until: until}
		}
		if err := p.sleep(ctx, d); err != nil {
			return err
		}
	}
}

// take lets one call through, or says how long it has to wait.
func (p *pace) take(what string, r rate) (time.Duration, time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, s := p.now(), p.slots[what]
	free := s.due.Add(-time.Duration(r.burst-1) * r.every)
	if s.rest.After(free) {
		free = s.rest
	}
	if free.After(now) {
		return free.Sub(now), free
	}
	if s.due.Before(now) {
		s.due = now
	}
	s.due = s.due.Add(r.every)
	p.slots[what] = s
	return 0, now
}

// rest lets nothing through for a while: Slack said so.
func (p *pace) rest(what string, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.slots[what]
	if until := p.now().Add(d); until.After(s.rest) {
		s.rest = until
	}
	p.slots[what] = s
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
