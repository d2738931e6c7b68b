package sessiontest

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions/move"
	"github.com/firebreak-sre/firebreak/internal/sessions/move/movetest"
	"github.com/firebreak-sre/firebreak/internal/sessions/redis"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

const (
	patience = 60 * time.Second
	prefix   = "sess:"
)

// Sessions are moved there and back while they are written, and none is lost or doubled.
func TestFailovers(t *testing.T) {
	sessions, failovers := 1_000, 2
	if os.Getenv("FIREBREAK_LONG") == "1" {
		sessions, failovers = 10_000, 10
	}
	r := testbed.StartRedis(t, testbed.RedisOptions{})
	first, second := r.Primary.Addr, r.Replicas[0].Addr
	testbed.Await(t, patience, "the replica to be online at the primary", func() bool {
		line, err := r.Primary.Info("replication", "slave0")
		return err == nil && strings.Contains(line, "state=online")
	})
	store, err := redis.New(redis.Config{Primary: first, Prefix: prefix, TTL: time.Minute, Timeout: 10 * time.Second, Wait: 10 * time.Second,
		Replicas: []redis.Replica{{Name: second, Addr: second}}})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	load := movetest.New(movetest.Config{Addrs: []string{first, second}, Prefix: prefix, Sessions: sessions, Writers: 4, Every: 2 * time.Millisecond})
	defer load.Close()
	if err := load.Fill(t.Context()); err != nil {
		t.Fatal(err)
	}

	testbed.Await(t, patience, "the replica to have what was filled in", func() bool {
		r, err := store.Replication(t.Context())
		return err == nil && r.Replicas[0].Known && r.Replicas[0].LagUnits == 0
	})

	ctx, stop := context.WithCancel(t.Context())
	var lag []time.Duration
	var both sync.WaitGroup
	both.Go(func() { load.Run(ctx) })
	both.Go(func() { lag = load.Lag(ctx, 20*time.Millisecond) })
	rows := failover(t, store, load, failovers, first, second)
	stop()
	both.Wait()

	judge(t, store, load, sessions, first, second)
	t.Logf("%d sessions, %d failovers under write load\n%s", sessions, failovers, table(rows, lag))
}

// failover moves the sessions there and back, and waits after each move until the application has written again.
func failover(t *testing.T, store *redis.Store, load *movetest.Load, times int, first, second string) []row {
	t.Helper()
	var rows []row
	to, other := second, first
	for n := range times {
		facing, err := store.Facing(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		testbed.Await(t, patience, "writes between two failovers", func() bool { _, writes := load.Mark(); return writes > 0 })
		report, err := move.Redis(t.Context(), facing, move.Config{To: to, Within: 20 * time.Second, Patience: patience, MostLag: 10 * time.Second})
		if err != nil || !report.OK() {
			t.Fatalf("failover %d: %+v, %v", n+1, report, err)
		}
		// Each writer is heard again, so that the slowest write is one that waited.
		writes := 0
		paused := time.Duration(0)
		testbed.Await(t, patience, "writes after the failover", func() bool {
			slowest, more := load.Mark()
			paused, writes = max(paused, slowest), writes+more
			return more >= 20
		})
		if !report.Sessions.Contents || report.Sessions.Kept+report.Sessions.Written != report.Before.Sessions {
			t.Errorf("failover %d compared %+v of %d sessions", n+1, report.Sessions, report.Before.Sessions)
		}
		rows = append(rows, row{report, paused, writes})
		to, other = other, to
	}
	return rows
}

// judge holds that every acknowledged write is on both servers, by the application's own means, and that the two hold the same.
func judge(t *testing.T, store *redis.Store, load *movetest.Load, sessions int, addrs ...string) {
	t.Helper()
	facing, err := store.Facing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range facing.Names()[1:] {
		snapshot, sides, err := move.Both(t.Context(), facing, name, 10*sessions)
		if err != nil || !sides.OK() || len(snapshot.Sessions) < sessions {
			t.Errorf("the primary with %d sessions and %s: %+v, %v", len(snapshot.Sessions), name, sides, err)
		}
	}
	for _, addr := range addrs {
		v, err := load.Judge(t.Context(), addr)
		if err != nil || !v.OK() || v.Sessions < sessions || v.Acked <= uint64(v.Sessions) {
			t.Errorf("at %s: %s, %v", addr, v, err)
		}
		t.Logf("at %s: %s", addr, v)
	}
}
