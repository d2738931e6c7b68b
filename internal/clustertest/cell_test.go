package clustertest

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
)

// cellLoad lets all replicas change one document. Each writes the number of its own change into its own place, so every change
// sees whether the replica's last acknowledged one is still there.
type cellLoad struct {
	pulse
	w     *world
	cells []*bus.Cell
	asked atomic.Int64

	mu    sync.Mutex // guards the field below
	acked [replicas]int
}

// document has a place for each replica.
type document [replicas]int

func newCellLoad(w *world) *cellLoad {
	w.t.Helper()
	l := &cellLoad{w: w, cells: make([]*bus.Cell, replicas)}
	errs := make([]error, replicas)
	var wg sync.WaitGroup
	for r, b := range w.buses {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			l.cells[r], errs[r] = b.Cell(ctx, "contended", "cell")
		})
	}
	wg.Wait()
	for r, err := range errs {
		if err != nil {
			w.t.Fatalf("open the cell of replica %d: %v", r, err)
		}
	}
	return l
}

func decodeDocument(data []byte) (d document, err error) {
	if data == nil {
		return d, nil
	}
	err = json.Unmarshal(data, &d)
	return d, err
}

func (l *cellLoad) run(ctx context.Context, r int) {
	n := 0
	each(ctx, pace, func(ctx context.Context) {
		n++
		began := time.Now()
		var base document // what the accepted change was made of
		err := l.cells[r].Change(ctx, func(data []byte) ([]byte, error) {
			l.asked.Add(1)
			var err error
			if base, err = decodeDocument(data); err != nil {
				return nil, err
			}
			next := base
			next[r] = n
			return json.Marshal(next)
		})
		if err != nil {
			l.w.words.add("cell", err)
			return
		}
		l.mu.Lock()
		before := l.acked[r]
		l.acked[r] = n
		l.mu.Unlock()
		if base[r] < before {
			l.w.t.Errorf("cell: replica %d changed a document that has its change %d, but %d was acknowledged", r, base[r], before)
		}
		l.beat(r, began)
	})
}

// verify reads the document at last.
func (l *cellLoad) verify() {
	l.w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := l.cells[0].Change(ctx, func(data []byte) ([]byte, error) { // a change, since reading may lag
		d, err := decodeDocument(data)
		if err != nil {
			return nil, err
		}
		for r := range replicas {
			if d[r] < l.acked[r] {
				return nil, fmt.Errorf("replica %d's change %d was acknowledged, but %d is kept", r, l.acked[r], d[r])
			}
		}
		return data, nil
	})
	if err != nil {
		l.w.t.Errorf("cell: %v", err)
	}
	l.w.t.Logf("cell: %d changes acknowledged, after asking %d times what to write", len(l.beats), l.asked.Load())
}
