package pagerduty

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/testbed/fakepagerduty"
	"github.com/firebreak-sre/firebreak/notify"
)

// patience is how long a test waits for what must come.
const patience = 40 * time.Second

// clockwork is a clock that tests set.
type clockwork struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clockwork) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clockwork) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// world is a bus with records, and PagerDuty.
type world struct {
	t     *testing.T
	clock *clockwork
	pd    *fakepagerduty.Server
	bus   *bus.Bus
	store *incidents.Store
	reg   *prometheus.Registry
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, clock: &clockwork{t: at(0)}, reg: prometheus.NewRegistry()}
	pd, err := fakepagerduty.New(fakepagerduty.Config{Now: w.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pd.Close(); err != nil {
			t.Error(err)
		}
	})
	b, err := bus.Open(w.ctx(), bus.Config{Dir: t.TempDir(), Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	w.pd, w.bus, w.store = pd, b, incidents.NewStore(b)
	return w
}

func (w *world) ctx() context.Context {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	w.t.Cleanup(cancel)
	return ctx
}

func missing(err error) bool { return errors.Is(err, bus.ErrNotFound) }

// sink is one replica's.
func (w *world) sink(change ...func(*Config)) *Sink {
	w.t.Helper()
	c := Config{RoutingKey: fakepagerduty.DefaultKey, URL: w.pd.URL(), Console: "https://firebreak.example.com/incidents/{incident}",
		Timeout: 2 * time.Second, Now: w.clock.now}
	for _, f := range change {
		f(&c)
	}
	s, err := New(c, w.store, missing, &http.Client{Transport: &http.Transport{}})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// tell runs a teller until stop.
func (w *world) tell(sink notify.Sink) (stop func()) {
	w.t.Helper()
	reg := prometheus.NewRegistry()
	w.reg = reg
	teller := notify.NewTeller(w.bus, sink, Kinds(), notify.NewMetrics(reg), zerolog.Nop())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- teller.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("tell: %v", err)
		}
	})
	w.t.Cleanup(stop)
	return stop
}

// record is a record that a test writes.
type record struct {
	w  *world
	st *incidents.State
	id incidents.ID
}

// open begins the n-th incident.
func (w *world) open(n int) *record {
	w.t.Helper()
	r := &record{w: w, st: incidents.Fold(nil), id: incidents.NewID("retrystorm", "checkout→payments", n)}
	r.write(incidents.Event{Kind: incidents.Opened, Opening: &incidents.Opening{ID: r.id, Handler: "retrystorm", Target: "checkout→payments",
		Alert: alerts.Alert{Fingerprint: "0123456789abcdef", Status: alerts.Firing, StartsAt: at(0), GeneratorURL: "https://prometheus.example.com/graph?g0.expr=up",
			Labels:      map[string]string{"alertname": "RetryStorm", "service": "checkout", "severity": "page"},
			Annotations: map[string]string{"runbook_url": "https://runbooks.example.com/rb-011"}}}})
	return r
}

// write appends events as one message, a second behind the last ones.
func (r *record) write(events ...incidents.Event) {
	r.w.t.Helper()
	for i := range events {
		r.w.clock.pass(time.Second)
		events[i].V, events[i].At = incidents.Version, r.w.clock.now()
	}
	if err := r.w.store.Append(r.w.ctx(), r.st, events...); err != nil {
		r.w.t.Fatal(err)
	}
}

// outcome is what a teller would tell of the record's last event.
func (r *record) outcome() notify.Outcome {
	r.w.t.Helper()
	events, err := r.w.store.Events(r.w.ctx(), r.id)
	if err != nil {
		r.w.t.Fatal(err)
	}
	e := events[len(events)-1]
	o := r.st.Opening
	return notify.Outcome{ID: fmt.Sprintf("%s-%d-0", r.id, len(events)), Incident: r.id, Kind: e.Kind, At: e.At, Handler: o.Handler, Target: o.Target,
		Alert: o.Alert.Name(), Labels: o.Alert.Labels, Words: e.Words(), Event: e}
}

// await waits until cond holds of what PagerDuty was told.
func (w *world) await(what string, cond func() bool) {
	w.t.Helper()
	if err := w.pd.Wait(w.ctx(), cond); err != nil {
		w.t.Fatalf("%s: %v; calls %+v", what, err, w.pd.Calls())
	}
}

// status is where PagerDuty has an incident, "" if nowhere, and how many it made of it.
func (w *world) status(id incidents.ID) (fakepagerduty.Status, int) {
	all := w.pd.Incidents(DedupKey(id))
	if len(all) == 0 {
		return "", 0
	}
	return all[len(all)-1].Status, len(all)
}

// counted is a counter of the teller's, by reason.
func (w *world) counted(name string, reason string) float64 {
	w.t.Helper()
	families, err := w.reg.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	total := 0.0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			match := f.GetName() == name && reason == ""
			for _, l := range m.GetLabel() {
				match = match || f.GetName() == name && l.GetValue() == reason
			}
			if match {
				total += m.GetCounter().GetValue()
			}
		}
	}
	return total
}
