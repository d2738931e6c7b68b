package clustertest

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// readerLoad is one durable reader of the journal, shared by all replicas.
type readerLoad struct {
	pulse
	w *world

	mu   sync.Mutex // guards the field below
	read map[string]int
}

func newReaderLoad(w *world) *readerLoad { return &readerLoad{w: w, read: map[string]int{}} }

func (l *readerLoad) run(ctx context.Context, r int) {
	for ctx.Err() == nil {
		err := l.w.buses[r].Work(ctx, bus.Work{Stream: bus.Alerts, Durable: "reader"}, func(_ context.Context, m bus.Msg) error {
			l.mu.Lock()
			defer l.mu.Unlock()
			for line := range strings.Lines(string(m.Data)) {
				l.read[strings.TrimSuffix(line, "\n")]++
			}
			l.beat(r, time.Now())
			return nil
		})
		if err != nil {
			l.w.words.add("reader", err)
		}
	}
}

// verify waits until everything that was acknowledged was handed out, and says how much of it more than once.
func (l *readerLoad) verify() {
	l.w.t.Helper()
	missing := func() (n int) {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, line := range l.w.journal.acked {
			if l.read[line] == 0 {
				n++
			}
		}
		return n
	}
	testbed.Await(l.w.t, patience, "every acknowledged line at the reader", func() bool { return missing() == 0 })
	again := 0
	for _, n := range l.read {
		again += n - 1
	}
	l.w.t.Logf("reader: %d lines, %d deliveries more than one each", len(l.read), again)
}
