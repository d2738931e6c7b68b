package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts/live"
	"github.com/firebreak-sre/firebreak/drills/storm"
	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/notify"
	"github.com/firebreak-sre/firebreak/notify/webhook"
	"github.com/nats-io/nats.go"
)

// The secrets of the end-to-end test. None may ever be printed.
const (
	webhookToken  = "webhook-token-of-the-e2e-test"
	apiToken      = "api-token-of-the-e2e-test"
	busToken      = "bus-token-of-the-e2e-test"
	outcomeSecret = "outcome-secret-of-the-e2e-test"
)

// desk is a receiver of outcomes, as somebody else would write it: it believes only what is signed.
type desk struct {
	*httptest.Server
	mu   sync.Mutex
	got  []notify.Outcome // guarded by mu, in the order of their coming
	ids  []string         // guarded by mu, the webhook-id of each
	errs []error          // guarded by mu, why something was not believed
}

func newDesk(t *testing.T) *desk {
	d := &desk{}
	d.Server = httptest.NewServer(d)
	t.Cleanup(d.Close)
	return d
}

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err == nil {
		err = webhook.Verify(r.Header, body, []byte(outcomeSecret), time.Now(), 0)
	}
	var o notify.Outcome
	if err == nil {
		err = json.Unmarshal(body, &o)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.errs = append(d.errs, err)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	d.got, d.ids = append(d.got, o), append(d.ids, r.Header.Get("Webhook-Id"))
}

// told is everything that came so far.
func (d *desk) told() (got []notify.Outcome, ids []string, errs []error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.got), slices.Clone(d.ids), slices.Clone(d.errs)
}

// kinds are the kinds of what came so far.
func (d *desk) kinds() []string {
	got, _, _ := d.told()
	kinds := make([]string, len(got))
	for i, o := range got {
		kinds[i] = string(o.Kind)
	}
	return kinds
}

// world is everything around Firebreak: two services and their users, Prometheus, Alertmanager, and who wants to hear of outcomes.
type world struct {
	system *storm.System
	prom   *testbed.Prom
	am     *testbed.AM
	live   *live.Client
	desk   *desk
	server *served
}

// newWorld starts everything for real. Only the order is our own: who posts must know the address, so it is chosen before.
func newWorld(t *testing.T, ctx context.Context) *world {
	t.Helper()
	listen, busAddr := testbed.Addr(t), testbed.Addr(t)
	w := &world{desk: newDesk(t)}
	nc, err := nats.Connect("nats://"+busAddr, nats.Token(busToken), nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if w.system, err = storm.Start(ctx, storm.Config{Conn: nc}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.system.Close)
	w.am = testbed.Alertmanager(t, testbed.AlertmanagerConfig{WebhookURL: "http://" + listen + "/webhook", Bearer: webhookToken,
		GroupWait: time.Second, GroupInterval: time.Second, GroupBy: []string{"alertname", "service", "edge"}})
	if w.live, err = live.New(live.Config{URL: w.am.URL, Timeout: 5 * time.Second}); err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(w.system.MetricsURL())
	if err != nil {
		t.Fatal(err)
	}
	w.prom = testbed.Prometheus(t, testbed.PrometheusConfig{ScrapeTargets: map[string][]string{"checkout": {target.Host}},
		Rules: shortRules(t), Alertmanagers: []string{w.am.Addr}, Interval: time.Second})
	env := environment{"E2E_WEBHOOK_TOKEN": webhookToken, "E2E_API_TOKEN": apiToken, "E2E_BUS_TOKEN": busToken, "E2E_OUTCOME_SECRET": outcomeSecret}
	dir := t.TempDir()
	policy := writeFile(t, dir, "firebreak.yaml", w.policy(filepath.Join(dir, "data"), listen, busAddr))
	w.server = serve(t, env, "--config", policy)
	return w
}

// shortRules are the rules that are shipped, with shorter times and nothing else changed.
func shortRules(t *testing.T) string {
	t.Helper()
	file := filepath.Join("..", "..", "alerts", "rules", "retrystorm.yaml")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, change := range [][2]string{
		{"[1m]", "[5s]"}, {"* 60 >= 100", "* 5 >= 100"}, {"offset 2m", "offset 10s"},
		{"  for: 30s", "  for: 2s"}, {"keep_firing_for: 3m", "keep_firing_for: 30s"},
	} {
		if !strings.Contains(text, change[0]) {
			t.Fatalf("%s has no %q any more: adapt this test", file, change[0])
		}
		text = strings.ReplaceAll(text, change[0], change[1])
	}
	return text
}

// policy is a policy as an operator writes it, with times for a test.
func (w *world) policy(data, listen, busAddr string) string {
	rate := func(metric string) string {
		return fmt.Sprintf(`sum(rate(%s{service="checkout",edge="payments"}[5s]))`, metric)
	}
	return fmt.Sprintf(`
server:
  listen: %s
  webhook: {bearer_tokens: ["${E2E_WEBHOOK_TOKEN}"]}
  api: {bearer_tokens: ["${E2E_API_TOKEN}"]}
bus: {data: %q, listen: %s, token: "${E2E_BUS_TOKEN}"}
alertmanagers: [{url: %s, receiver: testbed}]
outcomes:
  webhooks: [{name: desk, url: %s, secret: "${E2E_OUTCOME_SECRET}"}]
handlers:
  retrystorm:
    mode: auto
    thresholds: {sample_every: 1s, verify_within: 30s, hold_for: 3s, ramp_every: 6s}
    edges:
      - service: checkout
        edge: payments
        probe:
          prometheus:
            url: %s
            calls: %s
            attempts: %s
            successes: %s
            failures: %s
        fix: {breaker: {}, allow: [open, retry_budget], ttl: 10s, limit: 60s}
`, listen, data, busAddr, w.am.URL, w.desk.URL, w.prom.URL,
		rate("edge_calls_total"), rate("edge_attempts_total"), rate("edge_successes_total"), rate("edge_failures_total"))
}

// awaitRates waits until the rates of each of so many seconds in a row are as wanted, and returns them over all of these.
func (w *world) awaitRates(t *testing.T, timeout time.Duration, what string, seconds int, ok func(storm.Rates) bool) storm.Rates {
	t.Helper()
	first := w.system.Read()
	last, n := first, 0
	var over storm.Rates
	testbed.Await(t, timeout, what, func() bool {
		now := w.system.Read()
		if now.At.Sub(last.At) < time.Second {
			return false
		}
		r := now.Since(last)
		last = now
		if !ok(r) {
			first, n = now, 0
			return false
		}
		n++
		over = now.Since(first)
		return n >= seconds
	})
	return over
}

// firing says whether Prometheus itself says that the alert fires.
func (w *world) firing(t *testing.T) bool {
	t.Helper()
	return len(w.query(t, `ALERTS{alertname="RetryStorm",alertstate="firing"}`)) > 0
}

func (w *world) query(t *testing.T, expr string) []testbed.Sample {
	t.Helper()
	samples, err := w.prom.Query(t.Context(), expr)
	if err != nil {
		t.Fatal(err)
	}
	return samples
}

// atAlertmanager says whether Alertmanager has the alert and would notify of it.
func (w *world) atAlertmanager(t *testing.T) bool {
	t.Helper()
	found, err := w.live.Alerts(t.Context(), []string{`alertname="RetryStorm"`})
	if err != nil {
		t.Fatal(err)
	}
	return len(found) > 0
}

// ask runs a command against the server and returns what it prints.
func (w *world) ask(t *testing.T, args ...string) string {
	t.Helper()
	return must(t, append(args, "--server", w.server.url, "--token", apiToken)...)
}
