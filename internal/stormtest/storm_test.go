package stormtest

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	// memoryMost is how much of Firebreak may ever be in memory, and memoryGrowth how much more the last storm may take than the one
	// before, in percent. The first one also fills what is kept ready for good.
	memoryMost   = 300 << 20
	memoryGrowth = 25
	stormSeed    = 20261122
	// storms is how many fall on the same process, all alike.
	storms = 3
)

// sizes are how many alerts one storm has. Each size is tried on a process of its own.
func sizes() []int {
	if os.Getenv("FIREBREAK_LONG") == "1" {
		return []int{10_000, 100_000}
	}
	return []int{3_500}
}

// round is what one storm came to.
type round struct {
	watch *watch
	// heap is what was in use on the heap when all had ended, in bytes.
	heap int
	// sent counts the alerts of the storm and its resolves, which were taken in flood.
	sent  int
	start time.Time
	flood time.Duration
	// drained is when all had been read, and closed when the last incident had ended, both from the last 200 on.
	drained, closed time.Duration
	// begun and over are the time in which nothing new may be changed by right of the storm.
	begun, over time.Time
}

// TestAlertStorm: in a storm nothing acknowledged is lost, nothing new is changed, every incident ends, memory is bounded, and after it
// fixes start again, until the budget is spent.
func TestAlertStorm(t *testing.T) {
	for _, alerts := range sizes() {
		t.Run(strconv.Itoa(alerts), func(t *testing.T) { endure(t, alerts) })
	}
}

// endure lets one storm after the other fall, each of so many alerts, and judges what came of it.
func endure(t *testing.T, alerts int) {
	w := newWorld(t, alerts)
	late := w.town.in("d")[2:] // d0 has the lone edge
	rounds := make([]*round, storms)
	for i := range rounds {
		rounds[i] = w.storm() // which begins with a fix: it is calm again after the one before
	}
	w.oneFix(late[0])
	spent := w.spend(late[1:])

	all, err := w.api.records(w.ctx)
	w.must(err)
	t.Log("\n" + w.table(rounds, all))
	wrongs := slices.Concat(w.judgeAlerts(all), judgeRecords(all), w.judgeEffects(all), w.judgeStorms(rounds, all), judgeMemory(rounds))
	if !spent {
		wrongs = append(wrongs, "the budget was never spent")
	}
	if len(wrongs) > 0 {
		t.Errorf("%s\n%s", strings.Join(wrongs[:min(len(wrongs), 40)], "\n"), w.story())
	}
}

// storm is one alert storm from its beginning until nothing of it is left: while a first edge is being fixed, everything falls on
// Firebreak at once.
func (w *world) storm() *round {
	w.t.Helper()
	crowd, lone, first := w.town.in("a", "b", "c"), w.town.in("d")[0], w.town.in("a")[0]
	w.town.set(true, first)
	s := newStorm(w.alerts, stormSeed, time.Now().UTC().Truncate(time.Millisecond), crowd, lone)
	w.must(w.am.notify(w.ctx, news{labels: ofEdge(first, 0), status: "firing", starts: s.begun}))
	w.until(fixWithin, "the first edge is being fixed", func() (bool, error) { return w.town.standing(first), nil })

	r := &round{watch: &watch{api: w.api, pid: w.pid}}
	end := r.watch.begin(w.ctx)
	defer end()
	for i, e := range crowd {
		if e != first && i%4 != 3 { // the others' alerts are wrong
			w.town.set(true, e)
		}
	}
	w.town.set(true, lone)
	before, begun := len(w.am.acknowledged()), time.Now()
	w.must(w.am.flood(w.ctx, s.bodies(), nonsense()))
	w.must(w.am.flood(w.ctx, s.end(time.Now().UTC().Truncate(time.Millisecond)), nil))
	r.start, r.flood, r.sent = begun, time.Since(begun), len(w.am.acknowledged())-before
	last := time.Now()
	within := scaled(w.alerts, endWithin)
	w.until(within, "every alert of an edge was read", w.handled)
	r.drained = time.Since(last)
	w.until(within, "every incident has ended", w.ended)
	r.closed = time.Since(last)
	heap, err := w.api.metric(w.ctx, "go_memstats_heap_alloc_bytes", "")
	w.must(err)
	r.heap = sum(heap)
	w.town.set(false, append(crowd, lone)...)
	end()
	r.begun, r.over = r.watch.since, r.watch.until
	return r
}

// oneFix is what an edge that falls sick in calm gets: a fix that heals it and is taken back.
func (w *world) oneFix(e *edge) {
	w.t.Helper()
	if !w.trouble(e) {
		w.t.Fatalf("after the storm %s was refused its fix\n%s", e.target(), w.story())
	}
}

// spend makes one edge after the other sick, until the budget refuses. It says whether that was.
func (w *world) spend(edges []*edge) bool {
	w.t.Helper()
	for _, e := range edges {
		if !w.trouble(e) {
			return true
		}
	}
	return false
}

// trouble makes one edge sick until it was fixed, or was refused a fix because the budget is spent, and ends when its incident has.
func (w *world) trouble(e *edge) (fixed bool) {
	w.t.Helper()
	w.town.set(true, e)
	begun := time.Now().UTC().Truncate(time.Millisecond)
	w.must(w.am.notify(w.ctx, news{labels: ofEdge(e, 0), status: "firing", starts: begun}))
	w.until(fixWithin, "the edge is fixed, or the budget is spent", func() (bool, error) {
		if fixed = w.town.well(e); fixed {
			return true, nil
		}
		all, err := w.api.incidents(w.ctx)
		if err != nil {
			return false, err
		}
		for _, s := range all {
			if s.Target == e.target() && s.Stage != "closed" && s.Refused == "budget_spent" {
				return true, nil
			}
		}
		return false, fmt.Errorf("the last incident: %+v", all[len(all)-1])
	})
	w.town.set(false, e)
	w.must(w.am.notify(w.ctx, news{labels: ofEdge(e, 0), status: "resolved", starts: begun, ends: time.Now().UTC().Truncate(time.Millisecond)}))
	w.until(fixWithin, "every alert of an edge was read", w.handled)
	w.until(fixWithin, "every incident has ended", w.ended)
	return fixed
}
