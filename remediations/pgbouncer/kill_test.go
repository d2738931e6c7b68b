package pgbouncer_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

const (
	// killTTL is for how long each pause of the killed ones may stand.
	killTTL = 3 * time.Second
	// killSlack is what a busy machine may add: the dead-man's process has to run, to be started again where it was killed, and to be answered.
	killSlack = 3 * time.Second
)

func killOrder(action string, ttl time.Duration) remediations.Order {
	o := pauseOrder(action)
	o.TTL, o.Limit, o.Timeout = policy.Duration(ttl), policy.Duration(ttl), policy.Duration(time.Second)
	o.Until = time.Now().Add(ttl)
	return o
}

// victims are who is killed in one round.
type victims struct{ pauser, deadman, pooler bool }

// Whoever is killed by SIGKILL at whatever moment, who pauses, the dead-man, both, or the pooler too: with a supervisor that starts the
// dead-man again the database is never left paused for longer than it was to be.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	rounds := 3
	if os.Getenv("FIREBREAK_LONG") == "1" {
		rounds = 24
	}
	b := open(t, postgres(t))
	dir := testbed.Folder(t, "")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	environment := append(os.Environ(), "POOLER="+b.Addr, "TTL="+killTTL.String(),
		"SOCKET="+filepath.Join(dir, "deadman.sock"), "STATE="+filepath.Join(dir, "state"))
	process := func(name string) *testbed.Process {
		return testbed.Start(t, testbed.Command{Name: name, Path: self, Env: slices.Concat(environment, []string{part + "=" + name})})
	}
	kinds := []victims{{pauser: true}, {pauser: true, deadman: true}, {pauser: true, deadman: true, pooler: true}, {deadman: true}}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	watch := newWatch(t, b)
	guard, pauser := process("deadman"), process("pauser")
	for round := range rounds {
		watch.awaitPause(round)
		who := kinds[round%len(kinds)]
		<-time.After(time.Duration(random.Int64N(int64(killTTL)))) // the moment is the test
		kill(t, who, guard, pauser, b)
		watch.awaitRun(fmt.Sprintf("round %d, killed %+v", round, who))
		if who.pauser {
			if err := pauser.Start(); err != nil {
				t.Fatal(err)
			}
		}
	}
	pauser.Kill9()
	watch.awaitRun("at the end")
	longest, n := watch.stop()
	t.Logf("%d pauses in %d kills, the longest took %s", n, rounds, longest)
	if longest > killTTL+killSlack {
		t.Errorf("a pause of %s took %s", killTTL, longest)
	}
	if n < rounds/2 {
		t.Errorf("there were only %d pauses", n)
	}
}

// kill ends them as a crash would, and starts what a supervisor would start again.
func kill(t *testing.T, who victims, guard, pauser *testbed.Process, b *bench) {
	t.Helper()
	if who.pauser {
		pauser.Kill9()
	}
	if who.pooler {
		b.Kill9()
	}
	if who.deadman {
		guard.Kill9()
		if err := guard.Start(); err != nil {
			t.Fatal(err)
		}
	}
	if who.pooler {
		if err := b.Restart(); err != nil {
			t.Fatal(err)
		}
	}
}

// watch looks all the time whether the database is paused, and measures for how long.
type watch struct {
	t       *testing.T
	done    chan struct{}
	running sync.WaitGroup

	mu      sync.Mutex
	since   time.Time // when the present pause was seen first; zero while it runs
	longest time.Duration
	pauses  int
}

func newWatch(t *testing.T, b *bench) *watch {
	w := &watch{t: t, done: make(chan struct{})}
	c := consoleAt(t, b.Addr, "pgb_stats")
	tick := time.NewTicker(10 * time.Millisecond)
	w.running.Go(func() {
		defer tick.Stop()
		for {
			select {
			case <-w.done:
				return
			case <-tick.C:
				list, err := c.Databases(t.Context())
				for _, d := range list {
					if err == nil && d.Name == "app" {
						w.saw(d.Paused)
					}
				}
			}
		}
	})
	return w
}

func (w *watch) saw(paused bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch now := time.Now(); {
	case paused && w.since.IsZero():
		w.since = now
		w.pauses++
	case paused:
		w.longest = max(w.longest, now.Sub(w.since))
	case !w.since.IsZero():
		w.longest = max(w.longest, now.Sub(w.since))
		w.since = time.Time{}
	}
}

func (w *watch) paused() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.since.IsZero()
}

// awaitPause returns when the database is paused, right after or some time after it began.
func (w *watch) awaitPause(round int) {
	w.t.Helper()
	testbed.Await(w.t, patience, fmt.Sprintf("a pause in round %d", round), w.paused)
}

// awaitRun returns when the database runs; after killTTL and killSlack that is too late.
func (w *watch) awaitRun(when string) {
	w.t.Helper()
	testbed.Await(w.t, killTTL+killSlack, "the database to run, "+when, func() bool { return !w.paused() })
}

func (w *watch) stop() (longest time.Duration, pauses int) {
	close(w.done)
	w.running.Wait()
	return w.longest, w.pauses
}
