package crashtest

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	leaseStream  = "KV_breakers"
	leaseSubject = "$KV.breakers.checkout.payments"
	// leasePatience is how long the bus may take to say what the lease is, and to be there again.
	leasePatience = 2 * time.Second
	// leaseSilence is how long the time of the patient stands still while the bus is silent: whatever is heard then
	// happens when it happened. No restart takes longer.
	leaseSilence = 10 * time.Second
)

// leases is how a service reads its lease from the bus inside of Firebreak. While Firebreak is dead the service keeps what it
// read last until that ends by the local clock, as the protocol demands.
type leases struct {
	nc *nats.Conn
	js jetstream.JetStream
	// The fields below are guarded by the patient.
	seen  uint64    // the revision that was read last
	heard time.Time // when the bus answered last
}

// openLeases connects as soon as there is something to connect to, and again after every crash, until the test ends.
func openLeases(t *testing.T, addr string) *leases {
	t.Helper()
	nc, err := nats.Connect("nats://"+addr, nats.Token(busToken), nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond), nats.ReconnectJitter(0, 0))
	if err != nil {
		t.Fatalf("connect the service to the bus: %v", err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatalf("open jetstream for the service: %v", err)
	}
	return &leases{nc: nc, js: js, heard: time.Now()}
}

// read takes over what was stored until now, for instance 0. What was stored later is left to the next time, so that everything
// happens to the patient when it happened. It is false while that cannot be known.
func (l *leases) read(p *patient, now time.Time) bool {
	m, err := l.last()
	if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) && !errors.Is(err, jetstream.ErrMsgNotFound) {
		return now.Sub(l.heard) > leaseSilence
	}
	l.heard = now
	if err == nil && m.Sequence > l.seen && !m.Time.After(now) {
		l.obey(p, m)
	}
	return true
}

func (l *leases) obey(p *patient, m *jetstream.RawStreamMsg) {
	l.seen = m.Sequence
	p.advance(m.Time)
	if m.Header.Get("KV-Operation") != "" || m.Header.Get("Nats-Marker-Reason") != "" {
		p.instances[0].change = change{}
		return
	}
	var v struct {
		Action   string `json:"action"`
		Released int    `json:"released"`
		TTL      int64  `json:"ttl_ms"`
		Fence    uint64 `json:"fence"`
	}
	if err := json.Unmarshal(m.Data, &v); err != nil {
		p.wrong("revision %d is no lease: %v", m.Sequence, err)
		return
	}
	p.take(0, change{action: v.Action, released: v.Released, fence: v.Fence,
		until: m.Time.Add(time.Duration(v.TTL) * time.Millisecond)}, p.instances[0].change.action != v.Action)
}

// await waits until the bus is there again, and not for ever.
func (l *leases) await() {
	ctx, cancel := context.WithTimeout(context.Background(), leasePatience)
	defer cancel()
	_ = until(ctx, "the service is connected", l.nc.IsConnected)
}

func (l *leases) last() (*jetstream.RawStreamMsg, error) {
	if !l.nc.IsConnected() {
		return nil, nats.ErrDisconnected
	}
	ctx, cancel := context.WithTimeout(context.Background(), leasePatience)
	defer cancel()
	s, err := l.js.Stream(ctx, leaseStream)
	if err != nil {
		return nil, err
	}
	return s.GetLastMsgForSubject(ctx, leaseSubject)
}

// writes is how many revisions the lease has had, whether the service has read them or not.
func (l *leases) writes(ctx context.Context) (uint64, error) {
	s, err := l.js.Stream(ctx, leaseStream)
	if err != nil {
		return 0, err
	}
	return s.CachedInfo().State.LastSeq, nil
}
