package storm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/firebreak-sre/firebreak/remediations/breaker/client"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// checkout answers a user by asking payments, with retries, behind the breaker client.
type checkout struct {
	client   *client.Client
	edge     *client.Edge
	payments string
	patience time.Duration
	http     *http.Client
	policies failsafe.Executor[int]
}

func newCheckout(cfg Config, c *client.Client, payments string) *checkout {
	edge := c.Edge("payments")
	retry := retrypolicy.NewBuilder[int]().WithMaxAttempts(cfg.Attempts).
		WithDelay(20 * time.Millisecond).WithJitterFactor(0.5).AbortOnErrors(client.ErrHeld).Build()
	return &checkout{client: c, edge: edge, payments: payments, patience: cfg.Patience,
		http:     &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 512}},
		policies: failsafe.With[int](retry, client.Gate[int](edge))}
}

func (c *checkout) routes() http.Handler {
	reg := prometheus.NewRegistry()
	counter := func(name, help string, of func(client.Counts) uint64) {
		reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help,
			ConstLabels: prometheus.Labels{"service": "checkout", "edge": "payments"}},
			func() float64 { return float64(of(c.edge.Counts())) }))
	}
	counter("edge_calls_total", "Unique calls.", func(n client.Counts) uint64 { return n.Calls })
	counter("edge_attempts_total", "Attempts made at the dependency.", func(n client.Counts) uint64 { return n.Attempts })
	counter("edge_successes_total", "Calls that ended well.", func(n client.Counts) uint64 { return n.Successes })
	counter("edge_failures_total", "Attempts that failed at the dependency.", func(n client.Counts) uint64 { return n.Failures })
	mux := http.NewServeMux()
	mux.Handle("/buy", c)
	mux.Handle("/debug/edges", c.client.StatsHandler())
	mux.Handle("/metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	return mux
}

// ServeHTTP answers 200 if payments did, 503 at once if the edge is held, else 502.
func (c *checkout) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, err := c.policies.WithContext(r.Context()).GetWithExecution(func(e failsafe.Execution[int]) (int, error) {
		return c.charge(e.Context())
	})
	switch {
	case err == nil:
		w.WriteHeader(http.StatusOK)
	case errors.Is(err, client.ErrHeld):
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		http.Error(w, err.Error(), http.StatusBadGateway)
	}
}

func (c *checkout) charge(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.payments+"/charge", nil)
	if err != nil {
		return 0, fmt.Errorf("charge: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, fmt.Errorf("charge: %w", err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("charge: payments answered %s", resp.Status)
	}
	return resp.StatusCode, nil
}
