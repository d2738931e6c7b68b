package move_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions/move"
	"github.com/firebreak-sre/firebreak/internal/sessions/move/movetest"
	"github.com/firebreak-sre/firebreak/internal/sessions/redis"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

const (
	patience = 30 * time.Second
	prefix   = "sess:"
	ttl      = time.Minute
)

// bench is a real primary with its replica, and an application that writes sessions.
type bench struct {
	*testbed.Redis
	load  *movetest.Load
	store *redis.Store
}

func newBench(t *testing.T, sessions int, o testbed.RedisOptions) *bench {
	t.Helper()
	b := &bench{Redis: testbed.StartRedis(t, o)}
	c := redis.Config{Primary: b.Primary.Addr, Prefix: prefix, TTL: ttl, Timeout: 5 * time.Second}
	addrs := []string{b.Primary.Addr}
	for i, r := range b.Replicas {
		testbed.Await(t, patience, r.Name+" to be online at the primary", func() bool {
			line, err := b.Primary.Info("replication", "slave"+strconv.Itoa(i))
			return err == nil && strings.Contains(line, "state=online")
		})
		c.Replicas = append(c.Replicas, redis.Replica{Name: r.Name, Addr: r.Addr})
		addrs = append(addrs, r.Addr)
	}
	var err error
	if b.store, err = redis.New(c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.store.Close() })
	b.load = movetest.New(movetest.Config{Addrs: addrs, Prefix: prefix, Sessions: sessions, Every: 2 * time.Millisecond})
	t.Cleanup(func() { _ = b.load.Close() })
	if err := b.load.Fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

// write lets the application write until what it gives is called, which returns when all writes are answered.
func (b *bench) write(t *testing.T) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.load.Run(ctx)
	}()
	end = func() { cancel(); <-done }
	t.Cleanup(end)
	testbed.Await(t, patience, "the first writes", func() bool { _, n := b.load.Mark(); return n > 0 })
	return end
}

// facing is the store with the roles that there are now.
func (b *bench) facing(t *testing.T) *redis.Store {
	t.Helper()
	s, err := b.store.Facing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// whole holds that no acknowledged write is lost, at the servers that are named.
func (b *bench) whole(t *testing.T, addrs ...string) {
	t.Helper()
	for _, addr := range addrs {
		v, err := b.load.Judge(t.Context(), addr)
		if err != nil || !v.OK() || v.Acked == 0 {
			t.Errorf("at %s: %s, %v", addr, v, err)
		}
	}
}

// config is a move with times for a busy machine.
func config(to string) move.Config {
	return move.Config{To: to, Within: 10 * time.Second, Patience: patience, MostLag: 10 * time.Second}
}

// state is one server's own word for a failover, and its role.
func state(t *testing.T, n *testbed.RedisNode) (role, failover string) {
	t.Helper()
	role, err := n.Info("replication", "role")
	if err != nil {
		t.Fatal(err)
	}
	failover, err = n.Info("replication", "master_failover_state")
	if err != nil {
		t.Fatal(err)
	}
	return role, failover
}
