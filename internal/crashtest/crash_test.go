// Package crashtest kills Firebreak. It builds the real binary with crash points, runs it as a process of its own, kills it by
// SIGKILL at each durable step of an incident's way and at random instants, starts it again on the same data, and holds what
// must be true all the same: no acknowledged alert is missing, nothing takes effect twice, what was changed is taken back,
// and the next incident can be answered.
//
// It stands outside: it speaks HTTP to Firebreak and imports nothing of it.
package crashtest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
)

const (
	// parallelCases is how many cases run at the same time. They mostly wait.
	parallelCases = 8
	// longRuns is how often the long run crashes at each point on each target.
	longRuns = 20
)

// point is a place to crash at, and what is legitimate then.
type point struct {
	name string
	// intents is how many changes the first incident arms. Its outcome is always "fixed": the system stays sick until
	// something holds it off, the alert fires until then, and nothing but a fix ends that.
	intents int
	// why it is that number: what recovery does there, with the row of decision-tables.md 4.3.
	why string
	// told says that the dead process may have been talking to the target: what the next one finds depends on the kind of target.
	told bool
}

// points are all crash points on an incident's way, in its order. A kind names the last event of an append: a look that
// decides to act ends in "intended", one that is verified in "held".
func points() []point {
	const (
		again    = "C0: no 200 was sent, so Alertmanager sends it again"
		redeliv  = "C1, C2: the alert is in the journal and is handed out again; it joins"
		rethink  = "C3, C7: nothing is armed; the lock, if taken, is the incident's own; it looks again"
		unsent   = "C8: without issuing nothing was sent; it is gated again and issued once"
		doubt    = "C9: it may have been sent: after the deadline the target proves that it was not, and a second intent is made"
		found    = "C10 to C12: it was sent: after the deadline the target shows it, and it is adopted"
		standing = "C13, C14: it stands; it is verified, held and given back as if nothing had been"
		undoing  = "C15: the undo is compare-and-act and is sent again"
		over     = "C16: it has ended; only the lock and the agenda are left to clear"
	)
	var all []point
	both := func(kind string, before, after point) {
		before.name, after.name = "before:"+kind, "after:"+kind
		all = append(all, before, after)
	}
	same := func(kind, why string) { both(kind, point{intents: 1, why: why}, point{intents: 1, why: why}) }
	all = append(all, point{name: "journal:before", intents: 1, why: again}, point{name: "journal:after", intents: 1, why: again})
	same("opened", redeliv)
	all = append(all, point{name: "take:after", intents: 1, why: redeliv})
	same("decided", rethink)
	both("intended", point{intents: 1, why: rethink}, point{intents: 1, why: unsent})
	both("issuing", point{intents: 1, why: unsent}, point{intents: 2, why: doubt, told: true})
	all = append(all, point{name: "wire:before", intents: 2, why: doubt, told: true}, point{name: "wire:after", intents: 1, why: found, told: true})
	both("applied", point{intents: 1, why: found, told: true}, point{intents: 1, why: standing})
	same("observed", standing)
	same("held", standing)
	both("adjusting", point{intents: 1, why: standing}, point{intents: 1, why: standing, told: true})
	both("adjusted", point{intents: 1, why: standing, told: true}, point{intents: 1, why: standing})
	both("reverting", point{intents: 1, why: standing}, point{intents: 1, why: undoing, told: true})
	all = append(all, point{name: "undo:before", intents: 1, why: undoing, told: true}, point{name: "undo:after", intents: 1, why: undoing, told: true})
	both("reverted", point{intents: 1, why: undoing, told: true}, point{intents: 1, why: undoing})
	same("alert", redeliv)
	same("closed", over)
	return all
}

// kase is one run of the table.
type kase struct {
	name string
	run  func(t *testing.T, v *verdict)
	ran  bool // false if go test -run leaves it out
	v    verdict
}

// TestKilledAnywhere: whenever Firebreak is killed, no acknowledged alert is lost, nothing takes effect twice, every fix is taken
// back, and the next incident is answered.
func TestKilledAnywhere(t *testing.T) {
	bin := blackbox.Build(t)
	cases := plan(t, bin)
	var workers sync.WaitGroup
	next := make(chan *kase)
	for range parallelCases {
		workers.Go(func() {
			for c := range next {
				// Run may be called from several goroutines. t.Parallel would allow only as many as there are cores.
				t.Run(c.name, func(t *testing.T) {
					c.ran = true
					defer func() { c.v.failed = t.Failed() }()
					c.run(t, &c.v)
				})
			}
		})
	}
	for _, c := range cases {
		next <- c
	}
	close(next)
	workers.Wait()
	cases = slices.DeleteFunc(cases, func(c *kase) bool { return !c.ran })
	t.Logf("%d runs:\n%s", len(cases), table(cases))
}

// plan lists all runs. Those that wait longest, for a message to be handed out again, come first.
func plan(t *testing.T, bin string) []*kase {
	t.Helper()
	long := blackbox.Long()
	kills, randoms := 6, 1
	if long {
		kills, randoms = 60, 3
	}
	all := randomCases(t, bin, kills, randoms)
	for i, p := range points() {
		for _, tg := range []target{overHTTP, overLease} {
			for n := range runs(i, p, tg, long) {
				c := &kase{name: fmt.Sprintf("%s/%s/%d", p.name, tg, n+1), v: verdict{point: p.name, target: tg}}
				c.run = func(t *testing.T, v *verdict) { atPoint(t, bin, p, tg, v) }
				all = append(all, c)
			}
		}
	}
	slow := []string{"random", "take:", "before:opened", "after:opened", "before:decided", "after:decided", "before:closed", "after:closed",
		"after:alert"}
	rank := func(c *kase) int {
		if slices.ContainsFunc(slow, func(s string) bool { return strings.HasPrefix(c.v.point, s) }) {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(all, func(a, b *kase) int { return rank(a) - rank(b) })
	return all
}

// runs is how often one crash at the i-th point is tried on a target. A short run crashes at each point once, on one target and the other in
// turn; on both where the target may have been told something.
func runs(i int, p point, tg target, long bool) int {
	turn := []target{overHTTP, overLease}[i%2]
	switch {
	case long:
		return longRuns
	case p.told || tg == turn:
		return 1
	}
	return 0
}

// atPoint is one run: a crash at the point, a restart, and a second sickness that shows that all goes on.
func atPoint(t *testing.T, bin string, p point, tg target, v *verdict) {
	w := newWorld(t, bin, tg)
	armed := w.start(p.name)
	w.ready(armed)
	first := w.background(false)
	patience := time.NewTimer(reachWithin)
	defer patience.Stop()
	select {
	case <-armed.Ended():
	case <-patience.C:
		t.Fatalf("the crash point %s was not reached within %s:\n%s", p.name, reachWithin, w.story())
	}
	if log := armed.Log(); strings.Contains(log, "panic:") || strings.Contains(log, "fatal error:") || strings.Contains(log, "firebreak: ") {
		t.Fatalf("it did not die at %s but by itself", p.name)
	}
	died := death{pid: armed.PID(), at: time.Now(), acked: len(w.am.acknowledged())}

	healed := w.start("")
	w.ready(healed)
	w.finish(first)
	all := w.closed(1)
	v.reached = w.checkReached(p, all[0], died)
	for _, r := range all {
		v.outcomes = append(v.outcomes, r.Summary.Outcome)
	}
	if got := all[0].Count("intended"); got != p.intents {
		v.other = append(v.other, fmt.Sprintf("%d intents, want %d (%s)", got, p.intents, p.why))
	}

	w.finish(w.background(false))
	all = w.closed(2)
	w.judge(v, all, 1)
	for _, r := range all {
		if r.Summary.Outcome != "fixed" {
			v.other = append(v.other, fmt.Sprintf("the outcome of %s is %q, want fixed", r.Summary.ID, r.Summary.Outcome))
		}
	}
	if wrongs := v.wrongs(); len(wrongs) > 0 {
		t.Errorf("killed at %s:\n%s\n%s", p.name, strings.Join(wrongs, "\n"), w.story())
	}
}
