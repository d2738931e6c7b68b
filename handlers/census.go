package handlers

import (
	"context"
	"sync"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/incidents"
)

// sick counts the targets of a zone that have an open incident, on whatever replica it is carried, and all that the policy names
// there. A target that several handlers know is counted once for each: each is a sickness of its own.
func (l *Loop) sick(zone string) (open, known int) {
	for _, h := range l.cfg.Handlers {
		for _, t := range h.targets() {
			if t.Zone != zone {
				continue
			}
			known++
			if l.agenda.Count(incidents.KeyPrefix(h.name, t.Name)) > 0 {
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
	// surgeMarkEvery is how often a surge that goes on is written to the ledger.
	surgeMarkEvery = 5 * time.Second
)

// surge counts the alerts that were delivered in the last minute. It is a counter of each replica: a storm that is spread over several
// is seen when it is that many times larger, and by the number of sick targets, which all replicas share, long before.
type surge struct {
	mu     sync.Mutex // guards the fields below
	slots  map[int64]int
	marked time.Time
}

// note counts n alerts that were delivered at a time, and says whether there are more than limit in the minute up to now, and it
// is time to say so.
func (s *surge) note(delivered, now time.Time, n, limit int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.slots == nil {
		s.slots = map[int64]int{}
	}
	slot := func(t time.Time) int64 { return t.UnixNano() / int64(surgeSlot) }
	oldest := slot(now) - int64(surgeWindow/surgeSlot)
	if slot(delivered) > oldest { // a backlog that is read late is no storm of now
		s.slots[slot(delivered)] += n
	}
	total := 0
	for at, count := range s.slots {
		if at <= oldest {
			delete(s.slots, at)
			continue
		}
		total += count
	}
	if total <= limit || now.Sub(s.marked) < surgeMarkEvery {
		return false
	}
	s.marked = now
	return true
}

// countAlerts enters a storm of alerts in the ledger. That this fails is said and nothing else: the ledger that cannot be written
// refuses every change by itself.
func (l *Loop) countAlerts(ctx context.Context, h *Bound, as []alerts.Alert) {
	if len(as) == 0 || h != l.cfg.Handlers[0] { // every handler reads every alert
		return
	}
	now := l.cfg.Now()
	if !l.surge.note(as[0].Delivery.At, now, len(as), l.cfg.Limits.BlastRadius.AlertsPerMinute) {
		return
	}
	l.cfg.Log.Warn().Int("limit", l.cfg.Limits.BlastRadius.AlertsPerMinute).Msg("more alerts in a minute than a storm has: nothing is changed until it is calm")
	l.cfg.Metrics.storms.Inc()
	if err := l.cfg.Ledger.Surge(ctx, "", now); err != nil {
		l.cfg.Log.Error().Err(err).Msg("the storm could not be entered in the ledger")
	}
}
