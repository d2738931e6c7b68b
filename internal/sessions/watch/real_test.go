package watch_test

import (
	"strconv"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/sessions/move/movetest"
	"github.com/firebreak-sre/firebreak/internal/sessions/redis"
	"github.com/firebreak-sre/firebreak/internal/sessions/watch"
	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/rs/zerolog"
)

const patience = 60 * time.Second

// Sessions that a real replica lacks are all found, though one round looks only into some of the buckets, and none are when they are back.
func TestDrift(t *testing.T) {
	t.Parallel()
	const prefix, crowd, lost = "sess:", 100, 6
	b := testbed.StartRedis(t, testbed.RedisOptions{Args: []string{"--replica-read-only", "no"}})
	load := movetest.New(movetest.Config{Addrs: []string{b.Primary.Addr}, Prefix: prefix, Sessions: crowd})
	t.Cleanup(func() { _ = load.Close() })
	if err := load.Fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	store, err := redis.New(redis.Config{Primary: b.Primary.Addr, Prefix: prefix, TTL: ttl, Timeout: patience,
		Replicas: []redis.Replica{{Name: "r", Addr: b.Replicas[0].Addr}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	w := watch.New(watch.Config{Stores: map[string]sessions.Looker{"shop": store}, Every: time.Millisecond, Within: patience, Log: zerolog.Nop()})
	done := make(chan error, 1)
	go func() { done <- w.Run(t.Context()) }() // it ends with the test
	t.Cleanup(func() { <-done })
	inconsistent := func(n float64) func() bool {
		return func() bool {
			got := read(t, w)
			return got["_measured{store=shop}"] == 1 && got["_inconsistent{replica=r,store=shop}"] == n && got["{store=shop}"] == crowd
		}
	}
	testbed.Await(t, patience, "a replica that is the same", inconsistent(0))

	there := goredis.NewClient(&goredis.Options{Addr: b.Replicas[0].Addr, Protocol: 2})
	t.Cleanup(func() { _ = there.Close() })
	kept := map[string]string{}
	for i := range lost {
		key := prefix + "s:s" + strconv.Itoa(i)
		kept[key] = there.Dump(t.Context(), key).Val()
		if err := there.Del(t.Context(), key).Err(); err != nil {
			t.Fatal(err)
		}
	}
	testbed.Await(t, patience, "all that is lost", inconsistent(lost))
	for key, dump := range kept {
		if err := there.Restore(t.Context(), key, 0, dump).Err(); err != nil {
			t.Fatal(err)
		}
	}
	testbed.Await(t, patience, "a replica that is the same again", inconsistent(0))
}
