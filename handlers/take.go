package handlers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/failpoint"
	"github.com/firebreak-sre/firebreak/internal/tracing"
)

// take enters the alerts of one journal message into the records of the incidents that they are about. It returns an error
// only for what is worth trying again; a damaged line never gets better, so it is counted, said and passed over.
func (l *Loop) take(ctx context.Context, h *Bound, m bus.Msg) error {
	var retry error
	var woken []incidents.ID
	err := alerts.ReadRecord(m.Data, func(_ int, a alerts.Alert) error {
		l.countAlerts(ctx, time.Time{}, 0)
		if retry != nil {
			return nil
		}
		id, err := l.enterFor(ctx, h, a)
		if id != "" {
			l.agenda.Nudge(id.Key())
			woken = append(woken, id)
		}
		retry = err
		return nil
	})
	if err != nil {
		l.cfg.Metrics.damaged.WithLabelValues(h.Name()).Inc()
		l.cfg.Log.Error().Err(err).Str("handler", h.Name()).Uint64("message", m.Seq).Msg("a line of the journal cannot be read")
	}
	err = errors.Join(retry, l.enterAgenda(ctx, woken))
	if len(woken) > 0 { // every handler takes every message, and most are none of its business
		failpoint.Hit("take:after")
	}
	return err
}

// Enter is what a delivered alert means to one handler, without a journal and without an agenda. It returns the incident that must be
// looked at now, "" if none.
func (l *Loop) Enter(ctx context.Context, handler string, a alerts.Alert) (incidents.ID, error) {
	h := l.handler(handler)
	if h == nil {
		return "", fmt.Errorf("no handler %q runs here", handler)
	}
	return l.enterFor(ctx, h, a)
}

func (l *Loop) enterFor(ctx context.Context, h *Bound, a alerts.Alert) (incidents.ID, error) {
	target, ok := h.Target(a)
	if !ok {
		return "", nil
	}
	ctx, span := l.cfg.Tracer.Start(l.cfg.Tracer.Under(ctx, placeOf(a)), tracing.Take)
	defer span.End()
	span.Text(tracing.Handler, h.Name())
	span.Text(tracing.Target, target.Name)
	id, err := l.enter(ctx, h, target, a, span)
	span.Error(err)
	return id, err
}

// enter opens, joins or passes over. It returns the incident that must be looked at now, "" if none.
func (l *Loop) enter(ctx context.Context, h *Bound, target Target, a alerts.Alert, span *tracing.Span) (incidents.ID, error) {
	for {
		latest, err := l.store.Latest(ctx, h.Name(), target.Name)
		if err != nil {
			return "", fmt.Errorf("find the incident of %s %s: %w", h.Name(), target.Name, err)
		}
		joining := incidents.Join(latest, a)
		if latest == nil {
			latest = &incidents.State{}
		}
		id := latest.ID
		switch joining {
		case incidents.Opens:
			id = incidents.NewID(h.Name(), target.Name, nextNumber(latest))
			err = l.open(ctx, h, id, target, a)
		case incidents.Joins:
			err = l.append(ctx, latest, incidents.Event{Kind: incidents.AlertSeen, Alert: &a, Due: l.cfg.Now().UTC()})
		default:
			span.Text(tracing.Joining, string(joining))
			span.Text(tracing.Incident, id.String())
			l.cfg.Metrics.joined.WithLabelValues(h.Name(), string(joining)).Inc()
			return l.untold(latest), nil
		}
		if errors.Is(err, incidents.ErrConflict) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("record an alert for %s %s: %w", h.Name(), target.Name, err)
		}
		span.Text(tracing.Joining, string(joining))
		span.Text(tracing.Incident, id.String())
		l.cfg.Metrics.joined.WithLabelValues(h.Name(), string(joining)).Inc()
		return id, nil
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
		ID: id, Handler: h.Name(), Target: target.Name, Domain: target.Domain, Alert: a,
	}})
}

// untold is the incident of an alert that is no news, if nobody was told of it when it was: it was recorded just before a crash, or
// before an answer was lost. The record says so: it is due.
func (l *Loop) untold(st *incidents.State) incidents.ID {
	if st.ID == "" || !st.Open() || l.agenda.Knows(st.ID.Key()) && st.Due.After(l.cfg.Now()) {
		return ""
	}
	return st.ID
}

// enterAgenda returns when all these incidents are durably in the agenda. The alerts are not acknowledged before: until then their
// redelivery is what brings us back. Who works on an incident enters it when it puts it down, mostly within
// milliseconds, so that is waited for first: entering it here as well would cost a sync of the disk just while the work needs it.
func (l *Loop) enterAgenda(ctx context.Context, ids []incidents.ID) error {
	grace, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	for _, id := range ids {
		if l.agenda.AwaitEntry(grace, id.Key()) {
			continue
		}
		if err := l.agenda.Set(ctx, id.Key(), l.cfg.Now()); err != nil {
			return err
		}
	}
	return nil
}
