package probe_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/retrystorm"
	"github.com/firebreak-sre/firebreak/handlers/retrystorm/probe"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
)

// poll asks for a condition until it holds or a minute has passed.
func poll(t *testing.T, every time.Duration, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatal("the condition did not hold within a minute")
		}
	}
}

// caller is a service with a storm that can be ended. It tells its counters to Prometheus.
type caller struct {
	mu    sync.Mutex
	last  time.Time
	rate  row
	total row
}

func (c *caller) advance() row {
	now := time.Now()
	if !c.last.IsZero() {
		for i := range c.total {
			c.total[i] += c.rate[i] * now.Sub(c.last).Seconds()
		}
	}
	c.last = now
	return c.total
}

func (c *caller) become(r row) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance()
	c.rate = r
}

func (c *caller) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	total := c.advance()
	for i, name := range []string{"calls", "attempts", "ok", "failed"} {
		for _, pod := range []string{"a", "b"} {
			fmt.Fprintf(w, "# TYPE edge_%s_total counter\nedge_%s_total{pod=%q} %f\n", name, name, pod, total[i]/2)
		}
	}
}

// startPrometheus runs the real program until the test ends, and returns its URL when it is ready.
func startPrometheus(t *testing.T, scrape string) string {
	t.Helper()
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		t.Fatalf("find prometheus: %v: this test needs the real one: apt-get install prometheus", err)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n- job_name: caller\n  static_configs: [{targets: [%q]}]\n", scrape)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--log.level=warn")
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // The test's context has ended by now, which has killed exactly this process.
		if _ = cmd.Wait(); t.Failed() {
			t.Logf("prometheus said:\n%s", log.String())
		}
	})
	poll(t, 50*time.Millisecond, func() bool {
		resp, err := http.Get("http://" + address + "/-/ready") //nolint:noctx // A poll on loopback.
		return err == nil && resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
	})
	return "http://" + address
}

// TestRealPrometheus holds against the real Prometheus what the fakes only claim: a storm is seen, decided and judged over
// in its numbers, and its ways to give no number are understood.
func TestRealPrometheus(t *testing.T) {
	t.Parallel()
	c := &caller{rate: row{60, 90, 45, 45}}
	metrics := httptest.NewServer(c)
	t.Cleanup(metrics.Close)
	url := startPrometheus(t, strings.TrimPrefix(metrics.URL, "http://"))

	p := stormPolicy()
	p.Thresholds.SampleEvery = duration(500 * time.Millisecond)
	p.Edges[0].Probe.Prometheus = &policy.PrometheusProbe{URL: url,
		Calls: "sum(rate(edge_calls_total[3s]))", Attempts: "sum(rate(edge_attempts_total[3s]))",
		Successes: "sum(rate(edge_ok_total[3s]))", Failures: "sum(rate(edge_failed_total[3s]))"}
	prober, err := probe.New(p, nil)
	if err != nil {
		t.Fatal(err)
	}
	thinker := thinking(t, p)
	observed := func() look {
		o, err := prober.Observe(t.Context(), "checkout/payments")
		if err != nil { // Nothing is scraped yet: no series.
			t.Log(err)
		}
		return look{At: o.At, Seen: o}
	}
	story := think.Case[retrystorm.Observation]{Target: think.Target{Name: "checkout/payments"}}
	var d incidents.Decision
	poll(t, 500*time.Millisecond, func() bool {
		l := observed()
		story.Before, story.Now = append(story.Before, l), l.At
		d = thinker.Decide(story)
		return d.Verdict == incidents.Act
	})
	if d.Cause != string(retrystorm.CauseRetryStorm) || d.Step.Fix != "retry_budget" {
		t.Fatalf("got %+v", d)
	}

	c.become(row{60, 63, 58, 5})
	story.Step = &think.Stood{Fix: d.Step.Fix, Since: time.Now(), Until: time.Now().Add(time.Minute)}
	var j incidents.Judgement
	poll(t, 500*time.Millisecond, func() bool {
		l := observed()
		story.After, story.Now = append(story.After, l), l.At
		j = thinker.Judge(story)
		return j.Effect != incidents.Pending
	})
	if j.Effect != incidents.Improved {
		t.Errorf("got %+v", j)
	}
	if took := story.Now.Sub(story.Step.Since); took < 3*time.Second {
		t.Errorf("judged after %s, within the window of the queries", took)
	}
	realOddities(t, p)
}

// realOddities asks the real Prometheus what has no answer.
func realOddities(t *testing.T, p policy.RetryStorm) {
	t.Helper()
	prom := p.Edges[0].Probe.Prometheus
	prom.Calls, prom.Attempts, prom.Successes, prom.Failures = "renamed_total", "0/0", "edge_ok_total", "sum(("
	prom.PoolWaiting, prom.QueueAge = "scalar(vector(3))", "edge_ok_total[3s]"
	prober, err := probe.New(p, nil)
	if err != nil {
		t.Fatal(err)
	}
	o, err := prober.Observe(t.Context(), "checkout/payments")
	if err != nil {
		t.Fatal(err)
	}
	for want, got := range map[string]retrystorm.Number{
		"no series": o.Edge.Calls, "NaN": o.Edge.Attempts, "2 series": o.Edge.Successes, "answered 400 bad_data": o.Edge.Failures, "matrix": o.Edge.QueueAge,
	} {
		if got.OK || !strings.Contains(got.Err, want) {
			t.Errorf("got %+v, want %q", got, want)
		}
	}
	if o.Edge.PoolWaiting != known(3) {
		t.Errorf("pool waiting: got %+v, want 3", o.Edge.PoolWaiting)
	}
}
