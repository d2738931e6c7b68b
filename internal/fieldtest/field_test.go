package fieldtest

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
)

const (
	shortRuns, longRuns = 3, 20
	// atOnce is how many faults there are at a time, but for those that mostly wait.
	atOnce = 2
)

// TestField makes each fault for real, and follows it to its end.
func TestField(t *testing.T) {
	bin := blackbox.Build(t)
	all := faults()
	tables := make([]string, len(all))
	places := make(chan struct{}, atOnce)
	var work sync.WaitGroup
	for i, f := range all {
		work.Go(func() {
			if f.worlds == 0 {
				places <- struct{}{}
				defer func() { <-places }()
			}
			// Not by t.Parallel, which would have those that mostly wait take the places of the others.
			t.Run(f.name, func(t *testing.T) { tables[i] = f.tried(t, bin).table() })
		})
	}
	work.Wait()
	publish(t, slices.DeleteFunc(tables, func(s string) bool { return s == "" }))
}

// part is some of a fault's runs, which follow each other in one world.
type part struct {
	newer bool
	runs  int
}

// parts are all runs of a fault: in a short test by one Alertmanager, in a long one half by each, and by either where worlds are beside
// each other.
func (f fault) parts() []part {
	runs := shortRuns
	if blackbox.Long() {
		runs = longRuns
	}
	if f.worlds == 0 {
		if blackbox.Long() {
			return []part{{false, runs / 2}, {true, runs - runs/2}}
		}
		return []part{{f.newer, runs}}
	}
	parts := make([]part, f.worlds)
	for i := range parts {
		parts[i] = part{newer: i%2 == 1, runs: runs / f.worlds}
		if i < runs%f.worlds {
			parts[i].runs++
		}
	}
	return parts
}

// tried makes all runs of a fault.
func (f fault) tried(t *testing.T, bin string) *done {
	t.Helper()
	d := &done{fault: f}
	var work sync.WaitGroup
	for i, p := range f.parts() {
		try := func() { t.Run(fmt.Sprintf("world %d", i+1), func(t *testing.T) { f.series(t, bin, p, d) }) }
		if f.worlds > 0 {
			work.Go(try)
		} else {
			try()
		}
	}
	work.Wait()
	return d
}

// series makes runs one after the other in one world. What comes after a run that failed would fail for the same reason, or for none.
func (f fault) series(t *testing.T, bin string, p part, d *done) {
	t.Helper()
	w := newWorld(t, bin, f, p.newer)
	d.by(t, w)
	for i := range p.runs {
		if !t.Run(fmt.Sprintf("run %d", i+1), func(t *testing.T) { d.add(w.newRun(t).fixed()) }) {
			return
		}
	}
	if f.alone != nil {
		t.Run("left to a person", func(t *testing.T) { w.newRun(t).leftAlone() })
	}
	w.nothingMore(t)
}
