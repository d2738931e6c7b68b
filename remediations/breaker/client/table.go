package client

import (
	"sync"
	"time"
)

// table is what the client knows: its edges, and the leases by the edge that they name, which may be one that the service
// has not asked for yet.
type table struct {
	mu    sync.Mutex
	edges map[string]*Edge
	holds map[string]*hold
}

func (t *table) edge(name string) (e *Edge, isNew bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, known := t.edges[name]
	if !known {
		e = &Edge{name: name}
		e.held.Store(t.holds[name])
		t.edges[name] = e
	}
	return e, !known
}

func (t *table) all() []*Edge {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]*Edge, 0, len(t.edges))
	for _, e := range t.edges {
		all = append(all, e)
	}
	return all
}

// hold puts h in force if it is newer than what is in force there, and says whether it did.
func (t *table) hold(name string, make func(before *hold) *hold, revision uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.holds[name]
	if before != nil && before.revision >= revision {
		return false
	}
	h := make(before)
	t.holds[name] = h
	t.publish(name, h)
	return true
}

// release ends what is in force on an edge if it is not newer than revision, and returns it.
func (t *table) release(name string, revision uint64) *hold {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.holds[name]
	if h == nil || h.revision > revision {
		return nil
	}
	delete(t.holds, name)
	t.publish(name, nil)
	return h
}

// expired ends what has passed its deadline, and says when to look again: zero if nothing is held.
func (t *table) expired(now time.Time) (ended map[string]*hold, next time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ended = map[string]*hold{}
	for name, h := range t.holds {
		switch {
		case !now.Before(h.ends):
			ended[name] = h
			delete(t.holds, name)
			t.publish(name, nil)
		case next.IsZero() || h.ends.Before(next):
			next = h.ends
		}
	}
	return ended, next
}

// names are the edges that are held.
func (t *table) names() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	names := make([]string, 0, len(t.holds))
	for name := range t.holds {
		names = append(names, name)
	}
	return names
}

func (t *table) publish(name string, h *hold) {
	if e := t.edges[name]; e != nil {
		e.held.Store(h)
	}
}
