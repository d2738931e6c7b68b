package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/internal/testbed/fakecollector"
)

const (
	// traceGiven is what the one who posts is in, and traceID and spanGiven its parts.
	traceGiven = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	traceID    = "4bf92f3577b34da6a3ce929d0e0e4736"
	spanGiven  = "00f067aa0ba902b7"
	// What must be in no span.
	tracingToken    = "canary-token-of-the-collector"
	tracingPassword = "canary-password-in-an-annotation"
	tracingAdmin    = "canary-token-of-the-admin-endpoint"
)

// stormy is a service whose calls to payments feed a storm until they are held for a moment. It shows its counters, and has admin endpoints.
type stormy struct {
	url string

	mu       sync.Mutex // guards the fields below
	at       time.Time  // until when the counters are right
	sick     bool
	action   string // of the change that stands
	since    time.Time
	counts   [4]float64        // calls, attempts, successes, failures
	commands map[string]string // the traceparent of each command, by method
}

func newStormy(t *testing.T) *stormy {
	s := &stormy{at: time.Now(), sick: true, commands: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /edges", s.show)
	mux.HandleFunc("POST /edges", s.command)
	mux.HandleFunc("DELETE /edges", s.command)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// advance counts the calls up to now; it needs the lock.
func (s *stormy) advance() {
	now := time.Now()
	calls := 4000 * now.Sub(s.at).Seconds()
	s.at = now
	through := calls
	if s.action != "" {
		through = 0
		s.sick = s.sick && now.Sub(s.since) < 100*time.Millisecond
	}
	attempts, successes := through, through
	if s.sick {
		attempts, successes = 3*through, through/5
	}
	for i, n := range []float64{calls, attempts, successes, attempts - successes} {
		s.counts[i] += n
	}
}

func (s *stormy) show(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	state := "closed"
	if s.action != "" {
		state = "open"
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"calls": s.counts[0], "attempts": s.counts[1], "successes": s.counts[2], "failures": s.counts[3],
		"state": state, "action": s.action})
}

func (s *stormy) command(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	s.commands[r.Method] = r.Header.Get("Traceparent")
	if s.action = ""; r.Method == http.MethodPost {
		s.action, s.since = r.URL.Query().Get("action"), time.Now()
	}
	w.WriteHeader(http.StatusNoContent)
}

// sent is the traceparent that a command came with, and whether it came.
func (s *stormy) sent(method string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	parent, ok := s.commands[method]
	return parent, ok
}

// traceWorld is a service, whoever wants to hear of outcomes, and a policy.
type traceWorld struct {
	service *stormy
	policy  string
	env     environment
	server  *served
}

func newTraceWorld(t *testing.T, endpoint string) *traceWorld {
	t.Helper()
	w := &traceWorld{service: newStormy(t), env: environment{"COLLECTOR_TOKEN": tracingToken, "ADMIN_TOKEN": tracingAdmin, "OUTCOME_SECRET": outcomeSecret}}
	dir := t.TempDir()
	w.policy = writeFile(t, dir, "firebreak.yaml", fmt.Sprintf(`
server: {listen: "127.0.0.1:0"}
bus: {data: %q}
tracing: {endpoint: %q, headers: {authorization: "Bearer ${COLLECTOR_TOKEN}"}}
outcomes: {webhooks: [{name: desk, url: %q, secret: "${OUTCOME_SECRET}"}]}
handlers:
  retrystorm:
    mode: auto
    thresholds: {min_calls: 40, sample_every: 50ms, verify_within: 20s, hold_for: 150ms, ramp_every: 100ms}
    edges:
      - service: checkout
        edge: payments
        probe: {timeout: 3s, json: {urls: [%q], calls: calls, attempts: attempts, successes: successes, failures: failures}}
        fix:
          allow: [open]
          ttl: 20s
          limit: 20s
          ramp: []
          timeout: 1s
          http:
            instances: [%q]
            bearer_token: "${ADMIN_TOKEN}"
            controls:
              open:
                apply: {path: "/edges?action={{.Action}}"}
                revert: {method: DELETE, path: "/edges?action={{.Action}}"}
                read: {path: /edges, state: state, on: open, off: closed, action: action}
                self_expiring: true
`, filepath.Join(dir, "data"), endpoint, newDesk(t).URL, w.service.url+"/edges", w.service.url))
	return w
}

// serve starts a server on what the last one left.
func (w *traceWorld) serve(t *testing.T, args ...string) {
	t.Helper()
	w.server = serve(t, w.env, append([]string{"--config", w.policy}, args...)...)
}

// post tells of the one alert, in a trace if there is one.
func (w *traceWorld) post(t *testing.T, parent string, starts, ends time.Time) {
	t.Helper()
	body, err := blackbox.Alert{Name: "RetryStorm", Labels: map[string]string{"service": "checkout", "edge": "payments"}, Starts: starts, Ends: ends}.Body()
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(body), `"annotations":{}`, `"annotations":{"summary":"`+tracingPassword+`"}`, 1)
	if text == string(body) {
		t.Fatal("the body has no annotations to put a secret into")
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.url+"/webhook", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if parent != "" {
		req.Header.Set("Traceparent", parent)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if said := readAll(t, resp.Body); resp.StatusCode != http.StatusOK {
		t.Fatalf("the webhook answered %d: %s", resp.StatusCode, said)
	}
}

// resolve waits until the change was made and taken back, tells that the alert resolved, and waits for the incident's end as fixed.
func (w *traceWorld) resolve(t *testing.T, parent string, starts time.Time) {
	t.Helper()
	testbed.Await(t, time.Minute, "the change being made and taken back", func() bool { _, ok := w.service.sent(http.MethodDelete); return ok })
	w.post(t, parent, starts, time.Now().UTC())
	var last incidents.Summary
	testbed.Await(t, time.Minute, "the end of the incident", func() bool {
		all := decodeLines[incidents.Summary](t, must(t, "incidents", "list", "--json", "--server", w.server.url))
		if len(all) == 1 {
			last = all[0]
		}
		return last.Stage == incidents.Ended
	})
	if last.Outcome != incidents.OutcomeFixed {
		t.Errorf("got the outcome %s, want fixed: %s", last.Outcome, last.Words)
	}
}

// spansOf are those of a trace, by name.
func spansOf(c *fakecollector.Collector, trace string) map[string][]fakecollector.Span {
	out := map[string][]fakecollector.Span{}
	for _, s := range c.Spans() {
		if s.Trace == trace {
			out[s.Name] = append(out[s.Name], s)
		}
	}
	return out
}
