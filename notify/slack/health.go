package slack

import (
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// askAgainAfter is how long Slack is left alone after it refused the app as a whole.
const askAgainAfter = time.Minute

// Health is whether Slack takes what it is told.
type Health struct {
	OK bool
	// Code and Words say why not, Since when that began.
	Code  string
	Words string
	Since time.Time
}

// health remembers whether the app as a whole was refused. That is logged when it begins and when it ends, not at each call.
type health struct {
	now     func() time.Time
	metrics *Metrics
	log     zerolog.Logger

	mu sync.Mutex
	// bad and again are guarded by mu.
	bad   *Health
	again time.Time
}

// gate is an error while it makes no sense to ask.
func (h *health) gate() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.bad != nil && h.now().Before(h.again) {
		return fmt.Errorf("ask slack: it refused the app at %s, and is asked again at %s: %s", clock(h.bad.Since), clock(h.again), h.bad.Words)
	}
	return nil
}

// refused notes that the app as a whole was refused.
func (h *health) refused(e *callError) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	h.again = now.Add(askAgainAfter)
	if h.bad != nil && h.bad.Code == e.code {
		return
	}
	h.bad = &Health{Code: e.code, Words: e.Error(), Since: now}
	h.metrics.up.Set(0)
	h.log.Error().Str("code", e.code).Str("words", e.Error()).Msg("slack refuses the app: nobody is told there until this is mended")
}

// worked notes that Slack takes what it is told.
func (h *health) worked() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.metrics.up.Set(1)
	if h.bad != nil {
		h.log.Info().Str("code", h.bad.Code).Dur("after", h.now().Sub(h.bad.Since)).Msg("slack takes what it is told again")
		h.bad = nil
	}
}

func (h *health) state() Health {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.bad != nil {
		return *h.bad
	}
	return Health{OK: true}
}
