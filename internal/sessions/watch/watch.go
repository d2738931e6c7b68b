// Package watch measures session stores in the background, for /metrics: what alerts about sessions are made of.
//
// Each store is measured by itself, so that one that hangs holds nobody else up. A round reads all sessions, so it is not begun more often
// than leaves the store alone for nine tenths of the time. What cannot be measured is not there: no old value stays, and
// firebreak_sessions_measured is 0 then. So is it while the membership has no quorum, since nobody can say then which sessions are orphans.
package watch

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// Config is what is measured.
type Config struct {
	// Stores are the stores by their names in the policy.
	Stores map[string]sessions.Looker
	// Every is how often at most, default 30s. Within is how long one round may take, default 60s.
	Every, Within time.Duration
	Log           zerolog.Logger
}

const (
	defaultEvery  = 30 * time.Second
	defaultWithin = 60 * time.Second
	// rest is how many times longer a store is left alone than it was measured.
	rest = 9
)

// Watch measures, and is what Prometheus reads.
type Watch struct {
	config Config
	descs  descs

	mu   sync.Mutex
	last map[string]round // the last round of each store; guarded by mu
}

var _ prometheus.Collector = (*Watch)(nil)

// round is what one round found.
type round struct {
	metrics []prometheus.Metric
	whole   bool
	// until is when it is no news any more: the next round should long be over.
	until time.Time
}

// New starts nothing.
func New(c Config) *Watch {
	if c.Every <= 0 {
		c.Every = defaultEvery
	}
	if c.Within <= 0 {
		c.Within = defaultWithin
	}
	return &Watch{config: c, descs: newDescs(), last: map[string]round{}}
}

// Run measures until ctx ends. It returns nil.
func (w *Watch) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for name, store := range w.config.Stores {
		all.Go(func() { w.follow(ctx, &gauge{name: name, store: store, descs: w.descs, drift: map[string]*drift{}}) })
	}
	all.Wait()
	return nil
}

// follow measures one store again and again.
func (w *Watch) follow(ctx context.Context, g *gauge) {
	said := true // of a store that is well nothing is said
	for {
		began := time.Now()
		found, err := w.measure(ctx, g)
		took := time.Since(began)
		wait := max(w.config.Every-took, rest*took)
		found.until = time.Now().Add(2 * (wait + w.config.Within))
		if ctx.Err() != nil {
			return
		}
		w.mu.Lock()
		w.last[g.name] = found
		w.mu.Unlock()
		switch {
		case !found.whole && said:
			w.config.Log.Warn().Err(err).Str("store", g.name).Msg("sessions cannot be measured")
		case found.whole && !said:
			w.config.Log.Info().Str("store", g.name).Msg("sessions are measured again")
		}
		said = found.whole
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

func (w *Watch) measure(ctx context.Context, g *gauge) (round, error) {
	ctx, cancel := context.WithTimeout(ctx, w.config.Within)
	defer cancel()
	return g.measure(ctx)
}

// Describe names the metrics.
func (w *Watch) Describe(out chan<- *prometheus.Desc) {
	for _, d := range w.descs.all() {
		out <- d
	}
}

// Collect gives the last round of each store. It asks no store anything.
func (w *Watch) Collect(out chan<- prometheus.Metric) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	for name := range w.config.Stores {
		measured := 0.0
		if last, ok := w.last[name]; ok && now.Before(last.until) {
			for _, m := range last.metrics {
				out <- m
			}
			if last.whole {
				measured = 1
			}
		}
		out <- prometheus.MustNewConstMetric(w.descs.measured, prometheus.GaugeValue, measured, name)
	}
}

// descs are the metrics.
type descs struct{ total, orphaned, lag, inconsistent, concurrent, measured, recovery *prometheus.Desc }

func newDescs() descs {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("firebreak_sessions"+name, help, append([]string{"store"}, labels...), nil)
	}
	return descs{
		total:    d("", "Live sessions at the primary."),
		orphaned: d("_orphaned", "Sessions whose lease has been over for twice its length, and whose owner a majority of the nodes has given up."),
		lag:      d("_replica_lag_seconds", "How old the oldest write is at most that the replica lacks. Missing where it is not known.", "replica"),
		inconsistent: d("_inconsistent", "Sessions that the replica holds otherwise than its primary, though it has reached the position of that. "+
			"Missing while it has not.", "replica"),
		concurrent: d("_concurrent", "Sessions with copies of which neither has seen all that the other has."),
		measured:   d("_measured", "1 if everything was measured in the last round, 0 if something could not be."),
		recovery:   d("_recovery_seconds", "For how long the lease of the longest orphaned session has been over; 0 if there is none."),
	}
}

func (d descs) all() []*prometheus.Desc {
	return []*prometheus.Desc{d.total, d.orphaned, d.lag, d.inconsistent, d.concurrent, d.measured, d.recovery}
}
