package receiver

import (
	"context"
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/alerts/live"
	"github.com/firebreak-sre/firebreak/internal/tracing"
	"github.com/rs/zerolog"
)

// Alertmanager is what a re-read asks: the alerts that fire now.
type Alertmanager interface {
	Alerts(ctx context.Context, matchers []string) ([]live.Alert, error)
}

// Reread stores what Alertmanager left out of its notifications, by reading its API. However many truncated notifications
// come while it reads, it reads once more after them.
type Reread struct {
	Alertmanagers []Alertmanager
	Journal       Journal
	Metrics       *Metrics
	// Tracer follows what is found; nil follows nothing.
	Tracer *tracing.Tracer
	Log    zerolog.Logger
	asked  chan struct{}
}

// NewReread makes a reader; Run does the reading.
func NewReread(ams []Alertmanager, j Journal, m *Metrics, log zerolog.Logger) *Reread {
	return &Reread{Alertmanagers: ams, Journal: j, Metrics: m, Log: log, asked: make(chan struct{}, 1)}
}

// Ask wants a re-read, soon. It never blocks.
func (r *Reread) Ask(alerts.Delivery) {
	select {
	case r.asked <- struct{}{}:
	default:
	}
}

// Run reads when it was asked to, until ctx ends. A read that failed is tried again until it succeeds.
func (r *Reread) Run(ctx context.Context) error {
	for {
		select {
		case <-r.asked:
		case <-ctx.Done():
			return nil
		}
		if len(r.Alertmanagers) == 0 {
			r.Log.Warn().Msg("alerts were left out of a notification, and no alertmanager is configured to read them from (alertmanagers:)")
			continue
		}
		for _, am := range r.Alertmanagers {
			if err := r.read(ctx, am); err != nil {
				r.Metrics.reread.WithLabelValues("failed").Inc()
				r.Log.Warn().Err(err).Msg("reading alertmanager's API failed; trying again")
				r.again(ctx)
				break
			}
			r.Metrics.reread.WithLabelValues("ok").Inc()
		}
	}
}

// again asks once more, after a while.
func (r *Reread) again(ctx context.Context) {
	t := time.NewTimer(5 * time.Second)
	defer t.Stop()
	select {
	case <-t.C:
		r.Ask(alerts.Delivery{})
	case <-ctx.Done():
	}
}

func (r *Reread) read(ctx context.Context, am Alertmanager) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	ctx, span, place := r.Tracer.Begin(ctx, tracing.Reread, tracing.Parent{})
	defer span.End()
	found, err := am.Alerts(ctx, nil)
	if err != nil {
		span.Error(err)
		return err
	}
	var delivery alerts.Delivery // of the whole answer
	var raws []alerts.Raw
	for _, a := range found {
		if a.State == live.Suppressed {
			continue // somebody silenced it: it would not have been delivered either
		}
		raw, err := alerts.Encode(a.Alert)
		if err != nil {
			return fmt.Errorf("encode alert %s: %w", a.Fingerprint, err)
		}
		delivery, raws = a.Delivery, append(raws, raw)
	}
	delivery.TraceParent, delivery.TraceState = place.Trace, place.State
	span.Count(tracing.Alerts, len(raws))
	// In as few entries as possible: each waits for the disk, and a read that takes too long begins anew.
	for _, entry := range entries(delivery, raws, r.Journal.MaxEntry()) {
		if err := appendTo(ctx, r.Journal, r.Tracer, entry); err != nil {
			return err
		}
	}
	r.Log.Info().Int("alerts", len(raws)).Msg("read alertmanager's API after a truncated notification")
	return nil
}
