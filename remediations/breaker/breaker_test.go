package breaker_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/breaker"
	"github.com/firebreak-sre/firebreak/remediations/breaker/breakertest"
	"github.com/firebreak-sre/firebreak/remediations/breaker/lease"
	"github.com/firebreak-sre/firebreak/remediations/remediationtest"
)

const key = "checkout.payments"

// The breaker keeps to what every remediation must.
func TestConformance(t *testing.T) {
	t.Parallel()
	remediationtest.Run(t, func(t *testing.T) remediationtest.Target {
		bed := newBed(t)
		return remediationtest.Target{
			Remediation: workers{Breaker: bed.breaker, old: bed.old},
			Step:        step("open", 3*time.Second),
			Standing:    bed.standing,
			Effects:     func() int { return bed.effects(t) },
			Stranger:    func() { bed.put(t, remediationtest.Stranger, time.Minute) },
			Expire: func() {
				breakertest.Until(t, "the lease has expired", func() bool { return bed.standing() == "" })
			},
			Mute: func(do func()) {
				bed.wire.Down.Hold()
				defer bed.wire.Down.Release()
				do()
			},
			Delay: func(do func()) func() {
				bed.wire.Up.Hold()
				do()
				return func() { bed.deliver(t) }
			},
		}
	})
}

// workers are two workers on one target: the old one sends the commands, over a wire that can be held; the other does all
// the rest.
type workers struct {
	*breaker.Breaker
	old *breaker.Breaker
}

func (w workers) Apply(ctx context.Context, o remediations.Order) (remediations.Receipt, error) {
	return w.old.Apply(ctx, o)
}

// bed is a NATS server with both buckets, a Breaker on a connection of its own, another behind a wire, and a record of
// everything that was ever stored.
type bed struct {
	server       *breakertest.Server
	wire         *breakertest.Wire
	js, slow     jetstream.JetStream
	breaker, old *breaker.Breaker
	kv           jetstream.KeyValue

	mu     sync.Mutex
	seen   uint64 // the last revision in the record
	stands string // whose lease the record ends with
	count  int    // how often a lease came to stand
}

func newBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{server: breakertest.Start(t)}
	b.wire = breakertest.NewWire(t, b.server)
	_, b.js = breakertest.Connect(t, b.server.URL())
	_, b.slow = breakertest.Connect(t, b.wire.URL())
	b.breaker, b.old = openBreaker(t, b.js), openBreaker(t, b.slow)
	kv, err := b.js.KeyValue(t.Context(), lease.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	b.kv = kv
	w, err := kv.WatchAll(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for e := range w.Updates() {
			if e != nil {
				b.record(e)
			}
		}
	}()
	t.Cleanup(func() { _ = w.Stop() })
	return b
}

func openBreaker(t *testing.T, js jetstream.JetStream) *breaker.Breaker {
	t.Helper()
	b, err := breaker.Open(t.Context(), js, 1)
	if err != nil {
		t.Fatalf("open breaker: %v", err)
	}
	return b
}

func (b *bed) record(e jetstream.KeyValueEntry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var l lease.Lease
	_ = json.Unmarshal(e.Value(), &l)
	if l.Action != "" && l.Action != b.stands {
		b.count++
	}
	b.seen, b.stands = e.Revision(), l.Action
}

func (b *bed) lastRevision() uint64 {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s, err := b.js.Stream(ctx, "KV_"+lease.Bucket)
	if err != nil {
		return 0
	}
	return s.CachedInfo().State.LastSeq
}

// effects waits for the record to be complete.
func (b *bed) effects(t *testing.T) (count int) {
	t.Helper()
	last := b.lastRevision()
	breakertest.Until(t, "the record is complete", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		count = b.count
		return b.seen >= last
	})
	return count
}

func (b *bed) standing() string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	e, err := b.kv.Get(ctx, key)
	if err != nil {
		return ""
	}
	var l lease.Lease
	_ = json.Unmarshal(e.Value(), &l)
	return l.Action
}

// put writes somebody's lease without a compare, over whatever is stored.
func (b *bed) put(t *testing.T, action string, ttl time.Duration) uint64 {
	t.Helper()
	data, err := lease.Lease{Fix: lease.Open, TTLMillis: ttl.Milliseconds(), Until: time.Now().Add(ttl), Action: action,
		Incident: "incident-2"}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	ack, err := b.js.Publish(t.Context(), lease.Subject(lease.Bucket, key), data, jetstream.WithMsgTTL(ttl))
	if err != nil {
		t.Fatal(err)
	}
	return ack.Sequence
}

// deliver opens the wire, and returns when the server has answered everything that was on it.
func (b *bed) deliver(t *testing.T) {
	t.Helper()
	b.wire.Up.Release()
	if _, err := b.slow.Conn().RTT(); err != nil {
		t.Errorf("deliver: %v", err)
	}
	if _, err := b.slow.AccountInfo(t.Context()); err != nil {
		t.Errorf("deliver: %v", err)
	}
}

func step(fix string, ttl time.Duration) remediations.Step {
	return remediations.Step{Remediation: breaker.Name, Service: "checkout", Edge: "payments", Fix: fix,
		TTL: policy.Duration(ttl), Limit: policy.Duration(5 * time.Minute), Timeout: policy.Duration(10 * time.Second),
		Reason: "retry storm"}
}

// seen is an order that is ready to be applied.
func seen(t *testing.T, b *breaker.Breaker, s remediations.Step, action string) remediations.Order {
	t.Helper()
	now := time.Now()
	o := remediations.Order{Step: s, Action: action, Incident: "incident-1", Fence: 5, Deadline: now.Add(time.Minute),
		Until: now.Add(s.TTL.D())}
	p, err := b.Check(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	o.Seen = p
	return o
}

// What the contract does not allow is refused with proof, before anything is sent.
func TestRefusals(t *testing.T) {
	t.Parallel()
	bed := newBed(t)
	for name, spoil := range map[string]func(o *remediations.Order){
		"wildcard edge":         func(o *remediations.Order) { o.Edge = "*" },
		"two tokens":            func(o *remediations.Order) { o.Service = "a.b" },
		"unknown fix":           func(o *remediations.Order) { o.Fix = "explode" },
		"params of another fix": func(o *remediations.Order) { o.Params = json.RawMessage(`{"shed_percent":5}`) },
		"budget without value":  func(o *remediations.Order) { o.Fix = "retry_budget" },
		"open over 5 minutes":   func(o *remediations.Order) { o.Limit = policy.Duration(5*time.Minute + 1) },
		"ttl over the limit":    func(o *remediations.Order) { o.TTL = policy.Duration(6 * time.Minute) },
		"no ttl":                func(o *remediations.Order) { o.TTL = 0 },
		"until has passed":      func(o *remediations.Order) { o.Until = time.Now().Add(-time.Second) },
		"no deadline":           func(o *remediations.Order) { o.Deadline = time.Time{} },
		"no action":             func(o *remediations.Order) { o.Action = "" },
		"released over 100":     func(o *remediations.Order) { o.Released = 101 },
		"budget over 10 minutes": func(o *remediations.Order) {
			o.Fix, o.Params, o.Limit = "retry_budget", json.RawMessage(`{"budget_percent":10}`), policy.Duration(11*time.Minute)
		},
	} {
		o := seen(t, bed.breaker, step("open", time.Minute), "a1")
		spoil(&o)
		if _, err := bed.breaker.Apply(t.Context(), o); !errors.Is(err, remediations.ErrRefused) {
			t.Errorf("%s: got %v, want ErrRefused", name, err)
		}
	}
	if got := bed.lastRevision(); got != 0 {
		t.Errorf("stored messages: got %d, want none", got)
	}
	o := seen(t, bed.breaker, step("retry_budget", time.Minute), "a1")
	o.Params, o.Limit = json.RawMessage(`{"budget_percent":10}`), policy.Duration(10*time.Minute)
	if _, err := bed.breaker.Apply(t.Context(), o); err != nil {
		t.Errorf("a budget for ten minutes: %v", err)
	}
}
