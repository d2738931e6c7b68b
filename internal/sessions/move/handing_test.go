package move_test

import (
	"errors"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions/move"
	"github.com/firebreak-sre/firebreak/internal/sessions/redis"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// newLinked is a bench whose replica is reached only through a link, by us and by the primary that hands its role over.
func newLinked(t *testing.T) (*bench, *testbed.Link) {
	t.Helper()
	b := newBench(t, 100, testbed.RedisOptions{})
	replica := b.Replicas[0]
	link := testbed.Proxy(t, testbed.ProxyConfig{Target: replica.Addr})
	port := link.Addr[len("127.0.0.1:"):]
	set(t, replica, "replica-announce-port", port)
	replica.Proxy.Cut() // it says its port when it connects
	replica.Proxy.Heal()
	var err error
	b.store, err = redis.New(redis.Config{Primary: b.Primary.Addr, Prefix: prefix, TTL: ttl, Timeout: 5 * time.Second,
		Replicas: []redis.Replica{{Name: "redis2", Addr: link.Addr}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.store.Close() })
	testbed.Await(t, patience, "the replica behind its link", func() bool {
		_, err := move.Plan(t.Context(), b.store, config("redis2"))
		return err == nil
	})
	return b, link
}

// handsOver waits until the primary has given up its role, and cannot tell the replica.
func handsOver(t *testing.T, b *bench) {
	t.Helper()
	if role, failover := state(t, b.Primary); role != "slave" || failover != "failover-in-progress" {
		t.Fatalf("the old primary is a %s, %s", role, failover)
	}
}

// A primary that hands its role over slowly is left to it, though the replica says for long that it has not got it: it is told meanwhile.
func TestHandingOverSlowly(t *testing.T) {
	t.Parallel()
	b, link := newLinked(t)
	end := b.write(t)
	c := config("redis2")
	c.Within, c.Patience = 1500*time.Millisecond, time.Millisecond
	c.Keep = func(move.Snapshot) error {
		link.Delay(400 * time.Millisecond) // to agree on a handover takes several answers
		return nil
	}
	if _, err := move.Redis(t.Context(), b.store, c); err != nil && !errors.Is(err, move.ErrUnsettled) && !errors.Is(err, move.ErrNotWhole) {
		t.Fatalf("got %v", err)
	}
	testbed.Await(t, patience, "the roles to be exchanged", func() bool {
		s, err := b.store.Facing(t.Context())
		return err == nil && s != b.store
	})
	end()
	b.whole(t, b.Replicas[0].Addr)
}

// Where the replica cannot be asked nothing is ended: it may have the role. When it can be reached it is all over by itself.
func TestHandingOverToNobody(t *testing.T) {
	t.Parallel()
	b, link := newLinked(t)
	end := b.write(t)
	c := config("redis2")
	c.Within, c.Patience = 2*time.Second, time.Second
	c.Keep = func(move.Snapshot) error {
		link.Hold()
		return nil
	}
	if _, err := move.Redis(t.Context(), b.store, c); !errors.Is(err, move.ErrUnsettled) {
		t.Fatalf("got %v", err)
	}
	handsOver(t, b)
	if _, err := b.store.Facing(t.Context()); err == nil {
		t.Error("there is a primary in the middle of a handover")
	}
	link.Heal()
	testbed.Await(t, patience, "the roles to be exchanged", func() bool {
		s, err := b.store.Facing(t.Context())
		return err == nil && s != b.store
	})
	end()
	b.whole(t, b.Replicas[0].Addr)
}

// A person who knows that the replica is kept away can end it, and the old primary goes on with everything.
func TestAbort(t *testing.T) {
	t.Parallel()
	b, link := newLinked(t)
	if _, err := move.Abort(t.Context(), b.store); !errors.Is(err, move.ErrUnfit) {
		t.Errorf("with nothing to end: %v", err)
	}
	end := b.write(t)
	c := config("redis2")
	c.Within, c.Patience = 2*time.Second, time.Second
	c.Keep = func(move.Snapshot) error {
		link.Hold()
		return nil
	}
	if _, err := move.Redis(t.Context(), b.store, c); !errors.Is(err, move.ErrUnsettled) {
		t.Fatalf("got %v", err)
	}
	handsOver(t, b)
	link.Cut()
	addr, err := move.Abort(t.Context(), b.store)
	if addr != b.Primary.Addr || !errors.Is(err, move.ErrUnsettled) {
		t.Errorf("got %s, %v, want it to be said that the replica is away", addr, err)
	}
	if role, failover := state(t, b.Primary); role != "master" || failover != "no-failover" {
		t.Errorf("the old primary is a %s, %s", role, failover)
	}
	b.load.Mark()
	testbed.Await(t, patience, "writes to go on", func() bool { _, n := b.load.Mark(); return n > 10 })
	link.Heal()
	testbed.Await(t, patience, "the replica to follow", func() bool {
		_, err := move.Plan(t.Context(), b.store, config("redis2"))
		return err == nil
	})
	end()
	b.whole(t, b.Primary.Addr)
}
