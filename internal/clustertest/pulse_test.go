package clustertest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// pulse is every acknowledgement of one kind.
type pulse struct {
	mu    sync.Mutex // guards the field below
	beats []beat     // in the order of their ends
}

// beat is one acknowledged call.
type beat struct {
	replica    int
	began, end time.Time
}

func (p *pulse) beat(replica int, began time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.beats = append(p.beats, beat{replica, began, time.Now()})
}

// next is how long after since the first call was acknowledged that had not begun before.
func (p *pulse) next(since time.Time) (time.Duration, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.beats {
		if !b.began.Before(since) {
			return b.end.Sub(since), true
		}
	}
	return 0, false
}

// nextOf says whether a replica had such a call.
func (p *pulse) nextOf(replica int, since time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.beats, func(b beat) bool { return b.replica == replica && !b.began.Before(since) })
}

// gap is the longest time between from and to without an acknowledgement, of one replica or of all (-1).
func (p *pulse) gap(from, to time.Time, replica int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	last, longest := from, time.Duration(0)
	for _, b := range p.beats {
		if b.end.Before(from) || b.end.After(to) || replica >= 0 && b.replica != replica {
			continue
		}
		longest, last = max(longest, b.end.Sub(last)), b.end
	}
	return max(longest, to.Sub(last))
}

// words counts what calls failed with.
type words struct {
	mu sync.Mutex // guards the field below
	n  map[string]int
}

func (w *words) add(load string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.n == nil {
		w.n = map[string]int{}
	}
	text := err.Error()
	if i := strings.LastIndex(text, ": "); i >= 0 {
		text = text[i+2:]
	}
	w.n[load+": "+text]++
}

// take gives the words since the last time, and forgets them.
func (w *words) take() string {
	text := w.String()
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.n)
	return text
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, text := range slices.Sorted(maps.Keys(w.n)) {
		out = append(out, fmt.Sprintf("%s ×%d", text, w.n[text]))
	}
	return strings.Join(out, "; ")
}
