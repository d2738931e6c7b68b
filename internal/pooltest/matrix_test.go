package pooltest

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
)

// lanes is how many clusters there are at once: two servers and a pooler each, on two cores.
const lanes = 3

// longRuns is how often the long run makes each run.
const longRuns = 20

// kase is one run of the table.
type kase struct {
	table string // the one that it is in
	cause string // its row
	name  string
	run   func(r *run)
	// tune changes the pooler and the policy.
	tune func(s *settings)
	v    blackbox.Verdict
	ran  bool
}

// The tables.
const (
	tableCauses  = "causes"
	tableAlone   = "left alone"
	tableCrashes = "killed"
)

// TestPools: each cause of waiting is found for what it is, what is done about it is what the table says, and nothing else is touched. What
// must not be touched is left alone, and what a person does is never overwritten. Wherever Firebreak is killed, it ends each session once
// at most, and takes back what it made larger. All runs share the clusters, as many as there are lanes. Then a leak meets a system under
// load, and the dead-man is killed.
func TestPools(t *testing.T) {
	bin := blackbox.Build(t)
	matrix(t, bin, map[string][]kase{tableCauses: causes(), tableAlone: negatives(), tableCrashes: crashes()})
	t.Run("deadman", func(t *testing.T) { deadman(t, bin) })
	t.Run("load", func(t *testing.T) { underLoad(t, bin) })
}

// matrix makes all runs of some tables, and prints what they came to.
func matrix(t *testing.T, bin string, tables map[string][]kase) {
	t.Helper()
	var cases []*kase
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		cases = append(cases, plan(name, tables[name])...)
	}
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
				b = startLab(l)
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
		if !whole {
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
