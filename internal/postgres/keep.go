package postgres

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

const (
	// checkEvery is how often an open session is probed while nobody uses it.
	checkEvery = 15 * time.Second
	// A server that cannot be reached is dialled again after firstRetry, and after twice as long each time up to lastRetry.
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// Run keeps a session that looks and one that acts open at every node, until ctx ends; then it closes those that nobody uses. A node that
// cannot be reached is said once, and once more when it is back. What uses a node after Run has ended dials again, so undoing may outlive
// it; Close ends that too.
func (f *Fleet) Run(ctx context.Context) error {
	var keepers sync.WaitGroup
	for _, s := range f.sessions() {
		keepers.Go(func() { f.keep(ctx, s) })
	}
	keepers.Wait()
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
	defer cancel()
	f.hangUp(end)
	return nil
}

// keep keeps one session open until ctx ends, or the fleet is closed.
func (f *Fleet) keep(ctx context.Context, s *session) {
	log := f.log.With().Str("node", s.node).Str("login", s.config.User).Logger()
	retry, away := firstRetry, false
	for !f.closed.Load() {
		err := s.check(ctx)
		if ctx.Err() != nil {
			return
		}
		if (err != nil) != away {
			away = err != nil
			tell(log, err)
		}
		if err == nil {
			retry = firstRetry
			if !pause(ctx, checkEvery, s.lost) {
				return
			}
			continue
		}
		if !pause(ctx, spread(retry), nil) {
			return
		}
		retry = min(2*retry, lastRetry)
	}
}

func tell(log zerolog.Logger, err error) {
	if err != nil {
		log.Warn().Err(err).Msg("PostgreSQL cannot be reached")
		return
	}
	log.Info().Msg("PostgreSQL is reached again")
}

// pause waits, less long if woken. It is false when ctx has ended.
func pause(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-ctx.Done():
		return false
	}
	return true
}

// spread is d, or up to a fifth less, so that many who lost the same server do not come back in one moment.
func spread(d time.Duration) time.Duration {
	return d - rand.N(d/5)
}
