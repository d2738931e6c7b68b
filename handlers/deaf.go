package handlers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// SelfHandler is the name under which Firebreak keeps incidents about itself.
const SelfHandler = "firebreak"

const selfTarget = "watchdog"

// Watchdog remembers when the alert that always fires was heard last: see guard.Watchdog.
type Watchdog interface {
	Heard(at time.Time)
	// Check is a no while it has not been heard for too long.
	Check(now time.Time) *remediations.NoError
}

// Deaf notices that nothing is delivered to us any more. The guard then refuses every change by itself; this one tells people, by an
// incident of our own that lasts until the watchdog is heard again.
type Deaf struct {
	loop     *Loop
	bus      *bus.Bus
	watchdog Watchdog
	policy   policy.Watchdog
}

// NewDeaf watches for the alert that a policy names.
func NewDeaf(l *Loop, b *bus.Bus, w Watchdog, p policy.Watchdog) *Deaf {
	return &Deaf{loop: l, bus: b, watchdog: w, policy: p}
}

// Run listens until ctx ends.
func (d *Deaf) Run(parent context.Context) error {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		past := bus.Past{Stream: bus.Alerts, Since: d.loop.cfg.Now().Add(-d.policy.MaxAge.D()), Tail: true}
		failed <- d.bus.Follow(ctx, past, func(m bus.Msg) error { d.hear(m); return nil })
	}()
	tick := time.NewTicker(max(d.policy.MaxAge.D()/20, 20*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := d.tell(ctx); err != nil && ctx.Err() == nil {
				d.loop.cfg.Log.Error().Err(err).Msg("the silence of the watchdog could not be recorded")
			}
		case err := <-failed:
			if parent.Err() != nil {
				return nil
			}
			return fmt.Errorf("follow the alerts for the watchdog: %w", errors.Join(err, errors.New("it ended")))
		case <-parent.Done():
			cancel()
			<-failed
			return nil
		}
	}
}

func (d *Deaf) hear(m bus.Msg) {
	// A line that cannot be read is counted where alerts are handled.
	_ = alerts.ReadRecord(m.Data, func(_ int, a alerts.Alert) error {
		// What we have asked for ourselves does not show that we are heard.
		if a.Name() == d.policy.Alert && a.Status == alerts.Firing && a.Delivery.Source == alerts.SourceWebhook {
			d.watchdog.Heard(a.Delivery.At)
		}
		return nil
	})
}

// tell keeps the incident about ourselves true. That another replica does the same at the same time is a conflict that one wins.
func (d *Deaf) tell(ctx context.Context) error {
	silent := d.watchdog.Check(d.loop.cfg.Now())
	st, err := d.loop.store.Latest(ctx, SelfHandler, selfTarget)
	if err != nil {
		return err
	}
	open := st != nil && st.Open()
	switch {
	case silent != nil && !open:
		err = d.open(ctx, st, silent)
	case silent == nil && open:
		err = d.loop.append(ctx, st, incidents.Event{Kind: incidents.Closed, Closing: &incidents.Closing{
			Outcome: incidents.OutcomePaged, Words: "the watchdog is heard again; changes are made again"}})
	}
	if errors.Is(err, incidents.ErrConflict) {
		return nil
	}
	return err
}

func (d *Deaf) open(ctx context.Context, last *incidents.State, silent *remediations.NoError) error {
	if last == nil {
		last = &incidents.State{}
	}
	now := d.loop.cfg.Now().UTC()
	about := alerts.Alert{Fingerprint: "00000000f1eb4ea4", Status: alerts.Firing, StartsAt: now,
		Labels:      map[string]string{"alertname": "FirebreakDeaf", "severity": "critical"},
		Annotations: map[string]string{"summary": "alerts no longer reach Firebreak"},
		Delivery:    alerts.Delivery{At: now, Source: alerts.SourceSelf}}
	return d.loop.append(ctx, incidents.Fold(nil),
		incidents.Event{Kind: incidents.Opened, Opening: &incidents.Opening{ID: incidents.NewID(SelfHandler, selfTarget, nextNumber(last)),
			Handler: SelfHandler, Target: selfTarget, Domain: SelfHandler, Alert: about}},
		incidents.Event{Kind: incidents.Escalated, Note: silent.Words + "; nothing is changed until it is heard again"})
}
