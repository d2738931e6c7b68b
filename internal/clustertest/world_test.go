package clustertest

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/rs/zerolog"
)

const (
	// replicas of Firebreak, one for each node.
	replicas = 3
	// patience bounds every wait for something that must happen. It is far more than it should take.
	patience = 90 * time.Second
	// attempt is how long one call may take.
	attempt = 5 * time.Second
	// pace is the pause of each worker between two calls.
	pace = 20 * time.Millisecond
	// journalPace is the same for the journal. Its one reader takes one message at a time: what is written faster than it reads is only waited
	// for at the end.
	journalPace = 60 * time.Millisecond
)

// world is a cluster, the replicas on it, and what they are busy with.
type world struct {
	t     *testing.T
	nats  *testbed.NATS
	buses []*bus.Bus

	journal *journalLoad
	record  *recordLoad
	cell    *cellLoad
	agenda  *agendaLoad
	reader  *readerLoad
	words   *words
}

// newWorld starts a cluster and opens a bus for each replica, all at once, each beginning at a node of its own.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, nats: testbed.NATSCluster(t, testbed.NATSConfig{Nodes: 3, SmallDisks: []int{fullNode}}), words: &words{}}
	w.buses = openAll(t, w.nats)
	w.journal, w.record, w.cell = newJournalLoad(w), newRecordLoad(w), newCellLoad(w)
	w.agenda, w.reader = newAgendaLoad(w), newReaderLoad(w)
	return w
}

func openAll(t *testing.T, n *testbed.NATS) []*bus.Bus {
	t.Helper()
	buses := make([]*bus.Bus, replicas)
	errs := make([]error, replicas)
	var wg sync.WaitGroup
	for r := range replicas {
		wg.Go(func() { buses[r], errs[r] = open(n, r) })
	}
	wg.Wait()
	for r, b := range buses {
		if errs[r] != nil {
			t.Errorf("open replica %d: %v", r, errs[r])
			continue
		}
		t.Cleanup(b.Close)
	}
	if t.Failed() {
		t.FailNow()
	}
	return buses
}

func open(n *testbed.NATS, r int) (*bus.Bus, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	log := zerolog.Nop()
	if os.Getenv("FIREBREAK_CLUSTER_LOG") != "" {
		log = zerolog.New(os.Stderr).With().Timestamp().Int("replica", r).Logger()
	}
	return bus.Open(ctx, bus.Config{
		URL: n.ClientURLs()[r%len(n.ClientURLs())], Token: n.Token, Replicas: 3, MaxBytes: 64 << 20, Name: fmt.Sprintf("r%d", r), Log: log,
	})
}

// loads are everything that goes on at the same time.
func (w *world) loads() map[string]*pulse {
	return map[string]*pulse{"journal": &w.journal.pulse, "record": &w.record.pulse, "cell": &w.cell.pulse, "agenda": &w.agenda.pulse, "reader": &w.reader.pulse}
}

// names are the loads in the order in which they are printed.
func (w *world) names() []string { return slices.Sorted(maps.Keys(w.loads())) }

// run keeps every replica busy with everything. The first of the returned functions ends what writes, the second all.
func (w *world) run() (quiet, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	writing, still := context.WithCancel(ctx)
	var wg, writers sync.WaitGroup
	for r := range replicas {
		for _, load := range []func(context.Context, int){w.journal.run, w.record.run, w.cell.run} {
			writers.Go(func() { load(writing, r) })
		}
		for _, load := range []func(context.Context, int){w.agenda.run, w.reader.run} {
			wg.Go(func() { load(ctx, r) })
		}
	}
	quiet = sync.OnceFunc(func() { still(); writers.Wait() })
	stop = sync.OnceFunc(func() { quiet(); cancel(); wg.Wait() })
	w.t.Cleanup(stop)
	return quiet, stop
}

// await waits until cond, and says what calls failed with if that was in vain.
func (w *world) await(what string, cond func() bool) {
	w.t.Helper()
	defer func() {
		if w.t.Failed() {
			w.t.Logf("calls failed with: %s", w.words)
		}
	}()
	testbed.Await(w.t, patience, what, cond)
}

// awaitSome waits until each load was acknowledged, to whichever replica, for a call that began after since.
func (w *world) awaitSome(since time.Time, what string) {
	w.t.Helper()
	loads := w.loads()
	for _, name := range w.names() {
		w.await(fmt.Sprintf("%s of any replica, %s", name, what), func() bool {
			_, ok := loads[name].next(since)
			return ok
		})
	}
}

// awaitAll waits until each load goes on at every replica, and every key of the agenda was handed out again.
func (w *world) awaitAll(since time.Time, what string) {
	w.t.Helper()
	loads := w.loads()
	for _, name := range []string{"journal", "record", "cell"} {
		for r := range replicas {
			w.await(fmt.Sprintf("%s of replica %d, %s", name, r, what), func() bool { return loads[name].nextOf(r, since) })
		}
	}
	w.await("every key of the agenda, "+what, func() bool { return len(w.agenda.overdue(since)) == 0 })
}

// each calls fn at a pace until ctx ends. Each call has its own time limit.
func each(ctx context.Context, pace time.Duration, fn func(context.Context)) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		call, cancel := context.WithTimeout(ctx, attempt)
		fn(call)
		cancel()
	}
}
