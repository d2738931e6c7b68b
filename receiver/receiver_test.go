package receiver_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/receiver"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// patience bounds every wait of these tests.
const patience = 30 * time.Second

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// running starts a service and returns what stops it and waits for it.
func running(t testing.TB, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// bench is a listener with a real bus behind it.
type bench struct {
	bus     *bus.Bus
	journal *bus.Journal
	// stopJournal makes storing impossible.
	stopJournal func()
	reg         *prometheus.Registry
	metrics     *receiver.Metrics
	url         string
}

// newBench serves a webhook; set changes its configuration, and busConfig that of its bus.
func newBench(t testing.TB, busConfig bus.Config, set func(*bench, *receiver.Config)) *bench {
	t.Helper()
	busConfig.Dir, busConfig.Log = t.TempDir(), zerolog.Nop()
	b, err := bus.Open(within(t), busConfig)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	be := &bench{bus: b, journal: b.Journal(), reg: prometheus.NewRegistry()}
	be.metrics = receiver.NewMetrics(be.reg)
	be.stopJournal = running(t, be.journal.Run)
	cfg := receiver.Config{Journal: be.journal, MaxBody: 16 << 20, StoreTimeout: 20 * time.Second, Metrics: be.metrics, Log: zerolog.Nop()}
	if set != nil {
		set(be, &cfg)
	}
	srv := httptest.NewServer(receiver.Routes{
		Webhook: receiver.NewWebhook(cfg), Health: receiver.Healthy(), Ready: receiver.Ready([]receiver.Check{{Name: "bus", Ask: b.Ready}}),
		Metrics: http.NotFoundHandler(), API: http.NotFoundHandler(),
	})
	t.Cleanup(srv.Close)
	be.url = srv.URL
	return be
}

// answer is what the webhook said.
type answer struct {
	status int
	// code is of an error's body; stored of a 200's.
	code   string
	stored int
	header http.Header
}

// post sends a body as Alertmanager does, following no redirect.
func (be *bench) post(t testing.TB, path string, body io.Reader, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(within(t), http.MethodPost, be.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	return be.do(t, req, headers...)
}

func (be *bench) do(t testing.TB, req *http.Request, headers ...string) answer {
	t.Helper()
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var said struct {
		Stored int `json:"stored"`
		Error  struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&said); err != nil && resp.Header.Get("Content-Type") == "application/json" {
		t.Errorf("got an answer %d that is not JSON: %v", resp.StatusCode, err)
	}
	if resp.StatusCode >= 400 && said.Error.Code != "" && said.Error.Message == "" {
		t.Errorf("got code %s without a message", said.Error.Code)
	}
	return answer{status: resp.StatusCode, code: said.Error.Code, stored: said.Stored, header: resp.Header}
}

// stored is every alert in the journal, in order.
func (be *bench) stored(t testing.TB) []alerts.Alert {
	t.Helper()
	var out []alerts.Alert
	err := be.bus.Follow(within(t), bus.Past{Stream: bus.Alerts}, func(m bus.Msg) error {
		return alerts.ReadRecord(m.Data, func(_ int, a alerts.Alert) error {
			out = append(out, a)
			return nil
		})
	})
	if err != nil {
		t.Fatalf("read the journal: %v", err)
	}
	return out
}

// payloads is the folder of the recorded bodies.
func payloads() string { return filepath.Join("..", "alerts", "testdata", "payloads") }

func payload(t testing.TB, name string) string {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(payloads(), name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// outcome is what a recorded body must come to.
type outcome struct{ firing, resolved, leftOut int }

// outcomes states every recorded body. A body without a line here fails the test.
func outcomes() map[string]outcome {
	return map[string]outcome{
		"am025-group10-01": {10, 0, 0}, "am025-single-01": {1, 0, 0}, "am025-single-02": {0, 1, 0}, "am025-trunclie-02": {0, 1, 2},
		"am031-basic-01": {1, 0, 0}, "am031-bearer-01": {1, 0, 0}, "am031-emptyann-01": {2, 0, 0}, "am031-flap-01": {1, 0, 0},
		"am031-group10-01": {10, 0, 0}, "am031-group10-02": {0, 10, 0}, "am031-group200-01": {200, 0, 0}, "am031-hdrs-01": {1, 0, 0},
		"am031-metaname-01": {1, 0, 0}, "am031-mixed-01": {4, 0, 0}, "am031-mixed-02": {3, 2, 0}, "am031-multiA0-01": {1, 0, 0},
		"am031-multiA1-01": {1, 0, 0}, "am031-noresolve-01": {1, 0, 0}, "am031-repeat-01": {1, 0, 0}, "am031-repeat-02": {1, 0, 0},
		"am031-repeat-03": {1, 0, 0}, "am031-retry503-01": {1, 0, 0}, "am031-retry503-02": {1, 0, 0}, "am031-retry503-03": {1, 0, 0},
		"am031-silenced-01": {2, 0, 0}, "am031-single-01": {1, 0, 0}, "am031-single-02": {0, 1, 0}, "am031-trunc-01": {5, 0, 15},
		"am031-trunclie-01": {1, 0, 2}, "am031-trunclie-02": {0, 1, 2}, "am031-unicode-01": {1, 0, 0}, "am031-unicode-02": {1, 0, 0},
		"am034-routelabels-01": {1, 0, 0}, "am034-single-01": {1, 0, 0}, "ha031-haok-01": {1, 0, 0}, "ha031-haok-02": {0, 1, 0},
	}
}

// Every recorded body is answered with 200, and is in the journal then as what it was.
func TestRecordedBodies(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(payloads(), "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("list recorded bodies: %v, %d found", err, len(files))
	}
	var told atomic.Int32
	be := newBench(t, bus.Config{}, func(_ *bench, cfg *receiver.Config) {
		cfg.Truncated = func(alerts.Delivery) { told.Add(1) }
	})
	var wantAll outcome
	before := 0
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		want, known := outcomes()[name]
		if !known {
			t.Errorf("%s: no outcome is stated for this body", name)
		}
		told.Store(0)
		got := be.post(t, "/webhook", strings.NewReader(payload(t, name)), "Content-Type", "application/json")
		all := be.stored(t)
		kept := outcome{leftOut: int(want.leftOut)}
		for _, a := range all[before:] {
			if a.Status == alerts.Firing {
				kept.firing++
			} else {
				kept.resolved++
			}
			if a.Delivery.Truncated != uint64(want.leftOut) || a.Delivery.Source != alerts.SourceWebhook || a.Delivery.At.IsZero() {
				t.Errorf("%s: got delivery %+v", name, a.Delivery)
			}
		}
		before = len(all)
		if got.status != http.StatusOK || got.stored != want.firing+want.resolved || kept != want || (told.Load() == 1) != (want.leftOut > 0) {
			t.Errorf("%s: got %+v with %+v in the journal, told %d times of truncation, want %+v", name, got, kept, told.Load(), want)
		}
		wantAll = outcome{wantAll.firing + want.firing, wantAll.resolved + want.resolved, wantAll.leftOut + want.leftOut}
	}
	be.wantMetric(t, "firebreak_alerts_received_total", "firing", float64(wantAll.firing))
	be.wantMetric(t, "firebreak_alerts_received_total", "resolved", float64(wantAll.resolved))
	be.wantMetric(t, "firebreak_webhook_truncated_alerts_total", "", float64(wantAll.leftOut))
	be.wantMetric(t, "firebreak_webhook_requests_total", "200", float64(len(files)))
}

// wantMetric checks a counter, by the value of its one label.
func (be *bench) wantMetric(t testing.TB, name, label string, want float64) {
	t.Helper()
	if got := be.counter(t, name, label); got != want {
		t.Errorf("%s{%s}: got %g, want %g", name, label, got, want)
	}
}
