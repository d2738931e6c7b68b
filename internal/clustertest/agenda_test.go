package clustertest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
)

const (
	agendaKeys = 12
	// agendaEvery is how far each key is moved each time.
	agendaEvery = 300 * time.Millisecond
)

// agendaLoad hands a few keys around between the replicas for ever.
type agendaLoad struct {
	pulse
	w       *world
	agendas []*bus.Agenda

	mu       sync.Mutex // guards the fields below
	moved    map[string]time.Time
	longest  time.Duration
	longestK string
}

func newAgendaLoad(w *world) *agendaLoad {
	w.t.Helper()
	l := &agendaLoad{w: w, agendas: make([]*bus.Agenda, replicas), moved: map[string]time.Time{}}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for r, b := range w.buses {
		a, err := b.Agenda(ctx, "rounds")
		if err != nil {
			w.t.Fatalf("open the agenda of replica %d: %v", r, err)
		}
		l.agendas[r] = a
	}
	for k := range agendaKeys {
		key := fmt.Sprintf("round.%d", k)
		if err := l.agendas[0].Set(ctx, key, time.Now()); err != nil {
			w.t.Fatalf("enter %s: %v", key, err)
		}
		l.moved[key] = time.Now()
	}
	return l
}

func (l *agendaLoad) run(ctx context.Context, r int) {
	a := l.agendas[r]
	err := a.Run(ctx, 2, []string{"round."}, func(ctx context.Context, key string) error {
		began := time.Now()
		ctx, cancel := context.WithTimeout(ctx, attempt)
		defer cancel()
		if err := a.Move(ctx, key, time.Now().Add(agendaEvery)); err != nil {
			l.w.words.add("agenda", err)
			return err
		}
		l.mu.Lock()
		if since := began.Sub(l.moved[key]); since > l.longest {
			l.longest, l.longestK = since, key
		}
		l.moved[key] = began
		l.mu.Unlock()
		l.beat(r, began)
		return nil
	})
	if err != nil {
		l.w.t.Errorf("agenda of replica %d: %v", r, err)
	}
}

// overdue are the keys that were not handed out since then.
func (l *agendaLoad) overdue(since time.Time) (keys []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, at := range l.moved {
		if at.Before(since) {
			keys = append(keys, key)
		}
	}
	return keys
}

// wait is the longest time that a key was left alone since it was asked last.
func (l *agendaLoad) wait() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.longest
	l.longest = 0
	return d
}
