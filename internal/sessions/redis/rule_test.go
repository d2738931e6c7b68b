package redis_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// The scripts judge as the contract's own rule does, whatever the nodes are: for random memberships and sessions, what is taken away is
// what sessions.Orphan says, and what is refused is what has no quorum.
func TestScriptsJudgeAlike(t *testing.T) {
	t.Parallel()
	b := newBench(t, testbed.RedisOptions{Replicas: -1})
	r := rand.New(rand.NewPCG(7, 9))
	names := []string{"a", "b", "c", "d", "e"}
	counts := map[string]int{}
	for round := range 300 {
		nodesAt(t, b, r, names[:1+r.IntN(len(names))])
		now := b.app.Time(t.Context()).Val()
		// Leases end a good while before or after 2 x TTL, so that the moment of the judgement does not matter.
		lease := now.Add(-2*ttl + time.Duration(r.IntN(4)*20-50)*time.Second)
		key := fmt.Sprintf("s%d", round)
		err := b.app.HSet(t.Context(), prefix+"s:"+key, "owner", names[r.IntN(len(names))], "epoch", 4+r.IntN(3), "version", 1,
			"lease_until", lease.UnixMilli()).Err()
		if err != nil {
			t.Fatal(err)
		}
		m, err := b.store.Membership(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		seen := list(t, b.store, "", key)
		a, err := b.store.Quarantine(t.Context(), sessions.Quarantine{Order: order(t, b.store, key, 1), Sessions: seen})
		got := sessions.Code(err)
		if err == nil {
			got = string(a.Of(seen[0].Key))
		}
		want := "quorum"
		if m.Quorum {
			want = string(sessions.NotOrphan)
			if sessions.Orphan(seen[0], m) {
				want = string(sessions.Done)
			}
		}
		counts[want]++
		if got != want {
			t.Errorf("round %d: %v in %+v is %s, want %s", round, seen[0], m, got, want)
		}
	}
	if counts["quorum"] < 20 || counts["done"] < 20 || counts["not_orphan"] < 20 {
		t.Errorf("too little was tried: %v", counts)
	}
}

// nodesAt writes random nodes.
func nodesAt(t *testing.T, b *bench, r *rand.Rand, names []string) {
	t.Helper()
	now := b.app.Time(t.Context()).Val()
	if err := b.app.Del(t.Context(), prefix+"nodes").Err(); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		lease := now.Add(time.Hour)
		if r.IntN(3) == 0 {
			lease = now.Add(-2*ttl + time.Duration(r.IntN(4)*20-50)*time.Second)
		}
		sees := []string{}
		for _, other := range names {
			if r.IntN(5) == 0 {
				sees = append(sees, other)
			}
		}
		epoch := 5
		if r.IntN(6) == 0 {
			epoch = 4
		}
		text, err := json.Marshal(map[string]any{"epoch": epoch, "since": now.UnixMilli(), "lease_until": lease.UnixMilli(), "sees": sees})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.app.HSet(t.Context(), prefix+"nodes", name, text).Err(); err != nil {
			t.Fatal(err)
		}
	}
}
