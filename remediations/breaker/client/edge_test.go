package client

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	"github.com/firebreak-sre/firebreak/remediations/breaker/lease"
)

var errDown = errors.New("payments is down")

// heldEdge is an edge with a lease in force, without a NATS.
func heldEdge(fix lease.Fix, percent, released int) *Edge {
	e := &Edge{name: "payments"}
	l := lease.Lease{V: 1, Fix: fix, Released: released, TTLMillis: 60000, Action: "a1", Reason: "storm"}
	l.Params = lease.Params{BudgetPercent: &percent, ShedPercent: &percent}
	e.held.Store(newHold(e.name, l, 7, time.Now().Add(time.Minute), nil))
	return e
}

func near(got, want, tolerance float64) bool { return math.Abs(got-want) <= tolerance }

// Each fix does to calls what the contract says, and leaves the released share alone.
func TestFixes(t *testing.T) {
	t.Parallel()
	const calls = 20000
	for name, c := range map[string]struct {
		fix               lease.Fix
		percent, released int
		passed            float64 // share of first attempts
		retries           float64 // per call
	}{
		"open":                {lease.Open, 0, 0, 0, 0},
		"open, half released": {lease.Open, 0, 50, 0.5, 0.5},
		"open, all released":  {lease.Open, 0, 100, 1, 1},
		"shed":                {lease.Shed, 30, 0, 0.7, 0.7},
		"shed, half released": {lease.Shed, 50, 50, 0.75, 0.75},
		"budget":              {lease.RetryBudget, 10, 0, 1, 0.1},
		"budget of nothing":   {lease.RetryBudget, 0, 0, 1, 0},
		"budget, half":        {lease.RetryBudget, 10, 50, 1, 0.55},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := heldEdge(c.fix, c.percent, c.released)
			var passed, retries int
			for range calls {
				call := e.Begin()
				if call.Allow() == nil {
					passed++
					call.Done(errDown)
				}
				if passedOnce := call.passed.Load() > 0; passedOnce && call.Allow() == nil {
					retries++
					call.Done(errDown)
				}
				call.End(errDown)
			}
			if got := float64(passed) / calls; !near(got, c.passed, 0.02) {
				t.Errorf("first attempts: got %.3f, want %.3f", got, c.passed)
			}
			if got := float64(retries) / calls; !near(got, c.retries, 0.02) {
				t.Errorf("retries per call: got %.3f, want %.3f", got, c.retries)
			}
			if got := e.Counts(); got.Calls != calls || got.Attempts != uint64(passed+retries) || got.Failures != got.Attempts {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// A renewal, or a step of the ramp, does not refill the budget; another action's lease begins anew.
func TestBudgetOutlivesRenewal(t *testing.T) {
	t.Parallel()
	e := heldEdge(lease.RetryBudget, 10, 0)
	for range 15 {
		if err := e.Allow(1); err != nil {
			t.Fatal(err)
		}
	}
	h := e.held.Load()
	renewed := h.lease
	renewed.Released = 0
	e.held.Store(newHold(e.name, renewed, 8, h.ends, h))
	if err := e.Allow(2); err != nil {
		t.Errorf("the retry that was paid for: %v", err)
	}
	err := e.Allow(2)
	if !errors.Is(err, ErrRetryBudget) || !errors.Is(err, ErrHeld) || errors.Is(err, circuitbreaker.ErrOpen) {
		t.Errorf("got %v, want ErrRetryBudget", err)
	}
	other := renewed
	other.Action = "a2"
	if newHold(e.name, other, 9, h.ends, e.held.Load()).tokens == h.tokens {
		t.Error("another action got the account of the first")
	}
}

// A lease whose deadline has passed holds nothing, even if nobody has cleared it away.
func TestDeadline(t *testing.T) {
	t.Parallel()
	e := heldEdge(lease.Open, 0, 0)
	h := *e.held.Load()
	h.ends = time.Now()
	e.held.Store(&h)
	if _, held := e.Held(); held || e.Allow(1) != nil {
		t.Error("held after its deadline")
	}
}

// The gate inside of a retry policy and in front of a breaker counts calls once, fails fast while held, is healed by nothing, and does
// not trip the breaker.
func TestGate(t *testing.T) {
	t.Parallel()
	e := &Edge{name: "payments"}
	breaker := circuitbreaker.NewBuilder[string]().WithFailureThreshold(2).Build()
	retry := retrypolicy.NewBuilder[string]().WithMaxRetries(2).AbortOnErrors(ErrHeld, circuitbreaker.ErrOpen).Build()
	policies := failsafe.With(retry, Gate[string](e), breaker)
	n := 0
	flaky := func() (string, error) {
		if n++; n%2 == 1 {
			return "", errDown
		}
		return "paid", nil
	}
	if got, err := policies.Get(flaky); got != "paid" || err != nil {
		t.Fatalf("got %q, %v", got, err)
	}
	want := Counts{Calls: 1, Attempts: 2, Successes: 1, Failures: 1}
	if got := e.Counts(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}

	e.held.Store(heldEdge(lease.Open, 0, 0).held.Load())
	for range 5 {
		if _, err := policies.Get(flaky); !errors.Is(err, ErrHeld) || !errors.Is(err, circuitbreaker.ErrOpen) {
			t.Errorf("held: got %v", err)
		}
	}
	if n != 2 || !breaker.IsClosed() {
		t.Errorf("the dependency was called %d times, breaker %s, want 2 and closed", n, breaker.State())
	}
	want = Counts{Calls: 6, Attempts: 2, Successes: 1, Failures: 1, Rejected: 5}
	if got := e.Counts(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	breaker.RecordSuccess()
	if e.Allow(1) == nil {
		t.Error("a success has healed the lease")
	}

	e.held.Store(nil)
	breaker.Open()
	if _, err := policies.Get(flaky); !errors.Is(err, circuitbreaker.ErrOpen) || errors.Is(err, ErrHeld) {
		t.Errorf("the service's own breaker: got %v", err)
	}
	want.Calls++
	if got := e.Counts(); got != want {
		t.Errorf("what the service's own breaker refused is no attempt: got %+v, want %+v", got, want)
	}
}

// The budget is enforced on the retries of failsafe-go as it is on those of a loop.
func TestGateBudget(t *testing.T) {
	t.Parallel()
	e := heldEdge(lease.RetryBudget, 10, 0)
	retry := retrypolicy.NewBuilder[string]().WithMaxRetries(3).AbortOnErrors(ErrHeld).Build()
	policies := failsafe.With(retry, Gate[string](e))
	const calls = 1000
	for range calls {
		_, err := policies.Get(func() (string, error) { return "", errDown })
		if err == nil {
			t.Fatal("got no error")
		}
	}
	got := e.Counts()
	if got.Calls != calls || got.Attempts < 1090 || got.Attempts > 1100 {
		t.Errorf("got %+v, want 1.1 attempts per call", got)
	}
}

// Hand-written loops count a call once too.
func TestCall(t *testing.T) {
	t.Parallel()
	e := &Edge{name: "payments"}
	loop := func(failures int) error {
		return e.Call(t.Context(), func(_ context.Context, attempt func(func() error) error) error {
			var err error
			for i := range 3 {
				err = attempt(func() error {
					if i < failures {
						return errDown
					}
					return nil
				})
				if err == nil || errors.Is(err, ErrHeld) {
					return err
				}
			}
			return err
		})
	}
	if err := loop(1); err != nil {
		t.Fatal(err)
	}
	if err := loop(3); !errors.Is(err, errDown) {
		t.Fatalf("got %v", err)
	}
	e.held.Store(heldEdge(lease.Open, 0, 0).held.Load())
	if err := loop(0); !errors.Is(err, ErrHeld) {
		t.Fatalf("got %v", err)
	}
	want := Counts{Calls: 3, Attempts: 5, Successes: 1, Failures: 4, Rejected: 1}
	if got := e.Counts(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Over HTTP, each request is a call, or an attempt of the call that its context carries; a refused one sends nothing and
// closes its body.
func TestRoundTripper(t *testing.T) {
	t.Parallel()
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	defer server.Close()
	e := &Edge{name: "payments"}
	client := &http.Client{Transport: e.RoundTripper(nil)}
	send := func(ctx context.Context, body io.Reader) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, body)
		if err != nil {
			return err
		}
		response, err := client.Do(r)
		if err == nil {
			err = response.Body.Close()
		}
		return err
	}
	if err := send(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	status = http.StatusServiceUnavailable
	call := e.Begin()
	for range 3 {
		if err := send(call.Context(t.Context()), nil); err != nil {
			t.Fatal(err)
		}
	}
	call.End(errDown)
	e.held.Store(heldEdge(lease.Open, 0, 0).held.Load())
	body := &closing{Reader: strings.NewReader("{}")}
	if err := send(t.Context(), body); !errors.Is(err, ErrHeld) || !body.closed {
		t.Errorf("got %v, body closed %t", err, body.closed)
	}
	want := Counts{Calls: 3, Attempts: 4, Successes: 1, Failures: 3, Rejected: 1}
	if got := e.Counts(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

// The gate takes a bad HTTP status for a failure, and the retries of one execution for one call.
func TestGateOverHTTP(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer server.Close()
	e := &Edge{name: "payments"}
	retry := retrypolicy.NewBuilder[*http.Response]().WithMaxRetries(2).AbortOnErrors(ErrHeld).ReturnLastFailure().
		HandleIf(func(r *http.Response, err error) bool { return err != nil || r.StatusCode >= 500 }).Build()
	_, err := failsafe.With(retry, Gate[*http.Response](e)).Get(func() (*http.Response, error) {
		response, err := http.Get(server.URL)
		if err == nil {
			err = response.Body.Close()
		}
		return response, err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Counts{Calls: 1, Attempts: 3, Failures: 3}
	if got := e.Counts(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func BenchmarkAllow(b *testing.B) {
	b.Run("clear", func(b *testing.B) {
		e := &Edge{name: "payments"}
		b.ReportAllocs()
		for b.Loop() {
			if e.Allow(1) != nil {
				b.Fatal("held")
			}
		}
	})
	for _, c := range []struct {
		name string
		e    *Edge
	}{
		{"open", heldEdge(lease.Open, 0, 0)},
		{"budget", heldEdge(lease.RetryBudget, 10, 0)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = c.e.Allow(1)
			}
		})
	}
	b.Run("clear, whole call", func(b *testing.B) {
		e := &Edge{name: "payments"}
		b.ReportAllocs()
		for b.Loop() {
			c := e.Begin()
			_ = c.Allow()
			c.Done(nil)
			c.End(nil)
		}
	})
}
