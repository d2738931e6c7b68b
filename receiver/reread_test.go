package receiver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/alerts/live"
	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/receiver"
	"github.com/rs/zerolog"
)

func readAll(w io.Writer, resp *http.Response) (int64, error) { return io.Copy(w, resp.Body) }

// alertmanager is one that is asked for what fires.
type alertmanager struct {
	mu    sync.Mutex
	found []live.Alert
	err   error
	asked int
}

var _ receiver.Alertmanager = (*alertmanager)(nil)

func (am *alertmanager) Alerts(_ context.Context, matchers []string) ([]live.Alert, error) {
	am.mu.Lock()
	defer am.mu.Unlock()
	am.asked++
	if len(matchers) > 0 {
		return nil, errors.New("not all alerts were asked for")
	}
	return am.found, am.err
}

func liveAlert(n int, state live.State) live.Alert {
	return live.Alert{State: state, Alert: alerts.Alert{
		Fingerprint: fmt.Sprintf("%016x", n), Status: alerts.Firing, Labels: map[string]string{"alertname": "A", "n": fmt.Sprint(n)},
		Annotations: map[string]string{"summary": "<b>&"}, StartsAt: time.Date(2026, 11, 22, 12, 0, 0, 5e6, time.UTC),
		Delivery: alerts.Delivery{At: time.Date(2026, 11, 22, 13, 0, 0, 0, time.UTC), Source: alerts.SourceAPI, ExternalURL: "http://am:9093"},
	}}
}

// What Alertmanager left out of a notification is read from it, and is in the journal like any other alert, but for what is
// silenced.
func TestReread(t *testing.T) {
	t.Parallel()
	am := &alertmanager{found: []live.Alert{liveAlert(1, live.Active), liveAlert(2, live.Suppressed), liveAlert(3, live.Unprocessed)}}
	var reread *receiver.Reread
	be := newBench(t, bus.Config{}, func(be *bench, cfg *receiver.Config) {
		reread = receiver.NewReread([]receiver.Alertmanager{am}, be.journal, be.metrics, zerolog.Nop())
		cfg.Truncated = reread.Ask
	})
	running(t, reread.Run)
	if got := be.post(t, "/webhook", strings.NewReader(payload(t, "am031-single-01"))); got.status != 200 {
		t.Fatalf("got %+v, want 200", got)
	}
	if got := be.post(t, "/webhook", strings.NewReader(payload(t, "am031-trunclie-01"))); got.status != 200 {
		t.Fatalf("got %+v, want 200", got)
	}
	eventually(t, "both are stored", func() bool { return len(be.stored(t)) >= 4 })
	for i, a := range be.stored(t)[2:] {
		if want := am.found[2*i].Alert; fmt.Sprint(a) != fmt.Sprint(want) {
			t.Errorf("got %+v, want %+v", a, want)
		}
	}
	eventually(t, "it is counted", func() bool { return be.counter(t, "firebreak_alertmanager_rereads_total", "ok") == 1 })
	am.mu.Lock()
	defer am.mu.Unlock()
	if am.asked != 1 {
		t.Errorf("got Alertmanager asked %d times, want once: one notification was complete", am.asked)
	}
}

// A large answer takes few messages: each of them waits for the disk.
func TestRereadLarge(t *testing.T) {
	t.Parallel()
	am := &alertmanager{}
	for n := range 3000 {
		am.found = append(am.found, liveAlert(n, live.Active))
	}
	be := newBench(t, bus.Config{}, nil)
	reread := receiver.NewReread([]receiver.Alertmanager{am}, be.journal, be.metrics, zerolog.Nop())
	running(t, reread.Run)
	reread.Ask(alerts.Delivery{})
	eventually(t, "the read is done", func() bool { return be.counter(t, "firebreak_alertmanager_rereads_total", "ok") == 1 })
	messages := 0
	err := be.bus.Follow(within(t), bus.Past{Stream: bus.Alerts}, func(bus.Msg) error { messages++; return nil })
	if got := len(be.stored(t)); err != nil || got != 3000 || messages > 3 {
		t.Errorf("got %d alerts in %d messages, %v, want 3000 in few", got, messages, err)
	}
}

// A read that failed is tried again until it succeeds; nothing that was asked for meanwhile is forgotten.
func TestRereadFails(t *testing.T) {
	t.Parallel()
	am := &alertmanager{found: []live.Alert{liveAlert(1, live.Active)}, err: errors.New("settling")}
	be := newBench(t, bus.Config{}, nil)
	reread := receiver.NewReread([]receiver.Alertmanager{am}, be.journal, be.metrics, zerolog.Nop())
	running(t, reread.Run)
	for range 100 {
		reread.Ask(alerts.Delivery{}) // never blocks
	}
	eventually(t, "it failed", func() bool { return be.counter(t, "firebreak_alertmanager_rereads_total", "failed") >= 1 })
	am.mu.Lock()
	am.err = nil
	am.mu.Unlock()
	eventually(t, "it is stored", func() bool { return len(be.stored(t)) >= 1 })
}

// Without an Alertmanager to ask, it goes on.
func TestRereadNobody(t *testing.T) {
	t.Parallel()
	be := newBench(t, bus.Config{}, nil)
	reread := receiver.NewReread(nil, be.journal, be.metrics, zerolog.Nop())
	stop := running(t, reread.Run)
	reread.Ask(alerts.Delivery{})
	stop()
}

// counter is a counter's value, by the value of its one label.
func (be *bench) counter(t testing.TB, name, label string) float64 {
	t.Helper()
	families, err := be.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (len(m.GetLabel()) == 0 || m.GetLabel()[0].GetValue() == label) {
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("%s{%s} is not there", name, label)
	return 0
}
