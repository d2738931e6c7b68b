package backlog

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/rs/zerolog"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// What waits is counted from the bus itself, whoever should have done it: an alert that no handler took up, a plan that nobody
// answered, a change that nobody ended.
func TestCollector(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	b, err := bus.Open(ctx, bus.Config{Dir: t.TempDir(), Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); b.Close() })
	w := New(b, agendaOf(t, b))
	w.now = func() time.Time { return time.Now().Add(time.Hour) }
	if got, want := w.count(ctx), (found{}); got != want {
		t.Errorf("nothing waits: got %+v, want %+v", got, want)
	}

	journal := b.Journal()
	go func() { _ = journal.Run(ctx) }()
	if err := journal.Append(ctx, []byte("{}\n")); err != nil {
		t.Fatal(err)
	}
	holding, taken := make(chan struct{}), make(chan struct{})
	go func() {
		_ = b.Work(ctx, bus.Work{Stream: bus.Alerts, Durable: "handler_retrystorm"}, func(ctx context.Context, _ bus.Msg) error {
			close(taken)
			select {
			case <-holding:
			case <-ctx.Done():
			}
			return nil
		})
	}()
	<-taken
	now := time.Now()
	enterIncident(t, w, "asked", incidents.Event{Kind: incidents.Asked, At: now, Plan: "p",
		Asking: &incidents.Asking{ID: "a", Plan: "p", Need: 1, Until: now.Add(2 * time.Hour)}})
	order := &remediations.Order{Step: remediations.Step{Remediation: "breaker", Fix: "open", Limit: policy.Duration(10 * time.Minute)}}
	enterIncident(t, w, "standing", incidents.Event{Kind: incidents.Intended, At: now, Order: order},
		incidents.Event{Kind: incidents.Issuing, At: now})

	got := w.count(ctx)
	if got.alertSeconds < 3590 || got.alertSeconds > 3700 {
		t.Errorf("the alert waits for an hour: got %v s", got.alertSeconds)
	}
	if got.approvals != 1 {
		t.Errorf("one plan waits: got %v", got.approvals)
	}
	if got.overdueSeconds < 2990 || got.overdueSeconds > 3100 {
		t.Errorf("the change should have ended 50 minutes ago: got %v s", got.overdueSeconds)
	}
	close(holding)
	testbed.Await(t, 10*time.Second, "the alert to be taken up", func() bool { return w.count(ctx).alertSeconds == 0 })
}

// A bus that does not answer is shown as not readable, and the names are as Prometheus wants them.
func TestUnread(t *testing.T) {
	t.Parallel()
	b, err := bus.Open(t.Context(), bus.Config{Dir: t.TempDir(), Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	w := New(b, agendaOf(t, b))
	b.Close()
	reg := prometheus.NewRegistry()
	reg.MustRegister(w)
	families, err := reg.Gather()
	if err != nil || len(families) != 3 {
		t.Fatalf("got %d families, %v, want 3", len(families), err)
	}
	for _, f := range families {
		if got := f.GetMetric()[0].GetGauge().GetValue(); got != unread {
			t.Errorf("%s: got %v, want %d", f.GetName(), got, unread)
		}
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("got %v, %v, want no problems", problems, err)
	}
}

// agendaOf is an agenda of the bus, made if there is none.
func agendaOf(t *testing.T, b *bus.Bus) *bus.Agenda {
	t.Helper()
	agenda, err := b.Agenda(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	return agenda
}

// enterIncident opens an incident with what happened to it, and puts it into the agenda.
func enterIncident(t *testing.T, w *Collector, target string, events ...incidents.Event) {
	t.Helper()
	id := incidents.NewID("retrystorm", target, 1)
	events = append([]incidents.Event{{Kind: incidents.Opened, At: time.Now(), Opening: &incidents.Opening{ID: id, Handler: "retrystorm", Target: target,
		Alert: alerts.Alert{Status: alerts.Firing, Labels: map[string]string{"alertname": "RetryStorm"}}}}}, events...)
	if err := w.records.Append(t.Context(), incidents.Fold(nil), events...); err != nil {
		t.Fatal(err)
	}
	if err := w.agenda.Set(t.Context(), id.Key(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
}
