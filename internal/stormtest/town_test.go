package stormtest

import (
	"fmt"
	"sync"
	"time"
)

const (
	// rate is how many calls a second each edge has, sick or well.
	rate = 4000
	// cure is how long an edge must be held off until its storm of retries is over.
	cure = 150 * time.Millisecond
	// tick is the step in which the simulation moves.
	tick = time.Millisecond
)

// town is all services. It is also the witness: it writes down when each change began and ended, and it forgives nothing.
type town struct {
	mu      sync.Mutex // guards the fields below, and all edges but their names
	edges   []*edge
	effects []*effect
	wrongs  []string
}

// edge is the calls of one service to one other. In a storm each call is tried three times and hardly one ends well; that ends only
// when the edge is held off for a while.
type edge struct {
	service, name, zone string

	at       time.Time // until when the counters are right
	sick     bool
	relieved time.Duration
	change   change
	counters counters
}

// counters only rise; they are what the probe reads.
type counters struct {
	Calls     float64 `json:"calls"`
	Attempts  float64 `json:"attempts"`
	Successes float64 `json:"successes"`
	Failures  float64 `json:"failures"`
}

// change is what stands at an edge; the zero change is none.
type change struct {
	action   string
	released int
	until    time.Time
	effect   *effect
}

// effect is one change from its beginning to its end, which is zero while it stands.
type effect struct {
	edge     *edge
	action   string
	from, to time.Time
}

// newTown builds twenty services with two edges each, in four zones: twelve edges in a, ten in b and in d, eight in c.
func newTown() *town {
	t := &town{}
	for _, zone := range []struct {
		name     string
		services int
	}{{"a", 6}, {"b", 5}, {"c", 4}, {"d", 5}} {
		for s := range zone.services {
			for _, name := range []string{"orders", "stock"} {
				t.edges = append(t.edges, &edge{service: fmt.Sprintf("%s%d", zone.name, s), name: name, zone: zone.name, at: time.Now()})
			}
		}
	}
	return t
}

// in are the edges of the zones.
func (t *town) in(zones ...string) []*edge {
	var found []*edge
	for _, e := range t.edges {
		for _, z := range zones {
			if e.zone == z {
				found = append(found, e)
			}
		}
	}
	return found
}

func (e *edge) target() string { return e.service + "/" + e.name }

// set makes edges sick or well.
func (t *town) set(sick bool, edges ...*edge) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range edges {
		t.catchUp(e)
		e.sick, e.relieved = sick, 0
	}
}

// standing says whether a change stands at the edge.
func (t *town) standing(e *edge) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.catchUp(e)
	return e.change.action != ""
}

// well says that the edge is not sick and that nothing stands there.
func (t *town) well(e *edge) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.catchUp(e)
	return !e.sick && e.change.action == ""
}

// testimony is all that was seen until now.
func (t *town) testimony() (effects []effect, wrongs []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.edges {
		t.catchUp(e)
	}
	for _, f := range t.effects {
		effects = append(effects, *f)
	}
	return effects, append([]string(nil), t.wrongs...)
}

// look is what an edge's page shows.
func (t *town) look(e *edge) (counters, change) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.catchUp(e)
	return e.counters, e.change
}

// hold puts a change in force; fresh says that it was ordered to begin, which it must be only once. It is false if the edge does
// not take it.
func (t *town) hold(e *edge, c change, fresh bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.catchUp(e)
	switch stands := e.change.action; {
	case stands != "" && stands != c.action:
		t.wrong("%s: action %s came while %s stands", e.target(), c.action, stands)
		return false
	case stands == c.action && fresh:
		t.wrong("%s: action %s was sent again while it stands", e.target(), c.action)
	case stands == "" && !fresh:
		t.wrong("%s: action %s was adjusted while it does not stand", e.target(), c.action)
		return false
	case stands == "":
		for _, f := range t.effects {
			if f.action == c.action {
				t.wrong("%s: action %s took effect twice", e.target(), c.action)
			}
		}
		t.effects = append(t.effects, &effect{edge: e, action: c.action, from: e.at})
		e.change.effect = t.effects[len(t.effects)-1]
	}
	c.effect = e.change.effect
	e.change = c
	return true
}

// end takes the change of an edge away if it is that action's.
func (t *town) end(e *edge, action string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.catchUp(e)
	if action == "" || e.change.action != action {
		return false
	}
	e.lift()
	return true
}

// The methods below need the lock.

func (t *town) wrong(format string, args ...any) {
	t.wrongs = append(t.wrongs, fmt.Sprintf(format, args...))
}

// catchUp moves an edge on to now.
func (t *town) catchUp(e *edge) {
	for now := time.Now(); e.at.Before(now); e.at = e.at.Add(tick) {
		if e.change.action != "" && !e.at.Before(e.change.until) {
			t.wrong("%s: action %s ended by itself and was not taken back", e.target(), e.change.action)
			e.lift()
		}
		if e.change.action == "" || e.change.released > 0 {
			e.relieved = 0
		} else if e.relieved += tick; e.relieved >= cure {
			e.sick = false
		}
		e.count()
	}
}

func (e *edge) lift() {
	e.change.effect.to = e.at
	e.change = change{}
}

// count is one tick of calls. Those that are held off fail at once and are never tried.
func (e *edge) count() {
	calls := rate * tick.Seconds()
	through := calls
	if e.change.action != "" {
		through = calls * float64(e.change.released) / 100
	}
	attempts, successes := through, through
	if e.sick {
		attempts, successes = 3*through, through/5
	}
	e.counters.Calls += calls
	e.counters.Attempts += attempts
	e.counters.Successes += successes
	e.counters.Failures += attempts - successes
}
