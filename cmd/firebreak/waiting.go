package main

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/handlers"
	"github.com/firebreak-sre/firebreak/incidents"
)

const (
	// waitingFresh is for how long what was counted is shown again: every scrape would else read all open incidents.
	waitingFresh = 5 * time.Second
	// waitingWithin bounds the counting, since a scrape waits for it.
	waitingWithin = 2 * time.Second
	// unread is what a gauge shows of what could not be read.
	unread = -1
)

// waiting says what waits: alerts for a handler, plans for a person, changes for their end. All replicas read the same, whoever carries it.
type waiting struct {
	bus     *bus.Bus
	agenda  *bus.Agenda
	records *incidents.Store
	now     func() time.Time

	alerts, approvals, overdue *prometheus.Desc

	mu   sync.Mutex // guards the fields below
	at   time.Time
	last backlog
}

// backlog is what was found at one moment; [unread] stands for what could not be read.
type backlog struct{ alertSeconds, approvals, overdueSeconds float64 }

func newWaiting(ctx context.Context, b *bus.Bus) (*waiting, error) {
	agenda, err := b.Agenda(ctx, handlers.AgendaName)
	if err != nil {
		return nil, err
	}
	gauge := func(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, nil) }
	return &waiting{bus: b, agenda: agenda, records: incidents.NewStore(b), now: time.Now,
		alerts: gauge("firebreak_alerts_waiting_seconds",
			"For how long the oldest alert has been stored that some handler has not taken up; 0 if none waits, -1 if that cannot be read."),
		approvals: gauge("firebreak_approvals_waiting", "Plans that wait for a person's yes; -1 if that cannot be read."),
		overdue: gauge("firebreak_fix_overdue_seconds",
			"For how long the change that should have ended first has stood beyond its limit; 0 if none has, -1 if that cannot be read.")}, nil
}

// Describe and Collect make it a collector.
func (w *waiting) Describe(ch chan<- *prometheus.Desc) {
	ch <- w.alerts
	ch <- w.approvals
	ch <- w.overdue
}

// Collect counts anew if the last count is old.
func (w *waiting) Collect(ch chan<- prometheus.Metric) {
	w.mu.Lock()
	if w.at.IsZero() || w.now().Sub(w.at) >= waitingFresh {
		ctx, cancel := context.WithTimeout(context.Background(), waitingWithin)
		w.last, w.at = w.count(ctx), w.now()
		cancel()
	}
	found := w.last
	w.mu.Unlock()
	ch <- prometheus.MustNewConstMetric(w.alerts, prometheus.GaugeValue, found.alertSeconds)
	ch <- prometheus.MustNewConstMetric(w.approvals, prometheus.GaugeValue, found.approvals)
	ch <- prometheus.MustNewConstMetric(w.overdue, prometheus.GaugeValue, found.overdueSeconds)
}

func (w *waiting) count(ctx context.Context) backlog {
	found := backlog{alertSeconds: unread, approvals: unread, overdueSeconds: unread}
	if oldest, err := w.oldestAlert(ctx); err == nil {
		found.alertSeconds = w.since(oldest)
	}
	if plans, end, err := w.open(ctx); err == nil {
		found.approvals, found.overdueSeconds = float64(plans), w.since(end)
	}
	return found
}

// since is how long ago a time was in seconds; 0 for none, and for one that is to come.
func (w *waiting) since(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return max(0, w.now().Sub(t).Seconds())
}

// oldestAlert is when the oldest message was stored that some handler has not put down yet; zero if there is none.
func (w *waiting) oldestAlert(ctx context.Context) (time.Time, error) {
	s, err := w.bus.JetStream().Stream(ctx, bus.Alerts)
	if err != nil {
		return time.Time{}, err
	}
	first := s.CachedInfo().State.FirstSeq
	var oldest time.Time
	readers := s.ListConsumers(ctx)
	for c := range readers.Info() {
		if !strings.HasPrefix(c.Config.Durable, "handler_") || c.NumPending == 0 && c.NumAckPending == 0 {
			continue
		}
		m, err := s.GetMsg(ctx, max(c.AckFloor.Stream+1, first))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue // it was put down, or forgotten, a moment ago
		}
		if err != nil {
			return time.Time{}, err
		}
		if oldest.IsZero() || m.Time.Before(oldest) {
			oldest = m.Time
		}
	}
	return oldest, readers.Err()
}

// open is how many plans wait for people, and when the change should have ended that should have ended first; zero if none stands.
func (w *waiting) open(ctx context.Context) (plans int, end time.Time, err error) {
	keys, err := w.agenda.Open(ctx)
	if err != nil {
		return 0, end, err
	}
	for key := range keys {
		id, err := incidents.IDOfKey(key)
		if err != nil {
			continue // not an incident's
		}
		st, err := w.records.Load(ctx, id)
		if errors.Is(err, bus.ErrNotFound) {
			continue // entered, and not opened yet
		}
		if err != nil {
			return 0, end, err
		}
		if st.Stage == incidents.Waiting && st.Asking != nil && w.now().Before(st.Asking.Until) {
			plans++
		}
		if limit := mustEnd(st); !limit.IsZero() && (end.IsZero() || limit.Before(end)) {
			end = limit
		}
	}
	return plans, end, nil
}

// mustEnd is when the change that stands, or may stand, has to be gone; zero if none does.
func mustEnd(st *incidents.State) time.Time {
	f := st.Fix()
	if !st.Open() || f == nil || f.Times.Issued.IsZero() || !f.Times.Ended.IsZero() {
		return time.Time{}
	}
	return f.Times.Issued.Add(f.Order.Limit.D())
}
