package archive

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/firebreak-sre/firebreak/bus"
)

// metrics say how the archive is doing. A gauge of its lag grows by itself while nothing is written.
type metrics struct {
	// waiting is how many messages are not archived yet; oldest when the first of them was stored, in nanoseconds of Unix time, 0 if none waits.
	waiting atomic.Uint64
	oldest  atomic.Int64

	up                               prometheus.Gauge
	events, lost, damaged, old, fail prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &metrics{
		up: prometheus.NewGauge(prometheus.GaugeOpts{Name: "firebreak_archive_up",
			Help: "1 while the archive has a session with its database, else 0."}),
		events: counter("firebreak_archive_events_total", "Events that this replica has archived."),
		lost: counter("firebreak_archive_gap_messages_total",
			"Messages that the bus had forgotten before this replica could archive them; each gap counts at least 1. The table archive_gaps names them."),
		damaged: counter("firebreak_archive_damaged_total", "Messages that are archived as bytes, since they could not be taken apart."),
		old:     counter("firebreak_archive_skipped_total", "Messages that were older than the archive keeps when it read them."),
		fail:    counter("firebreak_archive_failures_total", "Rounds of the archive that failed and are tried again."),
	}
	lag := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "firebreak_archive_lag_seconds",
		Help: "For how long the oldest message of the record that is not archived has been stored; 0 if all are. Before the database has " +
			"answered once, how long it has not."}, m.lagSeconds)
	waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "firebreak_archive_lag_events",
		Help: "Messages of the record, of one event or a few each, that are not archived. Before the database has answered once, all that the bus keeps."},
		func() float64 { return float64(m.waiting.Load()) })
	if reg != nil {
		reg.MustRegister(m.up, m.events, m.lost, m.damaged, m.old, m.fail, lag, waiting)
	}
	return m
}

func (m *metrics) lagSeconds() float64 {
	oldest := m.oldest.Load()
	if oldest == 0 {
		return 0
	}
	return max(0, time.Since(time.Unix(0, oldest)).Seconds())
}

// since says when the oldest message was stored that is not archived.
func (m *metrics) since(t time.Time) { m.oldest.Store(t.UnixNano()) }

// atLeastSince says that something waits, and that nobody knows yet since when.
func (m *metrics) atLeastSince(t time.Time) { m.oldest.CompareAndSwap(0, t.UnixNano()) }

// behind says that a message is the next to be archived, of a stream as it is now.
func (m *metrics) behind(s span, next uint64) {
	var n uint64
	if next <= s.last {
		n = s.last - next + 1
	}
	m.waiting.Store(n)
	if n == 0 {
		m.oldest.Store(0)
	}
}

// reading says which messages were read, from where on.
func (m *metrics) reading(s span, from uint64, msgs []bus.Msg) {
	m.behind(s, max(from, s.first))
	if len(msgs) > 0 {
		m.since(msgs[0].At)
	}
}

func (m *metrics) connected() { m.up.Set(1) }

func (m *metrics) failed() {
	m.up.Set(0)
	m.fail.Inc()
}

// wrote counts a batch that was committed.
func (m *metrics) wrote(b batch) {
	m.events.Add(float64(len(b.events)))
	m.damaged.Add(float64(len(b.damaged)))
	m.old.Add(float64(b.old))
	for _, g := range b.gaps {
		m.lost.Add(float64(max(g.messages(), 1)))
	}
}
