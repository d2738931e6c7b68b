package clustertest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
)

// journalLoad appends lines to the alerts' journal, steadily and by every replica.
type journalLoad struct {
	pulse
	w        *world
	journals []*bus.Journal

	mu    sync.Mutex // guards the fields below
	tried int
	acked []string
}

func newJournalLoad(w *world) *journalLoad {
	l := &journalLoad{w: w}
	for _, b := range w.buses {
		l.journals = append(l.journals, b.Journal())
	}
	return l
}

func (l *journalLoad) run(ctx context.Context, r int) {
	j := l.journals[r]
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = j.Run(ctx)
	}()
	defer func() { <-done }()
	each(ctx, journalPace, func(ctx context.Context) {
		l.mu.Lock()
		l.tried++
		line := fmt.Sprintf("r%d-%d", r, l.tried)
		l.mu.Unlock()
		began := time.Now()
		if err := j.Append(ctx, []byte(line+"\n")); err != nil {
			l.w.words.add("journal", err)
			return
		}
		l.mu.Lock()
		l.acked = append(l.acked, line)
		l.mu.Unlock()
		l.beat(r, began)
	})
}

// verify reads the whole stream and looks for every acknowledged line.
func (l *journalLoad) verify() {
	l.w.t.Helper()
	kept := map[string]bool{}
	last := uint64(0)
	l.w.follow(bus.Past{Stream: bus.Alerts}, func(m bus.Msg) {
		if m.Seq != last+1 {
			l.w.t.Errorf("the journal goes from %d to %d, want no gap", last, m.Seq)
		}
		last = m.Seq
		for line := range strings.Lines(string(m.Data)) {
			kept[strings.TrimSuffix(line, "\n")] = true
		}
	})
	lost := 0
	for _, line := range l.acked {
		if !kept[line] {
			lost++
		}
	}
	if lost > 0 {
		l.w.t.Errorf("%d of %d acknowledged lines are not in the journal", lost, len(l.acked))
	}
	l.w.t.Logf("journal: %d lines tried, %d acknowledged, %d kept, %d acknowledged and lost", l.tried, len(l.acked), len(kept), lost)
}

// follow reads a stream's past, anew if that fails in the middle.
func (w *world) follow(p bus.Past, fn func(bus.Msg)) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := w.buses[0].Follow(ctx, p, func(m bus.Msg) error { fn(m); return nil }); err != nil {
		w.t.Errorf("read %s: %v", p.Stream, err)
	}
}
