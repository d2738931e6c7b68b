// Package backlog measures what waits: alerts for a handler, plans for a person, changes for their end. It reads the bus, so every replica says the
// same, whoever carries what waits.
package backlog

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
)

const (
	// fresh is for how long what was counted is shown again: every scrape would else read all open incidents.
	fresh = 5 * time.Second
	// within bounds the counting, since a scrape waits for it.
	within = 2 * time.Second
	// unread is what a gauge shows of what could not be read.
	unread = -1
)

// Collector gives the gauges. It is safe for concurrent use.
type Collector struct {
	bus     *bus.Bus
	agenda  *bus.Agenda
	records *incidents.Store
	now     func() time.Time

	alerts, approvals, overdue *prometheus.Desc

	mu   sync.Mutex // guards the fields below
	at   time.Time
	last found
}

// found is what was found at one moment; [unread] stands for what could not be read.
type found struct{ alertSeconds, approvals, overdueSeconds float64 }

// New measures what waits on a bus. The agenda is that of the handlers.
func New(b *bus.Bus, agenda *bus.Agenda) *Collector {
	gauge := func(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, nil) }
	return &Collector{bus: b, agenda: agenda, records: incidents.NewStore(b), now: time.Now,
		alerts: gauge("firebreak_alerts_waiting_seconds",
			"For how long the oldest alert has been stored that some handler has not taken up; 0 if none waits, -1 if that cannot be read."),
		approvals: gauge("firebreak_approvals_waiting", "Plans that wait for a person's yes; -1 if that cannot be read."),
		overdue: gauge("firebreak_fix_overdue_seconds",
			"For how long the change that should have ended first has stood beyond its limit; 0 if none has, -1 if that cannot be read.")}
}

// Describe and Collect make it a collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.alerts
	ch <- c.approvals
	ch <- c.overdue
}

// Collect counts anew if the last count is old.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	if c.at.IsZero() || c.now().Sub(c.at) >= fresh {
		ctx, cancel := context.WithTimeout(context.Background(), within)
		c.last, c.at = c.count(ctx), c.now()
		cancel()
	}
	now := c.last
	c.mu.Unlock()
	ch <- prometheus.MustNewConstMetric(c.alerts, prometheus.GaugeValue, now.alertSeconds)
	ch <- prometheus.MustNewConstMetric(c.approvals, prometheus.GaugeValue, now.approvals)
	ch <- prometheus.MustNewConstMetric(c.overdue, prometheus.GaugeValue, now.overdueSeconds)
}

func (c *Collector) count(ctx context.Context) found {
	f := found{alertSeconds: unread, approvals: unread, overdueSeconds: unread}
	if oldest, err := c.oldestAlert(ctx); err == nil {
		f.alertSeconds = c.since(oldest)
	}
	if plans, end, err := c.open(ctx); err == nil {
		f.approvals, f.overdueSeconds = float64(plans), c.since(end)
	}
	return f
}

// since is how long ago a time was in seconds; 0 for none, and for one that is to come.
func (c *Collector) since(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return max(0, c.now().Sub(t).Seconds())
}

// oldestAlert is when the oldest message was stored that some handler has not put down yet; zero if there is none.
func (c *Collector) oldestAlert(ctx context.Context) (time.Time, error) {
	s, err := c.bus.JetStream().Stream(ctx, bus.Alerts)
	if err != nil {
		return time.Time{}, err
	}
	first := s.CachedInfo().State.FirstSeq
	var oldest time.Time
	readers := s.ListConsumers(ctx)
	for one := range readers.Info() {
		if !strings.HasPrefix(one.Config.Durable, "handler_") || one.NumPending == 0 && one.NumAckPending == 0 {
			continue
		}
		m, err := s.GetMsg(ctx, max(one.AckFloor.Stream+1, first))
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
func (c *Collector) open(ctx context.Context) (plans int, end time.Time, err error) {
	keys, err := c.agenda.Open(ctx)
	if err != nil {
		return 0, end, err
	}
	for key := range keys {
		id, err := incidents.IDOfKey(key)
		if err != nil {
			continue // not an incident's
		}
		st, err := c.records.Load(ctx, id)
		if errors.Is(err, bus.ErrNotFound) {
			continue // entered, and not opened yet
		}
		if err != nil {
			return 0, end, err
		}
		if st.Stage == incidents.Waiting && st.Asking != nil && c.now().Before(st.Asking.Until) {
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
