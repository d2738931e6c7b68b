package drifttest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// longRuns is how often the long run makes each run.
const longRuns = 20

// lanes are how many stores there are in Redis at once, and how many in PostgreSQL. Runs mostly wait.
func lanes() (redis, postgres int) {
	if blackbox.Long() {
		return 8, 3
	}
	return 5, 2
}

// kase is one run of the table.
type kase struct {
	table string // the one that it is in
	cause string // its row
	name  string
	run   func(r *run)
	// tune changes the policy.
	tune func(s *settings)
	// last is how many sessions the last node has, few if it is zero.
	last int
	v    blackbox.Verdict
	ran  bool
}

// The tables. The runs of one that ends in inPostgres are made there, the others in Redis.
const (
	tableActs    = "acts"
	tableAlone   = "left alone"
	tableCrashes = "killed"
	inPostgres   = " in PostgreSQL"
)

// acts are the causes about which something is done.
func acts() []kase {
	return []kase{
		{cause: "orphans, waited for", run: waited},
		{cause: "recovered", run: recovers, tune: recovering, last: 2 * few},
		{cause: "more orphans than the bound", run: manyOrphans, last: many},
		{cause: "orphans", run: orphans},
		{cause: "owner not registered", run: unregistered},
		{cause: "comes back", run: comesBack, tune: wary},
		{cause: "partition after the change", run: partedLater, tune: wary},
		{cause: "dominated copies", run: dominated},
		{cause: "concurrent copies, consented", run: setAside, tune: settingAside},
		{cause: "lost on the replica", run: lostOnReplica},
		{cause: "older on the replica", run: olderOnReplica},
	}
}

// alone are what looks like drift and is none, and what a person must see to.
func alone() []kase {
	return slices.Concat(shaken(), []kase{
		{cause: "node's clock behind", run: nodeBehind},
		{cause: "node's clock ahead", run: nodeAhead},
		{cause: "store's clock behind", run: storeBehind},
		{cause: "membership unstable", run: unstable, tune: slowly},
		{cause: "nobody says", run: nobodySays},
		{cause: "healthy", run: healthy},
		{cause: "older copies, renewed", run: dominatedRenewed},
		{cause: "equal copies", run: equal},
		{cause: "concurrent copies", run: conflict},
		{cause: "replica ahead", run: aheadOnReplica},
		{cause: "replica promoted", run: promoted},
		{cause: "replica down", run: redisDown},
		{cause: "replica hung", run: redisHung},
		{cause: "replica behind", run: redisSlow},
		{cause: "replica's link slow", run: redisDelayed},
		{cause: "store hung", run: storeHung},
	})
}

// shaken are those in which the cluster is not whole, or not at rest.
func shaken() []kase {
	return []kase{
		{cause: "partition, small side", run: smallSide},
		{cause: "partition, large side", run: largeSide},
		{cause: "cut off from the store", run: cutFromStore},
		{cause: "cut off from the nodes", run: cutFromNodes},
		{cause: "partition's alert", run: alertFires},
		{cause: "too many", run: tooMany},
		{cause: "half of the nodes dead", run: halfDie},
		{cause: "deploy", run: deploys, tune: slowly},
	}
}

// crashes are the places at which a process dies that changes something.
func crashes() []kase {
	rows := []kase{{cause: "recover, between stages", run: killedRecover, tune: recovering, last: 2 * few}}
	for _, p := range killedPoints() {
		rows = append(rows, kase{cause: "quarantine, " + p, run: killedQuarantine(p)}, kase{cause: "reconcile, " + p, run: killedReconcile(p)})
	}
	for _, p := range []string{"undo:before", "undo:after"} {
		rows = append(rows, kase{cause: "quarantine, " + p, run: killedUndo(p), tune: wary})
	}
	return rows
}

// inTable are the runs that are made in PostgreSQL too: those in which the store matters.
func inTable() map[string][]kase {
	return map[string][]kase{
		tableActs + inPostgres: {
			{cause: "orphans", run: orphans}, {cause: "comes back", run: comesBack, tune: wary}, {cause: "dominated copies", run: dominated},
			{cause: "recovered", run: recovers, tune: recovering, last: 2 * few},
		},
		tableAlone + inPostgres: slices.Concat(shaken(), []kase{
			{cause: "standby down", run: standbyDown}, {cause: "standby's link held", run: standbySlow}, {cause: "standby's replay paused", run: standbyLate},
		}),
		tableCrashes + inPostgres: {{cause: "quarantine, wire:after", run: killedQuarantine("wire:after")}},
	}
}

// recovering allows orphans to be given to another owner.
func recovering(s *settings) { s.allow = append(s.allow, "recover") }

// settingAside allows all copies of a session to be set aside.
func settingAside(s *settings) { s.allow = append(s.allow, "set_aside") }

// slowly lets a membership have to stand for longer than a run takes.
func slowly(s *settings) { s.stable = 40 * time.Second }

// wary looks at the effect for longer than a node is away.
func wary(s *settings) { s.holdFor, s.verifyWithin = 20*time.Second, 45*time.Second }

// TestDrift: each cause of drift is found for what it is, what is done about it is what the table says, and nothing else is touched. What looks
// like orphans and is a partition is left alone, always. Wherever Firebreak is killed, it touches no more than it may, once, and what it took
// can be given back.
func TestDrift(t *testing.T) {
	tables := inTable()
	tables[tableActs], tables[tableAlone], tables[tableCrashes] = acts(), alone(), crashes()
	redis, postgres := lanes()
	order := []string{tableActs, tableCrashes, tableAlone}
	bin := blackbox.Build(t)
	var all []*kase
	var workers sync.WaitGroup
	for _, place := range []struct {
		suffix string
		lanes  int
		start  func(testbed.TB) store
	}{
		{"", redis, func(tb testbed.TB) store { return startRedis(tb) }},
		{inPostgres, postgres, func(tb testbed.TB) store { return startPostgres(tb) }},
	} {
		var cases []*kase
		for _, name := range order {
			cases = append(cases, plan(name+place.suffix, tables[name+place.suffix])...)
		}
		all = append(all, cases...)
		next := make(chan *kase, len(cases))
		for _, c := range cases {
			next <- c
		}
		close(next)
		for range place.lanes {
			workers.Go(func() { work(t, bin, place.start, next) })
		}
	}
	workers.Wait()
	for _, name := range order {
		for _, table := range []string{name, name + inPostgres} {
			if text := blackbox.Table(results(table, all)); text != "" {
				t.Logf("%s\n%s", table, text)
			}
		}
	}
}

// plan lists all runs of a table.
func plan(table string, rows []kase) []*kase {
	n := 1
	if blackbox.Long() {
		n = longRuns
	}
	var all []*kase
	for i := range n {
		for _, row := range rows {
			c := row
			c.table, c.name = table, fmt.Sprintf("%s/%s/%d", table, row.cause, i+1)
			all = append(all, &c)
		}
	}
	return all
}

// work makes runs one after the other, on one store for as long as that is whole.
func work(root *testing.T, bin string, start func(testbed.TB) store, next <-chan *kase) {
	var b *lab
	end := func() {
		if b != nil {
			b.End()
		}
		b = nil
	}
	defer end()
	for c := range next {
		// Run may be called from several goroutines. t.Parallel would allow only as many as there are cores.
		if !root.Run(c.name, func(t *testing.T) {
			c.ran = true
			defer func() { c.v.Failed = t.Failed() }()
			if b == nil {
				b = &lab{Lane: blackbox.NewLane(root)}
			}
			defer b.Enter(t)()
			if b.store == nil {
				b.store = start(b)
			}
			s := usual()
			if c.tune != nil {
				c.tune(&s)
			}
			last := c.last
			if last == 0 {
				last = few
			}
			r := newRun(t, b, bin, s, last, &c.v)
			c.run(r)
			r.judge()
		}) {
			end()
		}
	}
}

// results are what the runs of one table came to that were made: go test -run leaves others out.
func results(table string, cases []*kase) []blackbox.Result {
	var all []blackbox.Result
	for _, c := range cases {
		if c.ran && c.table == table {
			all = append(all, blackbox.Result{Cause: c.cause, Verdict: c.v})
		}
	}
	return all
}
