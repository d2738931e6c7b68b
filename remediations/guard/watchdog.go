package guard

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// Watchdog remembers when the alert that always fires was delivered last. When it stops coming, either Prometheus, Alertmanager or
// the way to us is broken, and we would not hear of what else happens. It is safe for concurrent use. The nil Watchdog
// watches nothing.
//
// With several replicas each must be told of every delivery, from what they share, since a delivery reaches only one of them.
type Watchdog struct {
	maxAge time.Duration

	started time.Time

	mu   sync.Mutex
	last time.Time // the last delivery, zero if none; guarded by mu
}

// NewWatchdog watches as the policy says, nil if it does not. The age of the last delivery counts from the start at most: whoever
// was down may not have heard.
func NewWatchdog(p *policy.Watchdog, started time.Time) (*Watchdog, error) {
	if p == nil {
		return nil, nil
	}
	if p.MaxAge <= 0 {
		return nil, errors.New("configure the watchdog: max_age is not positive")
	}
	return &Watchdog{maxAge: p.MaxAge.D(), started: started}, nil
}

// Heard takes a delivery of the alert. Older ones than the last are of no interest.
func (w *Watchdog) Heard(at time.Time) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if at.After(w.last) {
		w.last = at
	}
}

// LastHeard is when the alert was delivered last; zero if nobody said so since the start.
func (w *Watchdog) LastHeard() time.Time {
	if w == nil {
		return time.Time{}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// Check says no with [remediations.ReasonWatchdog] if the alert has not been heard for too long. A delivery that lies as far in the
// future is as bad: the clock was put back, and nobody can tell how old it is.
func (w *Watchdog) Check(now time.Time) *remediations.NoError {
	if w == nil {
		return nil
	}
	last := w.LastHeard()
	since := last
	if w.started.After(since) {
		since = w.started
	}
	deaf := func(words string, at time.Time) *remediations.NoError {
		return refuse(remediations.ReasonWatchdog, fmt.Sprintf("the alert that always fires "+words+"; %s are allowed", stamp(at), w.maxAge))
	}
	switch age := now.Sub(since); {
	case age < -w.maxAge:
		return deaf("came last at %s, which is in the future: the clock was put back", since)
	case age <= w.maxAge:
		return nil
	case last.IsZero():
		return deaf("has not come since the start at %s", since)
	default:
		return deaf("came last at %s", last)
	}
}
