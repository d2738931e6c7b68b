package handlers

import (
	"context"
	"errors"
	"fmt"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
)

// take enters the alerts of one journal message into the records of the incidents that they are about. It returns an error
// only for what is worth trying again; a damaged line never gets better, so it is counted, said and passed over.
func (l *Loop) take(ctx context.Context, h *Bound, m bus.Msg) error {
	var retry error
	err := alerts.ReadRecord(m.Data, func(_ int, a alerts.Alert) error {
		if retry != nil {
			return nil
		}
		target, ok := h.target(a)
		if !ok {
			return nil
		}
		retry = l.enter(ctx, h, target, a)
		return nil
	})
	if err != nil {
		l.cfg.Metrics.damaged.WithLabelValues(h.name).Inc()
		l.cfg.Log.Error().Err(err).Str("handler", h.name).Uint64("message", m.Seq).Msg("a line of the journal cannot be read")
	}
	return retry
}

// enter opens, joins or passes over, and makes sure that the incident will be looked at.
func (l *Loop) enter(ctx context.Context, h *Bound, target Target, a alerts.Alert) error {
	for {
		latest, err := l.store.Latest(ctx, h.name, target.Name)
		if err != nil {
			return fmt.Errorf("find the incident of %s %s: %w", h.name, target.Name, err)
		}
		joining := incidents.Join(latest, a)
		if latest == nil {
			latest = &incidents.State{}
		}
		id := latest.ID
		switch joining {
		case incidents.Opens:
			id = incidents.NewID(h.name, target.Name, nextNumber(latest))
			err = l.open(ctx, h, id, target, a)
		case incidents.Joins:
			err = l.append(ctx, latest, incidents.Event{Kind: incidents.AlertSeen, Alert: &a, Due: l.cfg.Now().UTC()})
		default:
			l.cfg.Metrics.joined.WithLabelValues(h.name, string(joining)).Inc()
			return l.keepOpen(ctx, latest)
		}
		if errors.Is(err, incidents.ErrConflict) {
			continue
		}
		if err != nil {
			return fmt.Errorf("record an alert for %s %s: %w", h.name, target.Name, err)
		}
		l.cfg.Metrics.joined.WithLabelValues(h.name, string(joining)).Inc()
		return l.wake(ctx, id)
	}
}

func nextNumber(latest *incidents.State) int {
	if latest.ID == "" {
		return 1
	}
	return latest.ID.Number() + 1
}

func (l *Loop) open(ctx context.Context, h *Bound, id incidents.ID, target Target, a alerts.Alert) error {
	st := incidents.Fold(nil)
	return l.append(ctx, st, incidents.Event{Kind: incidents.Opened, Opening: &incidents.Opening{
		ID: id, Handler: h.name, Target: target.Name, Domain: target.Domain, Alert: a,
	}})
}

// keepOpen is for an alert that is no news. It may be none because it was recorded just before a crash, or before an answer was
// lost: then nobody was told yet. The record says so: it is due.
func (l *Loop) keepOpen(ctx context.Context, st *incidents.State) error {
	if st.ID == "" || !st.Open() || l.agenda.Knows(st.ID.Key()) && st.Due.After(l.cfg.Now()) {
		return nil
	}
	return l.wake(ctx, st.ID)
}

// wake has an incident looked at now. The alert is not acknowledged before that is durable: until then its redelivery is what brings
// us back.
func (l *Loop) wake(ctx context.Context, id incidents.ID) error {
	l.agenda.Nudge(id.Key())
	return l.agenda.Set(ctx, id.Key(), l.cfg.Now())
}
