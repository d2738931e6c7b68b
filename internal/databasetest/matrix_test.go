package databasetest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
)

// lanes is how many clusters there are at once: three servers each, on two cores.
const lanes = 3

// longRuns is how often the long run makes each run.
const longRuns = 20

// kase is one run of the table.
type kase struct {
	table string // the one that it is in
	cause string // its row
	name  string
	run   func(r *run)
	// tune changes the policy.
	tune func(s *settings)
	// breaks says that the cluster cannot be used afterwards.
	breaks bool
	v      blackbox.Verdict
	ran    bool
}

// causes are the rows of decision-table 2.1, in its order.
func causes() []kase {
	return []kase{
		{cause: "idle primary", run: idle},
		{cause: "delayed by design", run: delayed},
		{cause: "parameter pause", run: parameterPause, breaks: true},
		{cause: "operator's pause", run: paused},
		{cause: "lost slot", run: lostSlot, breaks: true},
		{cause: "receiver cannot connect", run: cut},
		{cause: "hung receiver", run: hungReceiver, tune: patient},
		{cause: "black-holed link", run: blackHole, tune: patient},
		{cause: "slow link", run: slowLink},
		{cause: "snapshot conflict", run: endsSnapshot},
		{cause: "conflict while little is written", run: quietConflict},
		{cause: "lock conflict", run: endsLock},
		{cause: "write burst", run: burst},
		{cause: "already catching up", run: catchingUp, tune: leisurely},
	}
}

// patient lets a line be silent for long before its standby is too old, as the usual thresholds do.
func patient(s *settings) { s.slo, s.replyAge = 3*time.Second, 2*time.Second }

// leisurely leaves a standby alone that gains, as the usual thresholds do. Its looks are far enough from each other for a busy machine to
// have sent something between them.
func leisurely(s *settings) { s.catchUp, s.sampleEvery = 5*time.Minute, 1500*time.Millisecond }

// The tables.
const (
	tableCauses  = "causes"
	tableAlone   = "left alone"
	tableCrashes = "killed"
	tableDisk    = "disk"
)

// TestLag: each cause of lag is found for what it is, what is done about it is what the table says, and nothing else is touched. What looks
// like lag and is none, or what must not be touched, is left alone. Wherever Firebreak is killed, it ends each session once at most, and puts
// back what it took out. All runs share the clusters, as many as there are lanes.
func TestLag(t *testing.T) {
	matrix(t, map[string][]kase{tableCauses: causes(), tableAlone: negatives(), tableCrashes: crashes()})
}

// matrix makes all runs of some tables, and prints what they came to.
func matrix(t *testing.T, tables map[string][]kase) {
	t.Helper()
	bin := blackbox.Build(t)
	var cases []*kase
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		cases = append(cases, plan(name, tables[name])...)
	}
	// Those that break their cluster come last, when no other one wants it.
	slices.SortStableFunc(cases, func(a, b *kase) int { return cmp.Compare(rank(a), rank(b)) })
	next := make(chan *kase)
	var workers sync.WaitGroup
	for range lanes {
		workers.Go(func() { work(t, bin, next) })
	}
	for _, c := range cases {
		next <- c
	}
	close(next)
	workers.Wait()
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		if text := blackbox.Table(results(name, cases)); text != "" {
			t.Logf("%s\n%s", name, text)
		}
	}
}

func rank(c *kase) int {
	if c.breaks {
		return 1
	}
	return 0
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

// work makes runs one after the other, on one cluster for as long as that is whole.
func work(root *testing.T, bin string, next <-chan *kase) {
	var l *blackbox.Lane
	var b *lab
	end := func() {
		if l != nil {
			l.End()
		}
		l, b = nil, nil
	}
	defer end()
	for c := range next {
		// Run may be called from several goroutines. t.Parallel would allow only as many as there are cores.
		whole := root.Run(c.name, func(t *testing.T) {
			c.ran = true
			defer func() { c.v.Failed = t.Failed() }()
			if l == nil {
				l = blackbox.NewLane(root)
			}
			defer l.Enter(t)()
			if b == nil {
				b = startLab(l, nil)
			} else {
				b.heal()
			}
			s := usual()
			if c.tune != nil {
				c.tune(&s)
			}
			r := newRun(t, b, bin, s, &c.v)
			c.run(r)
			r.judge()
		})
		if !whole || c.breaks {
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
