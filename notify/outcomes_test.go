package notify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/notify"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/rs/zerolog"
)

const patience = 30 * time.Second

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func openBus(t *testing.T, dir string) *bus.Bus {
	t.Helper()
	b, err := bus.Open(within(t), bus.Config{Dir: dir, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sync.OnceFunc(b.Close))
	return b
}

// place is somewhere that is told; fail says what it answers.
type place struct {
	name string
	fail func(notify.Outcome) error
	told chan notify.Outcome
}

var _ notify.Sink = (*place)(nil)

func newPlace(fail func(notify.Outcome) error) *place {
	return &place{name: "place", fail: fail, told: make(chan notify.Outcome, 1000)}
}

func (p *place) Name() string { return p.name }

func (p *place) Send(_ context.Context, o notify.Outcome) error {
	p.told <- o
	if p.fail != nil {
		return p.fail(o)
	}
	return nil
}

// next is what the place is told next.
func (p *place) next(t *testing.T) notify.Outcome {
	t.Helper()
	select {
	case o := <-p.told:
		return o
	case <-time.After(patience):
		t.Fatal("waited in vain to be told")
		return notify.Outcome{}
	}
}

// telling runs a teller of a sink until stop.
func telling(t *testing.T, b *bus.Bus, sink notify.Sink, reg *prometheus.Registry, kinds ...incidents.Kind) (stop func()) {
	t.Helper()
	return run(t, notify.NewTeller(b, sink, kinds, notify.NewMetrics(reg), zerolog.Nop()))
}

// run runs a teller until stop.
func run(t *testing.T, teller *notify.Teller) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- teller.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("tell: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// write appends events to a record as one message.
func write(t *testing.T, b *bus.Bus, st *incidents.State, events ...incidents.Event) {
	t.Helper()
	for i := range events {
		events[i].V, events[i].At = incidents.Version, time.Now().UTC()
	}
	if err := incidents.NewStore(b).Append(within(t), st, events...); err != nil {
		t.Fatal(err)
	}
}

func opened(target string) incidents.Event {
	return incidents.Event{Kind: incidents.Opened, Opening: &incidents.Opening{
		ID: incidents.NewID("retrystorm", target, 1), Handler: "retrystorm", Target: target,
		Alert: alerts.Alert{Fingerprint: "0123456789abcdef", Status: alerts.Firing, Labels: map[string]string{"alertname": "RetryStorm", "team": "pay"}}}}
}

func escalated(note string) incidents.Event {
	return incidents.Event{Kind: incidents.Escalated, Note: note}
}

func closed() incidents.Event {
	return incidents.Event{Kind: incidents.Closed, Closing: &incidents.Closing{Outcome: incidents.OutcomePaged, Words: "told"}}
}

// counts are the values of the teller's counters, by name and labels.
func counts(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if problems, err := promlint.NewWithMetricFamilies(families).Lint(); err != nil || len(problems) > 0 {
		t.Errorf("got metrics %v, %v, want them named as Prometheus wants", problems, err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := strings.TrimPrefix(f.GetName(), "firebreak_notifications_")
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			out[name] = m.GetCounter().GetValue()
		}
	}
	return out
}

func wantCounts(t *testing.T, reg *prometheus.Registry, want map[string]float64) {
	t.Helper()
	end := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		got := counts(t, reg)
		if fmt.Sprint(got) == fmt.Sprint(want) {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("got counts %v, want %v", got, want)
		}
	}
}

// A place is told what is worth telling, in the order in which it happened, with what people need to know.
func TestTeller(t *testing.T) {
	t.Parallel()
	b := openBus(t, t.TempDir())
	st := incidents.Fold(nil)
	write(t, b, st, opened("checkout→payments"))
	write(t, b, st, incidents.Event{Kind: incidents.Observed})
	p, reg := newPlace(nil), prometheus.NewRegistry()
	telling(t, b, p, reg)
	write(t, b, st, incidents.Event{Kind: incidents.Decided}, escalated("look"), closed())

	got := []notify.Outcome{p.next(t), p.next(t), p.next(t)}
	for i, want := range []struct {
		kind    incidents.Kind
		words   string
		outcome incidents.Outcome
	}{
		{incidents.Opened, "RetryStorm fires for checkout→payments (0123456789abcdef)", ""},
		{incidents.Escalated, "look", ""},
		{incidents.Closed, "paged: told", incidents.OutcomePaged},
	} {
		o := got[i]
		if o.Kind != want.kind || o.Words != want.words || o.Outcome != want.outcome || o.Event.Kind != want.kind || o.At.IsZero() {
			t.Errorf("got %+v, want %+v", o, want)
		}
		if o.Incident != st.ID || o.Handler != "retrystorm" || o.Target != "checkout→payments" || o.Alert != "RetryStorm" || o.Labels["team"] != "pay" {
			t.Errorf("got %+v, want what the incident is about", o)
		}
	}
	if a, b, c := got[0].ID, got[1].ID, got[2].ID; a == b || b == c || strings.Contains(a+b+c, ".") {
		t.Errorf("got ids %s, %s, %s, want three without dots", a, b, c)
	}
	wantCounts(t, reg, map[string]float64{"total place": 3})
}

// A place that asks for kinds is told of those, and of no other.
func TestTellerKinds(t *testing.T) {
	t.Parallel()
	b := openBus(t, t.TempDir())
	st := incidents.Fold(nil)
	write(t, b, st, opened("a"))
	write(t, b, st, incidents.Event{Kind: incidents.Observed, Note: "seen"}, escalated("no"), incidents.Event{Kind: incidents.Held})
	p := newPlace(nil)
	telling(t, b, p, prometheus.NewRegistry(), incidents.Observed, incidents.Held)
	if first, second := p.next(t), p.next(t); first.Kind != incidents.Observed || second.Kind != incidents.Held {
		t.Errorf("got %s and %s, want observed and held", first.Kind, second.Kind)
	}
	for _, k := range notify.Worth() {
		if (incidents.Event{Kind: k}).Words() == (incidents.Event{Kind: "unknown"}).Words() {
			t.Errorf("%s is worth telling and not known", k)
		}
	}
}

// What a place could not take comes again under the same id, before anything that happened after it.
func TestTellerRetries(t *testing.T) {
	t.Parallel()
	b := openBus(t, t.TempDir())
	st := incidents.Fold(nil)
	write(t, b, st, opened("a"))
	write(t, b, st, escalated("look"))
	tries := 0
	p := newPlace(func(notify.Outcome) error {
		if tries++; tries <= 2 {
			return errors.New("down")
		}
		return nil
	})
	reg := prometheus.NewRegistry()
	telling(t, b, p, reg)
	first := p.next(t)
	for range 2 {
		if again := p.next(t); again.ID != first.ID || again.Kind != incidents.Opened {
			t.Errorf("got %s %s, want %s again", again.Kind, again.ID, first.ID)
		}
	}
	if last := p.next(t); last.Kind != incidents.Escalated || last.ID == first.ID {
		t.Errorf("got %s %s, want the escalation", last.Kind, last.ID)
	}
	wantCounts(t, reg, map[string]float64{"total place": 2, "failed_total place retried": 2})
}

// What a place could not take before a restart it is told after it, under the same id.
func TestTellerReopen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := openBus(t, dir)
	st := incidents.Fold(nil)
	write(t, b, st, opened("a"))
	down := newPlace(func(notify.Outcome) error { return errors.New("down") })
	stop := telling(t, b, down, prometheus.NewRegistry())
	first := down.next(t)
	stop()
	write(t, b, st, escalated("while nobody told"))
	b.Close()

	up := newPlace(nil)
	telling(t, openBus(t, dir), up, prometheus.NewRegistry())
	if again := up.next(t); again.ID != first.ID {
		t.Errorf("got %s after the restart, want %s", again.ID, first.ID)
	}
	if then := up.next(t); then.Words != "while nobody told" {
		t.Errorf("got %q, want what happened meanwhile", then.Words)
	}
}

// What will never be taken is given up, is counted, and holds nothing up.
func TestTellerGivesUp(t *testing.T) {
	t.Parallel()
	b := openBus(t, t.TempDir())
	st := incidents.Fold(nil)
	write(t, b, st, opened("a"))
	write(t, b, st, escalated("look"))
	p := newPlace(func(o notify.Outcome) error {
		if o.Kind == incidents.Opened {
			return fmt.Errorf("wrong: %w", notify.ErrPermanent)
		}
		return nil
	})
	reg := prometheus.NewRegistry()
	telling(t, b, p, reg)
	if first, second := p.next(t), p.next(t); first.Kind != incidents.Opened || second.Kind != incidents.Escalated {
		t.Errorf("got %s and %s, want each once", first.Kind, second.Kind)
	}
	wantCounts(t, reg, map[string]float64{"total place": 1, "failed_total place permanent": 1})
}

// What cannot be read is passed over and counted; it holds up nothing that stands behind it.
func TestTellerDamaged(t *testing.T) {
	t.Parallel()
	b := openBus(t, t.TempDir())
	whole, broken := incidents.Fold(nil), incidents.Fold(nil)
	write(t, b, broken, opened("broken")) // readable, and says all that is needed, though its record is not
	for subject, last := range map[string]uint64{"incidents." + broken.ID.Key(): broken.Seq, "incidents.stranger": 0} {
		if _, err := b.AppendIf(within(t), subject, last, []byte("garbage")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.AppendIf(within(t), "incidents.stranger.two", 0, []byte(`[{"kind":"escalated"}]`)); err != nil {
		t.Fatal(err)
	}
	write(t, b, whole, opened("whole"))
	p, reg := newPlace(nil), prometheus.NewRegistry()
	telling(t, b, p, reg)
	if first, second := p.next(t), p.next(t); first.Target != "broken" || second.Target != "whole" {
		t.Errorf("got those of %s and %s, want what can be read: the opening of the broken one, and the whole one", first.Target, second.Target)
	}
	wantCounts(t, reg, map[string]float64{"total place": 2, "failed_total place skipped": 3})
}

// The log has one line for each outcome, with a warning where a person is needed.
func TestLog(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := notify.Log{Logger: zerolog.New(&out)}
	for _, k := range []incidents.Kind{incidents.Closed, incidents.Escalated} {
		if err := l.Send(within(t), notify.Outcome{Incident: "retrystorm-3f9a2c81b04d-7", Handler: "retrystorm", Target: "a", Kind: k, Words: "two\nlines"}); err != nil {
			t.Fatal(err)
		}
	}
	var levels []string
	for line := range strings.Lines(out.String()) {
		var got map[string]string
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		levels = append(levels, got["level"])
		if got["incident"] != "retrystorm-3f9a2c81b04d-7" || got["handler"] != "retrystorm" || got["target"] != "a" || got["words"] != "two\nlines" {
			t.Errorf("got %v", got)
		}
	}
	if want := []string{"info", "warn"}; !slices.Equal(levels, want) || l.Name() != "log" {
		t.Errorf("got levels %v of %s, want %v", levels, l.Name(), want)
	}
}
