package clustertest

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// Replicas of Firebreak on one cluster get along: when they start, when they read what another has just written, and when one of
// them stops in the middle of its work.
func TestReplicas(t *testing.T) {
	t.Parallel()
	n := testbed.NATSCluster(t, testbed.NATSConfig{Nodes: 3})
	buses := openAll(t, n)
	t.Run("opened again at once", func(t *testing.T) { openAll(t, n) })
	t.Run("fresh reads", func(t *testing.T) { freshReads(t, n, buses) })
	t.Run("hand over", func(t *testing.T) { handOver(t, n) })
	t.Run("node out of reach", func(t *testing.T) { leaves(t, n, 1, func(i int) { n.ClientLink(i).Hold() }) })
	t.Run("node cut off", func(t *testing.T) { leaves(t, n, 2, n.Cut) })
	t.Run("opened without a node", func(t *testing.T) { openWithoutNode(t, n) })
}

// leaves spoils the node that a replica is connected to, which stays silent or useless for as long as the test wants. The
// replica goes to another one and can store again, while the fault lasts.
func leaves(t *testing.T, n *testbed.NATS, node int, spoil func(int)) {
	b, err := open(n, node)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	defer n.AwaitHealthy()
	defer n.Heal(node)
	spoil(node)
	began := time.Now()
	last := uint64(0)
	testbed.Await(t, patience, "an append by way of another node", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		seq, err := b.AppendIf(ctx, fmt.Sprintf("incidents.leaves.%d", node), last, []byte("x"))
		// Cut off, the last one can be under way when the node is spoiled: only one that began later proves something.
		if err == nil {
			last = seq
		}
		return err == nil && b.Ready(ctx) == nil && time.Since(began) > time.Second
	})
	t.Logf("stored by way of another node after %.1f s", time.Since(began).Seconds())
}

// openWithoutNode opens a bus for each replica while one node is down, and finds everything in place.
func openWithoutNode(t *testing.T, n *testbed.NATS) {
	n.Kill(0)
	for r := 1; r < replicas; r++ {
		b, err := open(n, r)
		if err != nil {
			t.Fatalf("open replica %d while a node is down: %v", r, err)
		}
		b.Close()
	}
	n.Restart(0)
	n.AwaitHealthy()
}

// freshReads lets one replica write and another read at once, whose node is the last to learn of anything. What was acknowledged is
// read, each time.
func freshReads(t *testing.T, n *testbed.NATS, buses []*bus.Bus) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	leader := n.Leader(bus.Incidents)
	writer, far := buses[(leader+1)%3], (leader+2)%3
	reader := buses[far]
	cells := map[*bus.Bus]*bus.Cell{}
	for _, b := range []*bus.Bus{writer, reader} {
		c, err := b.Cell(ctx, "fresh", "cell")
		if err != nil {
			t.Fatal(err)
		}
		cells[b] = c
	}
	for i := range 3 { // what its node learns of others comes late; its clients reach it as always
		if i != far {
			n.DelayWay(i, far, 80*time.Millisecond)
		}
	}
	defer n.Heal(far)
	const subject = "incidents.fresh.1"
	last := uint64(0)
	for i := range 10 {
		seq, err := writer.AppendIf(ctx, subject, last, []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		last = seq
		if m, err := reader.Last(ctx, bus.Incidents, subject); err != nil || m.Seq != seq {
			t.Fatalf("the last message is %d (%v), but %d was acknowledged", m.Seq, err, seq)
		}
		if msgs, err := reader.Load(ctx, bus.Incidents, subject); err != nil || len(msgs) != i+1 {
			t.Fatalf("the record has %d messages (%v), but %d were acknowledged", len(msgs), err, i+1)
		}
		doc, err := json.Marshal(i)
		if err != nil {
			t.Fatal(err)
		}
		if err := cells[writer].Change(ctx, func([]byte) ([]byte, error) { return doc, nil }); err != nil {
			t.Fatal(err)
		}
		if got, err := cells[reader].Get(ctx); err != nil || string(got) != string(doc) {
			t.Fatalf("the cell is %q (%v), but %q was acknowledged", got, err, doc)
		}
	}
}

// handOver lets a replica take every key of an agenda and then lose its connection for good, with all of them in hand. Another
// gets them all when the claims have run out.
func handOver(t *testing.T, n *testbed.NATS) {
	const keys = 8
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	dying, err := open(n, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer dying.Close() // again, if the test does not come so far
	left, err := open(n, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer left.Close()
	first, second := agendaOf(ctx, t, dying), agendaOf(ctx, t, left)
	for k := range keys {
		if err := first.Set(ctx, fmt.Sprintf("hand.%d", k), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	taken, wake := make(chan string, keys), make(chan struct{})
	stopFirst := running(t, func(ctx context.Context) error {
		return first.Run(ctx, keys, []string{"hand."}, func(ctx context.Context, key string) error {
			select {
			case taken <- key:
			default:
			}
			<-wake
			return first.Move(ctx, key, time.Now())
		})
	})
	defer stopFirst()
	defer sync.OnceFunc(func() { close(wake) })()
	for range keys {
		<-taken
	}
	died := time.Now()
	dying.Close()
	var mu sync.Mutex
	got := map[string]time.Duration{}
	stopSecond := running(t, func(ctx context.Context) error {
		return second.Run(ctx, keys, []string{"hand."}, func(ctx context.Context, key string) error {
			mu.Lock()
			if _, again := got[key]; !again {
				got[key] = time.Since(died)
			}
			mu.Unlock()
			return second.Move(ctx, key, time.Now().Add(time.Hour))
		})
	})
	defer stopSecond()
	testbed.Await(t, patience, "every key at the replica that is left", func() bool { mu.Lock(); defer mu.Unlock(); return len(got) == keys })
	mu.Lock()
	t.Logf("the keys of a dead replica were handed out again after: %v", got)
	mu.Unlock()
}

func agendaOf(ctx context.Context, t *testing.T, b *bus.Bus) *bus.Agenda {
	t.Helper()
	a, err := b.Agenda(ctx, "handover")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// running starts a service and returns what stops it and waits for it.
func running(t *testing.T, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	}
}
