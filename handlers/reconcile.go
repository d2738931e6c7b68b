package handlers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/alerts/live"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/tracing"
)

const (
	// reconcileEvery is how often Alertmanager is asked what is true now.
	reconcileEvery = time.Minute
	// missedFor is how long an alert must be unknown to every Alertmanager before it is taken for resolved, in rounds of reconciling: a
	// restarted Alertmanager knows nothing until Prometheus has sent again.
	missedFor = 3
)

// Source is one Alertmanager, and the name of the receiver in it that posts to us: what is not routed to us is not ours.
type Source struct {
	Alertmanager interface {
		Alerts(ctx context.Context, matchers []string) ([]live.Alert, error)
	}
	Receiver string
}

// Journal is where alerts are stored before anything is done about them: see bus.Journal.
type Journal interface {
	Append(ctx context.Context, data []byte) error
}

// Reconciler finds what no webhook said: a resolve that was lost, an alert that fired while we were down, the rest of a truncated
// group. It enters it in the journal, so that it is handled as if it had been delivered, and is in the history.
type Reconciler struct {
	loop    *Loop
	sources []Source
	journal Journal
	every   time.Duration
	// missing is since when an open incident's alert is unknown to all Alertmanagers. Lost in a restart: it takes longer then.
	missing map[string]time.Time
}

// NewReconciler makes a reconciler for a loop's handlers. every is how often; 0 is once a minute.
func NewReconciler(l *Loop, sources []Source, j Journal, every time.Duration) *Reconciler {
	if every == 0 {
		every = reconcileEvery
	}
	return &Reconciler{loop: l, sources: sources, journal: j, every: every, missing: map[string]time.Time{}}
}

// Run reconciles at once and then again and again, until ctx ends. Without an Alertmanager there is nothing to do.
func (r *Reconciler) Run(ctx context.Context) error {
	if len(r.sources) == 0 {
		return nil
	}
	tick := time.NewTicker(r.every)
	defer tick.Stop()
	for {
		result := "ok"
		if err := r.Once(ctx); err != nil && ctx.Err() == nil {
			result = "failed"
			r.loop.cfg.Log.Warn().Err(err).Msg("reconciling with alertmanager failed; it is tried again")
		}
		r.loop.cfg.Metrics.reconciled.WithLabelValues(result).Inc()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Once compares what Alertmanager says with what the records say, and enters the differences. What some Alertmanagers say fires is
// entered even if others do not answer; that nothing fires is believed only of all of them.
func (r *Reconciler) Once(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	found, failed := r.ask(ctx)
	var news []alerts.Alert
	for _, f := range found {
		if f.active() {
			for _, h := range r.loop.cfg.Handlers {
				fired, err := r.unheard(ctx, h, f.alert)
				failed = errors.Join(failed, err)
				if fired {
					news = append(news, f.alert)
					break
				}
			}
		}
	}
	if failed == nil {
		gone, err := r.gone(ctx, found)
		news, failed = append(news, gone...), err
	}
	return errors.Join(failed, r.enter(ctx, news))
}

// known is an alert as all Alertmanagers together say it is.
type known struct {
	alert alerts.Alert
	state live.State
	ours  bool // routed to us by at least one of them
}

func (k known) active() bool { return k.ours && k.state == live.Active }

// ask is every alert that any Alertmanager knows, by fingerprint. The error says which of them did not answer.
func (r *Reconciler) ask(ctx context.Context) (map[string]known, error) {
	all := map[string]known{}
	var failed error
	for i, s := range r.sources {
		list, err := s.Alertmanager.Alerts(ctx, nil)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("ask alertmanager %d of %d: %w", i+1, len(r.sources), err))
			continue
		}
		for _, a := range list {
			k, seen := all[a.Fingerprint]
			if !seen {
				k = known{alert: a.Alert, state: a.State}
				k.alert.Delivery.Reason = "reconcile"
				k.alert.Delivery.Receiver = s.Receiver
			}
			if a.State == live.Suppressed { // one peer may not have heard of the silence yet
				k.state = live.Suppressed
			}
			k.ours = k.ours || routed(a, s.Receiver)
			all[a.Fingerprint] = k
		}
	}
	return all, failed
}

// routed says whether an alert goes to our receiver. An Alertmanager that does not tell routes everything.
func routed(a live.Alert, receiver string) bool {
	for _, name := range a.Receivers {
		if name == receiver {
			return true
		}
	}
	return len(a.Receivers) == 0
}

// unheard says whether an alert that fires is news to a handler.
func (r *Reconciler) unheard(ctx context.Context, h *Bound, a alerts.Alert) (bool, error) {
	target, ok := h.Target(a)
	if !ok {
		return false, nil
	}
	latest, err := r.loop.store.Latest(ctx, h.Name(), target.Name)
	if err != nil {
		return false, err
	}
	switch incidents.Join(latest, a) {
	case incidents.Opens, incidents.Joins:
		return true, nil
	}
	return false, nil
}

// gone are the alerts of open incidents that no Alertmanager has known for some rounds: their resolve was lost.
func (r *Reconciler) gone(ctx context.Context, found map[string]known) ([]alerts.Alert, error) {
	open, err := r.loop.agenda.Open(ctx)
	if err != nil {
		return nil, err
	}
	now := r.loop.cfg.Now().UTC()
	still := map[string]time.Time{}
	var out []alerts.Alert
	for key := range open {
		id, err := incidents.IDOfKey(key)
		if err != nil || !r.loop.ours(key) {
			continue
		}
		st, err := r.loop.store.Load(ctx, id)
		if err != nil || !st.Open() {
			continue // the agenda's own work says so
		}
		for _, a := range st.Alerts {
			if _, there := found[a.Fingerprint]; a.Status != alerts.Firing || there {
				continue
			}
			name := key + " " + a.Fingerprint
			since, waiting := r.missing[name]
			if !waiting {
				since = now
			}
			still[name] = since
			if now.Sub(since) < missedFor*r.every-r.every/2 || now.Sub(a.Delivery.At) < missedFor*r.every {
				continue
			}
			a.Status, a.EndsAt = alerts.Resolved, now
			a.Delivery = alerts.Delivery{At: now, Source: alerts.SourceAPI, Receiver: a.Delivery.Receiver, Reason: "reconcile: no alertmanager knows it any more"}
			out = append(out, a)
		}
	}
	r.missing = still
	return out, nil
}

// enter stores what was found, one entry each: it is rare.
func (r *Reconciler) enter(ctx context.Context, news []alerts.Alert) error {
	var failed error
	for _, a := range news {
		if err := r.store(ctx, a); err != nil {
			failed = errors.Join(failed, fmt.Errorf("store alert %s: %w", a.Fingerprint, err))
			continue
		}
		r.loop.cfg.Metrics.unheard.WithLabelValues(string(a.Status)).Inc()
		r.loop.cfg.Log.Info().Str("alert", a.Name()).Str("fingerprint", a.Fingerprint).Str("status", string(a.Status)).
			Msg("alertmanager's API says what no webhook said")
	}
	return failed
}

// store stores one alert, in a trace that begins here.
func (r *Reconciler) store(ctx context.Context, a alerts.Alert) error {
	ctx, span, place := r.loop.cfg.Tracer.Begin(ctx, tracing.Reconcile, tracing.Parent{})
	defer span.End()
	a.Delivery.TraceParent, a.Delivery.TraceState = place.Trace, place.State
	raw, err := alerts.Encode(a)
	if err == nil {
		err = r.journal.Append(ctx, alerts.AppendRecord(nil, a.Delivery, []alerts.Raw{raw}))
	}
	span.Error(err)
	return err
}
