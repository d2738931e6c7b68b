package receiver_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/receiver"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/rs/zerolog"
)

// memory is a journal of one test at a time. Behind a real bus the fuzzer sees its background work, takes every input for
// interesting and gets nowhere; TestBodies goes through a real one.
type memory struct{ data []byte }

var _ receiver.Journal = (*memory)(nil)

// MaxEntry is small, so that bodies are cut into several entries.
func (m *memory) MaxEntry() int { return 2000 }

func (m *memory) Append(_ context.Context, data []byte) error {
	if len(data) > m.MaxEntry() {
		return bus.ErrTooLarge
	}
	m.data = append(m.data, data...)
	return nil
}

// Whatever strangers send, the answer is one of the documented ones, and a 200 says exactly what is in the journal.
func FuzzWebhook(f *testing.F) {
	files, err := filepath.Glob(filepath.Join(payloads(), "*.json"))
	if err != nil || len(files) == 0 {
		f.Fatalf("list recorded bodies: %v, %d found", err, len(files))
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		if len(body) < 8<<10 {
			f.Add(body)
		}
	}
	for _, body := range []string{"", "{}", "[]", grafana, one(""), one(`,"annotations":{"a":"\u0000\ud800"}`), `{"alerts":[]}`, "\x00", `{"receiver":"` + strings.Repeat("x", 5000) + `",` + one("")[1:]} {
		f.Add([]byte(body))
	}
	journal := &memory{}
	hook := receiver.NewWebhook(receiver.Config{Journal: journal, MaxBody: 64 << 10, StoreTimeout: 20 * time.Second,
		Metrics: receiver.NewMetrics(prometheus.NewRegistry()), Log: zerolog.Nop()})
	documented := []int{http.StatusOK, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusServiceUnavailable}
	f.Fuzz(func(t *testing.T, body []byte) {
		journal.data = journal.data[:0]
		rec := httptest.NewRecorder()
		hook.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/webhook", bytes.NewReader(body)))
		if !slices.Contains(documented, rec.Code) {
			t.Fatalf("got %d, want one of %v", rec.Code, documented)
		}
		stored := 0
		err := alerts.ReadRecord(journal.data, func(int, alerts.Alert) error { stored++; return nil })
		if err != nil {
			t.Fatalf("got a journal that cannot be read: %v", err)
		}
		parsed, err := alerts.Parse(body)
		switch {
		case rec.Code == http.StatusRequestEntityTooLarge: // entries before the one that is too large may be stored
		case rec.Code != http.StatusOK:
			if stored != 0 {
				t.Fatalf("got %d alerts stored with %d", stored, rec.Code)
			}
		case err != nil || stored != len(parsed.Alerts) || rec.Body.String() != fmt.Sprintf("{\"stored\":%d}\n", stored):
			t.Fatalf("got %q with %d in the journal, want %d, %v", rec.Body, stored, len(parsed.Alerts), err)
		}
	})
}

// The metrics are named as Prometheus wants them, and those that alerts ask for are there before anything happens.
func TestMetricsLint(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	receiver.NewMetrics(reg)
	families, err := reg.Gather()
	if err != nil || len(families) != 6 {
		t.Errorf("got %d metrics, %v, want 6", len(families), err)
	}
	if problems, err := promlint.NewWithMetricFamilies(families).Lint(); err != nil || len(problems) > 0 {
		t.Errorf("got %v, %v", problems, err)
	}
}
