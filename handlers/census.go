package handlers

import (
	"context"
	"sync"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
)

// sick counts the targets of a zone that have an open incident, on whatever replica it is carried, and all that the policy names
// there. A target that several handlers know is counted once for each: each is a sickness of its own.
func (l *Loop) sick(zone string) (open, known int) {
	for _, h := range l.cfg.Handlers {
		for _, t := range h.Targets() {
			if t.Zone != zone {
				continue
			}
			known++
			if l.agenda.Count(incidents.KeyPrefix(h.Name(), t.Name)) > 0 {
				open++
			}
		}
	}
	return open, known
}

const (
	// surgeWindow is what alerts are counted over, in slots of a sixth of it.
	surgeWindow = time.Minute
	surgeSlot   = surgeWindow / 6
	// surgeMarkEvery is how often a surge that goes on is written to the ledger at the least.
	surgeMarkEvery = 5 * time.Second
)

// markEvery is how often a surge that goes on is written to the ledger: several times within the calm that ends it, or the storm would
// have breaks in which changes begin.
func markEvery(calm time.Duration) time.Duration {
	if calm <= 0 { // the ledger's default, which is long
		return surgeMarkEvery
	}
	return min(surgeMarkEvery, calm/4)
}

// surge counts the alerts of the last minute.
type surge struct {
	mu    sync.Mutex // guards the fields below
	slots map[int64]int
	// marked is when the surge was written to the ledger last, and told when it was counted last: with the latest alert of it.
	marked, told time.Time
}

// note counts n alerts that were stored at a time. If there are more than allowed in the minute up to now, mark says that it is time to
// write that down, and begins that it was calm before.
func (s *surge) note(stored, now time.Time, n int, r policy.BlastRadius) (mark, begins bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.slots == nil {
		s.slots = map[int64]int{}
	}
	slot := func(t time.Time) int64 { return t.UnixNano() / int64(surgeSlot) }
	oldest := slot(now) - int64(surgeWindow/surgeSlot)
	if n > 0 && slot(stored) > oldest { // what is read late is no storm of now
		s.slots[slot(stored)] += n
	}
	total := 0
	for at, count := range s.slots {
		if at <= oldest {
			delete(s.slots, at)
			continue
		}
		total += count
	}
	if total <= r.AlertsPerMinute {
		return false, false
	}
	begins = s.told.IsZero() || now.Sub(s.told) >= r.Calm.D()
	s.told = now
	if now.Sub(s.marked) < markEvery(r.Calm.D()) {
		return false, begins
	}
	s.marked = now
	return true, begins
}

// unmarked says that the surge could not be written down: the next alert tries again.
func (s *surge) unmarked() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.marked = time.Time{}
}

// census counts all alerts as they are stored, until ctx ends. It reads the journal for itself: the handlers read it one by one, and are
// behind just when many alerts come. Each replica counts all of them.
func (l *Runner) census(ctx context.Context) {
	p := bus.Past{Stream: bus.Alerts, Since: l.cfg.Now().Add(-surgeWindow), Tail: true}
	for {
		err := l.bus.Follow(ctx, p, func(m bus.Msg) error {
			p.FromSeq = m.Seq + 1
			l.countAlerts(ctx, m.At, alerts.CountRecord(m.Data))
			return nil
		})
		if ctx.Err() != nil {
			return
		}
		l.cfg.Log.Warn().Err(err).Msg("counting the alerts failed; trying again")
		again := time.NewTimer(time.Second)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return
		}
	}
}

// countAlerts counts n alerts that were stored at a time, and enters a storm of them in the ledger. With n zero it is for a handler that
// reads an alert: while those of a storm are being read it goes on, though no more may come.
//
// That the ledger cannot be written is said, and it is tried again with the next alert: such a ledger refuses every change by itself, but it
// may be back before them.
func (l *Loop) countAlerts(ctx context.Context, stored time.Time, n int) {
	now := l.cfg.Now()
	mark, begins := l.surge.note(stored, now, n, l.cfg.Limits.BlastRadius)
	if begins {
		l.cfg.Log.Warn().Int("limit", l.cfg.Limits.BlastRadius.AlertsPerMinute).
			Msg("more alerts in a minute than the limit: nothing is changed until it is calm")
		l.cfg.Metrics.storms.Inc()
	}
	if !mark {
		return
	}
	if err := l.cfg.Ledger.Surge(ctx, "", now); err != nil {
		l.surge.unmarked()
		l.cfg.Log.Error().Err(err).Msg("the storm could not be entered in the ledger")
	}
}
