package replicatest

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	leaseStream = "KV_breakers"
	// leaseEvery is how often a service asks for its lease, leaseFor how long it waits for the answer.
	leaseEvery = 20 * time.Millisecond
	leaseFor   = 2 * time.Second
)

// connect is a client of the cluster that never gives up.
func connect(t *testing.T, n *testbed.NATS) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(n.URL(), nats.Token(n.Token), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond),
		nats.PingInterval(time.Second), nats.MaxPingsOutstanding(2))
	if err != nil {
		t.Fatalf("connect to the cluster: %v", err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatalf("open jetstream: %v", err)
	}
	return js
}

// readLeases does for a leased edge what a service does: it asks for its lease, and keeps what it read last until that ends by the local
// clock. Any copy of the stream may answer; what is older than what was read is passed over.
func readLeases(ctx context.Context, js jetstream.JetStream, e *edge) {
	tick := time.NewTicker(leaseEvery)
	defer tick.Stop()
	for seen := uint64(0); ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if m, err := lastLease(ctx, js, e); err == nil && m.Sequence > seen {
			seen = m.Sequence
			e.obey(m)
		}
	}
}

func lastLease(ctx context.Context, js jetstream.JetStream, e *edge) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := context.WithTimeout(ctx, leaseFor)
	defer cancel()
	s, err := js.Stream(ctx, leaseStream)
	if err != nil {
		return nil, err
	}
	return s.GetLastMsgForSubject(ctx, "$KV.breakers."+e.service+".payments")
}

func (e *edge) obey(m *jetstream.RawStreamMsg) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.advance(time.Now())
	if m.Header.Get("KV-Operation") != "" || m.Header.Get("Nats-Marker-Reason") != "" {
		e.clear(0, e.at)
		return
	}
	var v struct {
		Action   string `json:"action"`
		Released int    `json:"released"`
		TTL      int64  `json:"ttl_ms"`
		Fence    uint64 `json:"fence"`
	}
	if err := json.Unmarshal(m.Data, &v); err != nil {
		e.wrong("revision %d is no lease: %v", m.Sequence, err)
		return
	}
	now := &e.instances[0].change
	if now.action != "" && now.action != v.Action {
		e.clear(0, e.at) // between two looks one ended and another began
	}
	e.take(0, change{action: v.Action, released: v.Released, fence: v.Fence,
		until: m.Time.Add(time.Duration(v.TTL) * time.Millisecond)}, now.action != v.Action)
}
