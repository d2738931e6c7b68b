package move_test

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/sessions/move"
	"github.com/firebreak-sre/firebreak/internal/sessions/redis"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// There and back while the application writes: no acknowledged write is lost, nothing is there twice, and the report says so.
func TestThereAndBack(t *testing.T) {
	t.Parallel()
	b := newBench(t, 400, testbed.RedisOptions{})
	end := b.write(t)
	to := "redis2"
	for n := range 4 {
		store := b.facing(t)
		b.load.Mark()
		r, err := move.Redis(t.Context(), store, config(to))
		if err != nil || !r.OK() {
			t.Fatalf("move %d: %+v, %v", n, r, err)
		}
		paused, writes := b.load.Mark()
		t.Logf("move %d: held %s, followed %s, checked %s, compared %s; the slowest of %d writes took %s; %d kept, %d written, %d new; again %d, moving %d",
			n, r.Held.Duration(), r.Followed.Duration(), r.Checked.Duration(), r.Compared.Duration(), writes, paused, r.Sessions.Kept,
			r.Sessions.Written, r.Sessions.New, r.After.Again, r.After.Moving)
		if r.Sessions.Written == 0 || !r.Sessions.Contents || r.Sessions.Kept+r.Sessions.Written+r.Sessions.SetAside < 400 {
			t.Errorf("move %d compared %+v", n, r.Sessions)
		}
		if to == "redis2" {
			to = b.Primary.Addr
		} else {
			to = "redis2"
		}
	}
	end()
	_, sides, err := move.Both(t.Context(), b.facing(t), "redis2", 10_000)
	if err != nil || !sides.OK() || sides.Sessions < 400 {
		t.Errorf("afterwards: %+v, %v", sides, err)
	}
	b.whole(t, b.Primary.Addr, b.Replicas[0].Addr)
}

// A replica of two that becomes the primary leaves the other one behind the old primary, which is said. Its sessions are whole too.
func TestThirdServer(t *testing.T) {
	t.Parallel()
	b := newBench(t, 200, testbed.RedisOptions{Replicas: 2})
	end := b.write(t)
	r, err := move.Redis(t.Context(), b.store, config("redis3"))
	if err != nil || !strings.Contains(strings.Join(r.Notes, "\n"), "redis2 follows ") {
		t.Errorf("got %+v, %v", r, err)
	}
	end()
	facing := b.facing(t)
	_, sides, err := move.Both(t.Context(), facing, "redis2", 10_000)
	if err != nil || !sides.OK() {
		t.Errorf("the third server: %+v, %v", sides, err)
	}
	b.whole(t, b.Replicas[1].Addr, b.Primary.Addr, b.Replicas[0].Addr)
}

// A replica that hangs after everything was checked lets the server give up by itself: the roles are as before, writes go on.
func TestReplicaHangs(t *testing.T) {
	t.Parallel()
	b := newBench(t, 200, testbed.RedisOptions{})
	end := b.write(t)
	c := config("redis2")
	c.Within = 500 * time.Millisecond
	c.Keep = func(move.Snapshot) error {
		b.Replicas[0].Proxy.Hold()
		return nil
	}
	r, err := move.Redis(t.Context(), b.store, c)
	if !errors.Is(err, move.ErrTakenBack) || r.Moved {
		t.Errorf("got %+v, %v", r, err)
	}
	if role, failover := state(t, b.Primary); role != "master" || failover != "no-failover" {
		t.Errorf("the old primary is a %s, %s", role, failover)
	}
	b.load.Mark()
	testbed.Await(t, patience, "writes to go on", func() bool { _, n := b.load.Mark(); return n > 10 })
	b.Replicas[0].Proxy.Heal()
	testbed.Await(t, patience, "the replica to follow again", func() bool {
		r, err := move.Plan(t.Context(), b.store, config("redis2"))
		return err == nil && r.Before.OK()
	})
	if r, err := move.Redis(t.Context(), b.store, config("redis2")); err != nil {
		t.Errorf("the next move: %+v, %v", r, err)
	}
	end()
	b.whole(t, b.Primary.Addr, b.Replicas[0].Addr)
}

// A replica that is stopped does not even answer us. That the roles are as before is known from the primary.
func TestReplicaStops(t *testing.T) {
	t.Parallel()
	b := newBench(t, 100, testbed.RedisOptions{})
	end := b.write(t)
	c := config("redis2")
	c.Within, c.Patience = 500*time.Millisecond, 2*time.Second
	c.Keep = func(move.Snapshot) error {
		b.Replicas[0].Signal(syscall.SIGSTOP)
		return nil
	}
	if _, err := move.Redis(t.Context(), b.store, c); !errors.Is(err, move.ErrTakenBack) {
		t.Errorf("got %v", err)
	}
	if role, failover := state(t, b.Primary); role != "master" || failover != "no-failover" {
		t.Errorf("the old primary is a %s, %s", role, failover)
	}
	b.Replicas[0].Signal(syscall.SIGCONT)
	testbed.Await(t, patience, "the replica to follow again", func() bool {
		_, err := move.Plan(t.Context(), b.store, config("redis2"))
		return err == nil
	})
	end()
	b.whole(t, b.Primary.Addr)
}

// Whoever gives up while writes are held up is told what came of it, and nothing is left half done.
func TestCancelled(t *testing.T) {
	t.Parallel()
	b := newBench(t, 100, testbed.RedisOptions{})
	end := b.write(t)
	ctx, cancel := context.WithCancel(t.Context())
	c := config("redis2")
	c.Within = time.Second
	c.Keep = func(move.Snapshot) error {
		b.Replicas[0].Proxy.Hold()
		go func() { // it ends with the move
			defer cancel()
			for ctx.Err() == nil {
				if s, err := b.Primary.Info("replication", "master_failover_state"); err != nil || s == "waiting-for-sync" {
					return
				}
			}
		}()
		return nil
	}
	if _, err := move.Redis(ctx, b.store, c); !errors.Is(err, move.ErrTakenBack) {
		t.Errorf("got %v", err)
	}
	b.Replicas[0].Proxy.Heal()
	end()
	b.whole(t, b.Primary.Addr)
	c.Keep = nil
	if _, err := move.Redis(ctx, b.store, c); !errors.Is(err, sessions.ErrRefused) {
		t.Errorf("a move that was given up before it was asked for: %v", err)
	}
}

// spoil makes a store unfit for a move, and says which check finds it. What it gives mends the store.
type spoil struct {
	spoil func(*testing.T, *bench) func()
	check string
}

func spoils() map[string]spoil {
	return map[string]spoil{
		"behind": {func(t *testing.T, b *bench) func() {
			b.Replicas[0].Proxy.Hold()
			return func() { b.Replicas[0].Proxy.Heal() }
		}, "lag"},
		"link down": {func(t *testing.T, b *bench) func() {
			b.Replicas[0].Proxy.Cut()
			testbed.Await(t, patience, "the replica to notice", func() bool {
				status, err := b.Replicas[0].Info("replication", "master_link_status")
				return err == nil && status == "down"
			})
			return func() { b.Replicas[0].Proxy.Heal() }
		}, "replica"},
		"stopped": {func(t *testing.T, b *bench) func() {
			b.Replicas[0].Signal(syscall.SIGSTOP)
			return func() { b.Replicas[0].Signal(syscall.SIGCONT) }
		}, "replica"},
		"little memory": {func(t *testing.T, b *bench) func() {
			set(t, b.Replicas[0], "maxmemory", "1mb")
			return func() { set(t, b.Replicas[0], "maxmemory", "0") }
		}, "memory"},
		"other contents": {func(t *testing.T, b *bench) func() {
			set(t, b.Replicas[0], "replica-read-only", "no")
			if _, err := b.Replicas[0].Do("HSET", prefix+"s:s3", "cart", "nothing"); err != nil {
				t.Fatal(err)
			}
			return func() {}
		}, "same"},
	}
}

// Everything that speaks against a move refuses it before anything is changed.
func TestRefused(t *testing.T) {
	t.Parallel()
	for name, c := range spoils() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, 50, testbed.RedisOptions{})
			testbed.Await(t, patience, "the two to be the same", func() bool {
				_, err := move.Plan(t.Context(), b.store, config("redis2"))
				return err == nil
			})
			mend := c.spoil(t, b)
			defer mend()
			small := config("redis2")
			small.MostBehind = 1
			end := b.write(t)
			if name == "behind" {
				testbed.Await(t, patience, "lag", func() bool {
					r, err := b.store.Replication(t.Context())
					return err == nil && r.Replicas[0].LagUnits > 1000
				})
			} else {
				end()
			}
			r, err := move.Redis(t.Context(), b.store, small)
			if !errors.Is(err, move.ErrUnfit) || !errors.Is(err, sessions.ErrRefused) || !strings.Contains(err.Error(), ": "+c.check+": ") {
				t.Errorf("got %+v, %v, want a refusal by %s", r, err, c.check)
			}
			if role, failover := state(t, b.Primary); role != "master" || failover != "no-failover" {
				t.Errorf("the primary is a %s, %s", role, failover)
			}
		})
	}
}

func set(t *testing.T, n *testbed.RedisNode, name, value string) {
	t.Helper()
	if _, err := n.Do("CONFIG", "SET", name, value); err != nil {
		t.Fatal(err)
	}
}

// Nobody moves to a server that there is not, to the primary itself, or without a bound.
func TestConfigRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1, testbed.RedisOptions{})
	for name, c := range map[string]move.Config{
		"nobody": {}, "unknown": {To: "redis9"}, "too long": {To: "redis2", Within: time.Hour}, "negative": {To: "redis2", Within: -1},
	} {
		if _, err := move.Redis(t.Context(), b.store, c); !errors.Is(err, sessions.ErrRefused) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A primary that dies in the middle leaves it open who has the role, and that is said; nothing is forced.
func TestPrimaryDies(t *testing.T) {
	t.Parallel()
	b := newBench(t, 50, testbed.RedisOptions{})
	c := config("redis2")
	c.Within, c.Patience = 500*time.Millisecond, 500*time.Millisecond
	c.Keep = func(move.Snapshot) error {
		b.Primary.Kill9()
		return nil
	}
	if r, err := move.Redis(t.Context(), b.store, c); !errors.Is(err, move.ErrUnsettled) || r.Moved {
		t.Errorf("got %+v, %v", r, err)
	}
	if role, _ := state(t, b.Replicas[0]); role != "slave" {
		t.Errorf("the replica is a %s", role)
	}
}

// A login with the rights that are documented can move, and one without them is refused before anything is changed.
func TestLeastRights(t *testing.T) {
	t.Parallel()
	b := newBench(t, 50, testbed.RedisOptions{})
	open := func(user string, rights ...string) *redis.Store {
		for _, n := range []*testbed.RedisNode{b.Primary, b.Replicas[0]} {
			if _, err := n.Do(append([]string{"ACL", "SETUSER", user, "on", ">word", "~" + prefix + "*"}, rights...)...); err != nil {
				t.Fatal(err)
			}
		}
		s, err := redis.New(redis.Config{Primary: b.Primary.Addr, Prefix: prefix, TTL: ttl, Timeout: patience, User: user, Password: "word",
			Replicas: []redis.Replica{{Name: "redis2", Addr: b.Replicas[0].Addr}}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	reading := strings.Fields("+scan +hgetall +hkeys +hmget +pexpiretime +time +info")
	if _, err := move.Redis(t.Context(), open("reader", reading...), config("redis2")); !errors.Is(err, move.ErrUnfit) {
		t.Errorf("a login that may only look: %v", err)
	}
	looker := open("looker", append([]string{"+pubsub|numsub"}, reading...)...)
	if _, err := move.Redis(t.Context(), looker, config("redis2")); !errors.Is(err, move.ErrUnfit) || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("a login that may look at everything: %v", err)
	}
	mover := open("mover", append([]string{"+pubsub|numsub", "+failover"}, reading...)...)
	if r, err := move.Redis(t.Context(), mover, config("redis2")); err != nil || !r.OK() {
		t.Errorf("a login that may move: %+v, %v", r, err)
	}
}

// Where Sentinels watch, the move is theirs: they would take it for a failure.
func TestSentinelWatches(t *testing.T) {
	t.Parallel()
	b := newBench(t, 10, testbed.RedisOptions{})
	watcher := goredis.NewClient(&goredis.Options{Addr: b.Primary.Addr, Protocol: 2})
	t.Cleanup(func() { _ = watcher.Close() })
	listens := watcher.Subscribe(t.Context(), "__sentinel__:hello")
	t.Cleanup(func() { _ = listens.Close() })
	if _, err := listens.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := move.Redis(t.Context(), b.store, config("redis2")); !errors.Is(err, move.ErrUnfit) || !strings.Contains(err.Error(), "alone") {
		t.Errorf("got %v", err)
	}
}

// Where a third server says that it is a primary too, nobody knows which sessions are right, and nothing is moved.
func TestThirdPrimary(t *testing.T) {
	t.Parallel()
	b := newBench(t, 10, testbed.RedisOptions{Replicas: 2})
	if _, err := b.Replicas[1].Do("REPLICAOF", "NO", "ONE"); err != nil {
		t.Fatal(err)
	}
	if _, err := move.Redis(t.Context(), b.store, config("redis2")); !errors.Is(err, move.ErrUnfit) || !strings.Contains(err.Error(), "both primaries") {
		t.Errorf("got %v", err)
	}
}
