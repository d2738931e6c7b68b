package modeltest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/firebreak-sre/firebreak/handlers"
	"github.com/prometheus/client_golang/prometheus"
)

const (
	// episodeSteps is how many steps a schedule has before everything is healed; defaultEpisodes make a million with what healing takes.
	episodeSteps    = 2000
	defaultEpisodes = 480
)

// result is one episode's end.
type result struct {
	seed   uint64
	steps  int // of the schedule, without healing
	broken string
	count  tally
	world  *world
}

// play runs one episode. The same seed and number of steps are the same episode.
func play(t testing.TB, seed uint64, steps int, metrics *handlers.Metrics, traced bool) result {
	t.Helper()
	w := newWorld(seed, metrics, filepath.Join(t.TempDir(), "stop"))
	w.diskWorks = seed%4 == 0
	if traced {
		w.trail = &trail{}
	}
	e := newEpisode(w)
	n := 0
	for ; n < steps && w.broken == ""; n++ {
		e.step()
	}
	if w.broken == "" {
		w.heal()
		w.settle()
	}
	if w.broken == "" {
		w.verdict()
	}
	w.end()
	return result{seed: seed, steps: n, broken: w.broken, count: w.count, world: w}
}

// end lets no coroutine behind.
func (w *world) end() {
	for _, r := range w.replicas {
		r.dead = true
		for _, l := range r.lanes {
			if l.job != nil {
				w.resume(l)
			}
		}
	}
}

// shrink looks for a shorter schedule of the same seed that fails as well.
func shrink(t testing.TB, bad result, metrics *handlers.Metrics) result {
	t.Helper()
	for cut := bad.steps / 2; cut > 0; cut /= 2 {
		for bad.steps-cut > 0 {
			r := play(t, bad.seed, bad.steps-cut, metrics, false)
			if r.broken == "" {
				break
			}
			bad = r
		}
	}
	return play(t, bad.seed, bad.steps, metrics, true)
}

func report(t testing.TB, r result) {
	t.Helper()
	lines := r.world.trail.lines
	t.Errorf("seed %d fails after %d steps: %s\nrun it again with FIREBREAK_SEED=%d FIREBREAK_STEPS=%d\nthe schedule's tail:\n%s",
		r.seed, r.steps, r.broken, r.seed, r.steps, strings.Join(lines[max(0, len(lines)-60):], "\n"))
	for _, id := range r.world.truth.order {
		if strings.Contains(r.broken, id.String()) {
			t.Logf("the record of %s:\n%s", id, strings.Join(r.world.recordOf(id), "\n"))
		}
	}
}

func number(t testing.TB, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// However replicas, people, targets, clocks and stores interleave and fail, the invariants hold after every step, and when everything is
// healed everything comes to its one end.
func TestModel(t *testing.T) {
	metrics := handlers.NewMetrics(prometheus.NewRegistry())
	steps := number(t, "FIREBREAK_STEPS", episodeSteps)
	if seed := number(t, "FIREBREAK_SEED", 0); seed != 0 {
		r := play(t, uint64(seed), steps, metrics, true)
		if r.broken != "" {
			report(t, r)
		}
		return
	}
	episodes := number(t, "FIREBREAK_EPISODES", defaultEpisodes/thinned)
	if os.Getenv("FIREBREAK_LONG") != "" {
		episodes *= 10
	}
	var mu sync.Mutex // guards the fields below
	var total tally
	next, bad := uint64(0), []result(nil)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				mu.Lock()
				next++
				seed, stop := next, next > uint64(episodes) || len(bad) > 0
				mu.Unlock()
				if stop {
					return
				}
				r := play(t, seed, steps, metrics, false)
				mu.Lock()
				total.add(r.count)
				if r.broken != "" {
					bad = append(bad, r)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for _, r := range bad {
		report(t, shrink(t, r, metrics))
	}
	t.Log(total.table(episodes))
}

// The same seed is the same episode, to the last byte of its records: otherwise no failure could be run again.
func TestEpisodesAreTheirSeeds(t *testing.T) {
	metrics := handlers.NewMetrics(prometheus.NewRegistry())
	digest := func(seed uint64) string {
		w := play(t, seed, 600, metrics, true).world
		return fmt.Sprint(w.count.steps, w.records.seq, string(w.book)) + strings.Join(w.trail.lines, "\n")
	}
	for seed := uint64(1); seed <= 3; seed++ {
		if one, other := digest(seed), digest(seed); one != other {
			t.Errorf("seed %d is two different episodes", seed)
		}
	}
}
