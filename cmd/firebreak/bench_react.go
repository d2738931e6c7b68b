package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations/breaker/lease"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
	"github.com/tidwall/gjson"
)

type benchReactCmd struct {
	Rate    float64 `help:"Alerts a second." default:"20"`
	Seconds float64 `help:"How long." default:"10"`
	Dir     string  `help:"Folder on the disk to measure." default:"." type:"path"`
}

// Run measures how long it takes from a POST to the lease being seen by who watches it, with every durable record in between, and
// beside it the same way without a product on it: one durable publish, one durable reader, one lease.
func (c *benchReactCmd) Run(a *app) error {
	if c.Rate <= 0 || c.Rate > 1000 || c.Seconds <= 0 || c.Seconds > 600 {
		return errors.New("--rate goes to 1000, --seconds to 600")
	}
	far := a.progress("measuring the floor", "", 0, false)
	defer far.end()
	floor, err := c.floor(a.ctx)
	if err != nil {
		return fmt.Errorf("measure the floor: %w", err)
	}
	far.next("measuring firebreak", "", 0)
	ours, err := c.firebreak(a.ctx)
	far.end()
	if err != nil {
		return fmt.Errorf("measure firebreak: %w", err)
	}
	fmt.Fprintf(a.stdout, "From POST to the wire, %.0f a second, milliseconds:\n", c.Rate)
	fmt.Fprintf(a.stdout, "%-58s %6s %8s %8s\n", "", "n", "p50", "p99")
	fmt.Fprintf(a.stdout, "%-58s %6d %8s %8s\n", "floor: POST, one durable message, one reader, one lease", len(floor), millis(floor.at(.5)), millis(floor.at(.99)))
	fmt.Fprintf(a.stdout, "%-58s %6d %8s %8s\n", "firebreak: look, decide, guard, intend, issue, lease", len(ours), millis(ours.at(.5)), millis(ours.at(.99)))
	fmt.Fprintf(a.stdout, "ratio %.1f at p50, %.1f at p99\n", float64(ours.at(.5))/float64(floor.at(.5)), float64(ours.at(.99))/float64(floor.at(.99)))
	return nil
}

func (c *benchReactCmd) count() int { return max(1, int(c.Rate*c.Seconds)) }

// firebreak runs the whole server, with a Prometheus that answers at once, and one edge for each alert.
func (c *benchReactCmd) firebreak(ctx context.Context) (latencies, error) {
	dir, err := os.MkdirTemp(c.Dir, "firebreak-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	prom, stop, err := answeringPrometheus()
	if err != nil {
		return nil, err
	}
	defer stop()
	d, err := newDaemon(ctx, settings{Policy: reactPolicy(prom, dir, c.count())}, zerolog.Nop())
	if err != nil {
		return nil, err
	}
	defer d.Close()
	g := newGroup(ctx)
	g.run("firebreak", d.Run)
	times, err := c.drive(ctx, d.bus, d.listener.Addr().String())
	g.cancel(context.Canceled)
	return times, errors.Join(err, g.wait())
}

// reactPolicy allows as many fixes as the run needs; everything else is as in any policy with one sample.
func reactPolicy(prom, dir string, edges int) policy.Policy {
	p := policy.Default()
	p.Server.Listen = "127.0.0.1:0"
	p.SetData(dir)
	many := policy.Budget{Hour: 1 << 20, Day: 1 << 20, Concurrent: 1 << 20}
	p.Limits.PerDomain, p.Limits.PerAction, p.Limits.Global = many, many, many
	p.Limits.BlastRadius = policy.BlastRadius{Targets: 1 << 20, SharePercent: 100, AlertsPerMinute: 1 << 20, Calm: policy.Duration(time.Second)}
	h := &p.Handlers.RetryStorm
	h.Mode, h.Alerts = policy.Auto, []string{"RetryStorm"}
	h.Thresholds.Samples, h.Thresholds.ManyEdges = 1, 1<<20
	h.Thresholds.ConfirmAfter = policy.Duration(10 * time.Millisecond) // the least that a policy may say
	h.Thresholds.SampleEvery, h.Thresholds.VerifyWithin = policy.Duration(time.Minute), policy.Duration(4*time.Minute)
	for i := range edges {
		name := fmt.Sprintf("e%d", i)
		h.Edges = append(h.Edges, policy.Edge{Service: "bench", Edge: name, Domain: name, Mode: policy.Auto,
			Match: map[string]string{"edge": name},
			Probe: policy.EdgeProbe{Timeout: policy.Duration(3 * time.Second), Prometheus: &policy.PrometheusProbe{URL: prom,
				Calls: "calls", Attempts: "attempts", Successes: "successes", Failures: "failures"}},
			Fix: policy.EdgeFix{Breaker: &policy.BreakerFix{}, Allow: []string{"open"}, BudgetPercent: 10, ShedPercent: 50,
				TTL: policy.Duration(5 * time.Minute), Limit: policy.Duration(5 * time.Minute), Timeout: policy.Duration(5 * time.Second)}})
	}
	return p
}

// answeringPrometheus says at once that a dependency is down.
func answeringPrometheus() (string, func(), error) {
	values := map[string]string{"calls": "200", "attempts": "700", "successes": "10", "failures": "650"}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("listen: %w", err)
	}
	srv := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"scalar","result":[%d,%q]}}`, time.Now().Unix(), values[r.FormValue("query")])
	})}
	go func() { _ = srv.Serve(l) }() // returns when it is closed
	return "http://" + l.Addr().String(), func() { _ = srv.Close() }, nil
}

// drive posts one alert for each edge at a steady rate, and waits for each edge's lease.
func (c *benchReactCmd) drive(ctx context.Context, b *bus.Bus, addr string) (latencies, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(c.Seconds*float64(time.Second))+30*time.Second)
	defer cancel()
	kv, err := b.JetStream().KeyValue(ctx, lease.Bucket)
	if err != nil {
		return nil, fmt.Errorf("open the leases: %w", err)
	}
	w, err := kv.WatchAll(ctx, jetstream.UpdatesOnly(), jetstream.MetaOnly())
	if err != nil {
		return nil, fmt.Errorf("watch the leases: %w", err)
	}
	defer func() { _ = w.Stop() }()
	var mu sync.Mutex
	begun := map[string]time.Time{}
	posted := make(chan error, 1)
	go func() {
		posted <- c.post(ctx, addr, func(key string) {
			mu.Lock()
			defer mu.Unlock()
			begun[key] = time.Now()
		})
	}()
	var out latencies
	for len(out) < c.count() {
		select {
		case e := <-w.Updates():
			mu.Lock()
			out = append(out, time.Since(begun[e.Key()]))
			mu.Unlock()
		case err := <-posted:
			if err != nil {
				return nil, err
			}
			posted = nil
		case <-ctx.Done():
			return nil, fmt.Errorf("%d of %d leases were seen", len(out), c.count())
		}
	}
	return out.sorted(), nil
}

// post posts one alert for each edge, on one connection, at the rate.
func (c *benchReactCmd) post(ctx context.Context, addr string, sent func(key string)) error {
	conn, err := dial(addr)
	if err != nil {
		return err
	}
	defer conn.close()
	tick := time.NewTicker(time.Duration(float64(time.Second) / c.Rate))
	defer tick.Stop()
	for i := range c.count() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		edge := fmt.Sprintf("e%d", i)
		request, err := httpPost([]map[string]any{benchAlert(i, map[string]string{"alertname": "RetryStorm", "edge": edge})})
		if err != nil {
			return err
		}
		sent("bench." + edge)
		if err := conn.post(request); err != nil {
			return err
		}
	}
	return nil
}

// floor is the same way without a product on it.
func (c *benchReactCmd) floor(ctx context.Context) (latencies, error) {
	dir, err := os.MkdirTemp(c.Dir, "firebreak-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	r, b, err := openFloor(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer r.close()
	return c.drive(ctx, b, r.addr)
}

func openFloor(ctx context.Context, dir string) (*rig, *bus.Bus, error) {
	b, err := bus.Open(ctx, bus.Config{Dir: dir, Log: zerolog.Nop()})
	if err != nil {
		return nil, nil, err
	}
	r := &rig{closes: []func(){b.Close}}
	kv, err := b.JetStream().CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: lease.Bucket})
	if err != nil {
		r.close()
		return nil, nil, fmt.Errorf("make the leases' bucket: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = b.Work(ctx, bus.Work{Stream: bus.Alerts, Durable: "floor"}, func(ctx context.Context, m bus.Msg) error {
			_, err := kv.Put(ctx, "bench."+edgeOf(m.Data), m.Data)
			return err
		})
	}()
	r.closes = append(r.closes, func() { cancel(); <-done })
	err = r.serve(plainJournal{b.JetStream()})
	return r, b, err
}

// edgeOf is the edge that an alert names.
func edgeOf(alert []byte) string { return gjson.GetBytes(alert, "labels.edge").Str }
