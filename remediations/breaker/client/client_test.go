package client

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/breaker"
	"github.com/firebreak-sre/firebreak/remediations/breaker/breakertest"
	"github.com/firebreak-sre/firebreak/remediations/breaker/lease"
)

// bed is a NATS server, a Breaker on it, and a service with one instance.
type bed struct {
	server  *breakertest.Server
	js      jetstream.JetStream
	conn    *nats.Conn // the service's
	breaker *breaker.Breaker
	client  *Client
	edge    *Edge
}

func newBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{server: breakertest.Start(t)}
	_, b.js = breakertest.Connect(t, b.server.URL())
	b.open(t)
	b.conn, _ = breakertest.Connect(t, b.server.URL())
	b.client = b.start(t, Config{Conn: b.conn})
	b.edge = b.client.Edge("payments")
	breakertest.Until(t, "the instance has reported", func() bool {
		p, err := b.breaker.Check(t.Context(), order(remediations.Presence{}, "a1", time.Minute))
		return err == nil && p.Instances == 1
	})
	return b
}

func (b *bed) open(t *testing.T) {
	t.Helper()
	br, err := breaker.Open(t.Context(), b.js, 1)
	if err != nil {
		t.Fatal(err)
	}
	b.breaker = br
}

// start starts a client that goes about things faster than a service's.
func (b *bed) start(t *testing.T, cfg Config) *Client {
	t.Helper()
	cfg.Service, cfg.Edges = "checkout", []string{"payments"}
	p := pace{relist: time.Second, retry: 20 * time.Millisecond, setup: 2 * time.Second, report: 100 * time.Millisecond}
	c, err := start(t.Context(), cfg, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func order(seen remediations.Presence, action string, ttl time.Duration) remediations.Order {
	now := time.Now()
	return remediations.Order{
		Step: remediations.Step{Remediation: breaker.Name, Service: "checkout", Edge: "payments", Fix: "open",
			TTL: policy.Duration(ttl), Timeout: policy.Duration(5 * time.Second), Reason: "payments is down"},
		Action: action, Incident: "i1", Fence: 1, Deadline: now.Add(time.Minute), Until: now.Add(ttl), Seen: seen,
	}
}

// apply holds the edge in NATS.
func (b *bed) apply(t *testing.T, action string, ttl time.Duration) (remediations.Order, remediations.Receipt) {
	t.Helper()
	o := order(remediations.Presence{}, action, ttl)
	p, err := b.breaker.Check(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	o.Seen = p
	r, err := b.breaker.Apply(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return o, r
}

func held(e *Edge) func() bool     { return func() bool { return e.Allow(1) != nil } }
func released(e *Edge) func() bool { return func() bool { return e.Allow(1) == nil } }

// An edge that Firebreak holds fails fast at the service, with an error that says who and why, and the service says that it
// obeys; what Firebreak takes back is back.
func TestHoldAndRelease(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	o, r := b.apply(t, "a1", time.Minute)
	applied := time.Now()
	breakertest.Until(t, "the edge is held", held(b.edge))
	t.Logf("held %s after Apply returned", time.Since(applied))

	err := b.edge.Allow(1)
	var he *HeldError
	if !errors.As(err, &he) || he.Edge != "payments" || he.Action != "a1" || he.Fix != lease.Open ||
		he.Reason != "payments is down" || time.Until(he.Until) > time.Minute {
		t.Errorf("got %+v", err)
	}
	if !errors.Is(err, ErrHeld) || !errors.Is(err, circuitbreaker.ErrOpen) || errors.Is(err, ErrRetryBudget) {
		t.Errorf("got %v, want an ErrHeld that is an ErrOpen", err)
	}
	if l, ok := b.edge.Held(); !ok || l.Action != "a1" || l.Revision != r.Revision {
		t.Errorf("held: got %+v, %t", l, ok)
	}
	breakertest.Until(t, "one of one instances obeys", func() bool {
		p, err := b.breaker.Check(t.Context(), o)
		return err == nil && p.State == remediations.Ours && p.Obeying == 1 && p.Instances == 1
	})

	o.Released, o.Until = 100, time.Now().Add(time.Minute)
	if r, err = b.breaker.Adjust(t.Context(), o, r); err != nil {
		t.Fatal(err)
	}
	breakertest.Until(t, "all calls are released", released(b.edge))
	breakertest.Until(t, "the instance obeys the new revision", func() bool {
		p, err := b.breaker.Check(t.Context(), o)
		return err == nil && p.Obeying == 1 && p.Revision == r.Revision
	})
	if err := b.breaker.Revert(t.Context(), o, r); err != nil {
		t.Fatal(err)
	}
	breakertest.Until(t, "nothing is held", func() bool { _, ok := b.edge.Held(); return !ok })
	breakertest.Until(t, "the instance says so", func() bool {
		p, err := b.breaker.Check(t.Context(), o)
		return err == nil && p.State == remediations.Absent && p.Obeying == 1
	})
	b.client.Close()
	breakertest.Until(t, "the instance is gone from the count", func() bool {
		p, err := b.breaker.Check(t.Context(), o)
		return err == nil && p.Instances == 0
	})
}

// With NATS shut down a lease ends on time by the local clock, not earlier and not later.
func TestEndsOnTimeWithoutNATS(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	const ttl = 3 * time.Second
	b.apply(t, "a1", ttl)
	breakertest.Until(t, "the edge is held", held(b.edge))
	begin := time.Now()
	b.server.Stop()
	breakertest.Until(t, "the lease has ended", released(b.edge))
	stood := time.Since(begin)
	t.Logf("a lease of %s stood for %s, most of it without NATS", ttl, stood)
	if stood < ttl-500*time.Millisecond || stood > ttl+500*time.Millisecond {
		t.Errorf("stood for %s, want %s", stood, ttl)
	}
	b.server.Restart(t)
	breakertest.Until(t, "the client is back", func() bool { return b.conn.IsConnected() })
	if err := b.edge.Allow(1); err != nil {
		t.Errorf("after the restart: got %v", err)
	}
}

// A service that restarts in the middle of a lease holds what is left of it, and no more.
func TestServiceRestart(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	const ttl = 4 * time.Second
	begin := time.Now()
	b.apply(t, "a1", ttl)
	breakertest.Until(t, "the edge is held", held(b.edge))
	b.client.Close()
	breakertest.Until(t, "half of the lease has passed", func() bool { return time.Since(begin) > ttl/2 })
	again := b.start(t, Config{Conn: b.conn}).Edge("payments")
	breakertest.Until(t, "the edge is held again", held(again))
	if l, _ := again.Held(); l.Ends.After(time.Now().Add(ttl/2 + 100*time.Millisecond)) {
		t.Errorf("ends in %s, want at most half of %s", time.Until(l.Ends), ttl)
	}
	b.server.Stop()
	breakertest.Until(t, "the lease has ended", released(again))
	if stood := time.Since(begin); stood < ttl-500*time.Millisecond || stood > ttl+500*time.Millisecond {
		t.Errorf("stood for %s, want %s", stood, ttl)
	}
}

// A server that restarts in the middle of a lease changes nothing for who holds it; what was released meanwhile, and what
// was made, is found when the connection is back.
func TestServerRestart(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	o, r := b.apply(t, "a1", time.Minute)
	breakertest.Until(t, "the edge is held", held(b.edge))
	l, _ := b.edge.Held()
	b.server.Stop()
	b.server.Restart(t)
	breakertest.Until(t, "the lease is there", func() bool {
		p, err := b.breaker.Check(t.Context(), o)
		return err == nil && p.State == remediations.Ours && p.Obeying == 1
	})
	if again, ok := b.edge.Held(); !ok || again.Revision != l.Revision || !again.Ends.Equal(l.Ends) {
		t.Errorf("got %+v, want the same lease with the same end as %+v", again, l)
	}
	if err := b.breaker.Revert(t.Context(), o, r); err != nil {
		t.Fatal(err)
	}
	breakertest.Until(t, "nothing is held", released(b.edge))
	b.apply(t, "a2", time.Minute)
	breakertest.Until(t, "the edge is held by another", func() bool { l, ok := b.edge.Held(); return ok && l.Action == "a2" })
}

// A service starts without NATS and without Firebreak, lets everything pass, and obeys as soon as both are there.
func TestStartsWithoutAnything(t *testing.T) {
	t.Parallel()
	b := &bed{server: breakertest.Start(t)}
	b.server.Stop()
	b.conn, b.js = breakertest.Connect(t, b.server.URL())
	b.client = b.start(t, Config{Conn: b.conn})
	b.edge = b.client.Edge("payments")
	if err := b.edge.Allow(1); err != nil {
		t.Errorf("without NATS: got %v", err)
	}
	b.server.Restart(t)
	breakertest.Until(t, "NATS is there", b.conn.IsConnected)
	if err := b.edge.Allow(1); err != nil {
		t.Errorf("without Firebreak: got %v", err)
	}
	b.open(t)
	b.apply(t, "a1", time.Minute)
	breakertest.Until(t, "the edge is held", held(b.edge))
}

// No lease is held for longer than the service allows, however often it is listed.
func TestMaxTTL(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	const most = 2 * time.Second
	e := b.start(t, Config{Conn: b.conn, Instance: "careful", MaxTTL: most}).Edge("payments")
	b.apply(t, "a1", time.Minute)
	breakertest.Until(t, "the edge is held", held(e))
	begin := time.Now()
	breakertest.Until(t, "the careful one has let go", released(e))
	if stood := time.Since(begin); stood > most+500*time.Millisecond {
		t.Errorf("stood for %s, want %s", stood, most)
	}
	breakertest.Until(t, "all was listed again", func() bool {
		if e.Allow(1) != nil {
			t.Fatal("held again")
		}
		return time.Since(begin) > most+1500*time.Millisecond
	})
	if err := b.edge.Allow(1); err == nil {
		t.Error("the other instance let go as well")
	}
}

// What a client does not understand is not obeyed, and an edge that the service does not have is not reported.
func TestStrangeLeases(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	kv, err := b.js.KeyValue(t.Context(), lease.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	b.apply(t, "a1", time.Minute)
	breakertest.Until(t, "the edge is held", held(b.edge))
	if _, err := kv.PutString(t.Context(), "checkout.payments", `{"v":2,"fix":"open","action":"x","ttl_ms":60000}`); err != nil {
		t.Fatal(err)
	}
	breakertest.Until(t, "the newer format is not obeyed", released(b.edge))
	if _, err := kv.PutString(t.Context(), "checkout.search", `{"v":1,"fix":"open","action":"x","ttl_ms":60000}`); err != nil {
		t.Fatal(err)
	}
	search := b.client.Edge("search")
	breakertest.Until(t, "the edge is held although it was asked for later", held(search))
}

// The statistics are what the policy's JSON probe reads.
func TestStatsHandler(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.edge.Record(Counts{Calls: 10, Attempts: 15, Successes: 9, Failures: 6, Rejected: 1})
	b.apply(t, "a1", time.Minute)
	breakertest.Until(t, "the edge is held", held(b.edge))
	w := httptest.NewRecorder()
	b.client.StatsHandler().ServeHTTP(w, httptest.NewRequest("GET", "/stats", nil))
	var got struct {
		Service string
		Edges   map[string]map[string]any
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	e := got.Edges["payments"]
	for name, want := range map[string]any{"calls": 10.0, "attempts": 15.0, "successes": 9.0, "failures": 6.0, "rejected": 1.0,
		"held": true, "action": "a1", "fix": "open"} {
		if e[name] != want {
			t.Errorf("%s: got %v, want %v", name, e[name], want)
		}
	}
	if got.Service != "checkout" || e["until"] == nil {
		t.Errorf("got %s", w.Body)
	}
}

// A configuration that cannot work is said at once.
func TestStartRefuses(t *testing.T) {
	t.Parallel()
	conn := &nats.Conn{}
	for name, cfg := range map[string]Config{
		"no connection": {Service: "checkout"},
		"no service":    {Conn: conn},
		"wildcard":      {Conn: conn, Service: ">"},
		"bad edge":      {Conn: conn, Service: "checkout", Edges: []string{"a.b"}},
		"negative TTL":  {Conn: conn, Service: "checkout", MaxTTL: -1},
	} {
		if c, err := Start(t.Context(), cfg); err == nil {
			t.Errorf("%s: got %v and no error", name, c)
		}
	}
}

// A service that imports the client pulls in no server, no handler and no policy of Firebreak.
func TestDependencies(t *testing.T) {
	t.Parallel()
	const module = "github.com/firebreak-sre/firebreak/"
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatalf("list dependencies: %v", err)
	}
	for _, p := range strings.Fields(string(out)) {
		own := p == module+"remediations/breaker/client" || p == module+"remediations/breaker/lease"
		if strings.HasPrefix(p, module) && !own || strings.Contains(p, "nats-server") || strings.Contains(p, "prometheus") {
			t.Errorf("the client imports %s", p)
		}
	}
}
