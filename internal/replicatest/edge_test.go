package replicatest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/common/model"
)

const (
	// rate is how many calls a second each instance makes, sick or well.
	rate = 4000
	// cure is how long all instances must be kept off the dependency until its queue is worked off and the storm is over.
	cure = 150 * time.Millisecond
	// tick is the step in which the simulation moves.
	tick = time.Millisecond
)

// edge is the calls of one service to payments. In the storm every call is tried three times and hardly one ends well, until all
// instances are held off for a while. What its counters show follows from what really stands, and from nothing that Firebreak says.
//
// It is also the witness: it writes down what was done to it, and removes no repetition.
type edge struct {
	service string
	// leased says that its instance reads its change from a lease in the cluster's NATS; the others are told over HTTP.
	leased bool
	urls   []string

	mu        sync.Mutex // guards the fields below
	at        time.Time  // until when the counters are right
	sick      bool
	relieved  time.Duration
	instances []instance
	marks     []mark
	refusals  []mark
	wrongs    []string
}

// instance is one copy of the service.
type instance struct {
	change   change
	effects  map[string]int // by action: how often its change came to stand
	fence    uint64
	counters counters
}

// counters only rise; they are what the probe reads.
type counters struct {
	Calls     float64 `json:"calls"`
	Attempts  float64 `json:"attempts"`
	Successes float64 `json:"successes"`
	Failures  float64 `json:"failures"`
}

// change is what stands at an instance; the zero change is none.
type change struct {
	action   string
	released int
	until    time.Time
	fence    uint64 // zero where the target is not told
}

// mark is one effect, or a command that was refused.
type mark struct {
	service  string
	instance int
	action   string
	at, end  time.Time // end is zero while it stands
}

func newEdge(service string, instances int, leased bool) *edge {
	e := &edge{service: service, leased: leased, at: time.Now(), instances: make([]instance, instances)}
	for i := range e.instances {
		e.instances[i].effects = map[string]int{}
	}
	return e
}

func (e *edge) labels() model.LabelSet {
	return model.LabelSet{"alertname": "RetryStorm", "service": model.LabelValue(e.service), "edge": "payments"}
}

func (e *edge) fingerprint() string { return e.labels().Fingerprint().String() }

// fall makes it sick.
func (e *edge) fall() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.advance(time.Now())
	e.sick, e.relieved = true, 0
}

// hold puts a change in force on an instance. It is false if another one stands there. fresh says that it was ordered to begin, which
// it must be only once.
func (e *edge) hold(i int, c change, fresh bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.advance(time.Now())
	return e.take(i, c, fresh)
}

// end takes the change of an instance away if it is that action's.
func (e *edge) end(i int, action string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.advance(time.Now())
	if e.instances[i].change.action != action {
		return false
	}
	e.clear(i, e.at)
	return true
}

func (e *edge) look(i int) (change, counters) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.advance(time.Now())
	return e.instances[i].change, e.instances[i].counters
}

// well says whether the storm is over and nothing stands: only then does the alert resolve.
func (e *edge) well() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.advance(time.Now())
	return !e.sick && e.standing() == 0
}

// stands is the action that stands at an instance, "" if none does.
func (e *edge) stands() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.advance(time.Now())
	for _, in := range e.instances {
		if in.change.action != "" {
			return in.change.action
		}
	}
	return ""
}

// testimony is what was seen since it was asked last.
func (e *edge) testimony() (marks, refusals []mark, wrongs []string, standing int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.advance(time.Now())
	marks, refusals, wrongs, standing = e.marks, e.refusals, e.wrongs, e.standing()
	e.marks, e.refusals, e.wrongs = nil, nil, nil
	return slices.Clone(marks), refusals, wrongs, standing
}

// The methods below need the lock.

func (e *edge) wrong(format string, args ...any) {
	e.wrongs = append(e.wrongs, e.service+": "+fmt.Sprintf(format, args...))
}

func (e *edge) standing() int {
	n := 0
	for _, in := range e.instances {
		if in.change.action != "" {
			n++
		}
	}
	return n
}

// clear ends what stands at an instance.
func (e *edge) clear(i int, at time.Time) {
	for m := range e.marks {
		if mk := &e.marks[m]; mk.instance == i && mk.end.IsZero() {
			mk.end = at
		}
	}
	e.instances[i].change = change{}
}

// take is what hold does, at the moment until which the counters are right.
func (e *edge) take(i int, c change, fresh bool) bool {
	in := &e.instances[i]
	switch {
	case in.change.action != "" && in.change.action != c.action:
		e.refusals = append(e.refusals, mark{service: e.service, instance: i, action: c.action, at: e.at})
		return false
	case in.change.action == c.action && fresh:
		e.wrong("instance %d: action %s was sent again while it stands", i, c.action)
	case in.change.action == "" && !fresh:
		e.refusals = append(e.refusals, mark{service: e.service, instance: i, action: c.action, at: e.at})
		return false
	case in.change.action == "":
		if in.effects[c.action]++; in.effects[c.action] > 1 {
			e.wrong("instance %d: action %s took effect %d times", i, c.action, in.effects[c.action])
		}
		e.marks = append(e.marks, mark{service: e.service, instance: i, action: c.action, at: e.at})
	}
	if c.fence < in.fence {
		e.wrong("instance %d: the fence fell from %d to %d", i, in.fence, c.fence)
	}
	in.change, in.fence = c, max(in.fence, c.fence)
	return true
}

// advance moves the simulation on.
func (e *edge) advance(now time.Time) {
	for ; e.at.Before(now); e.at = e.at.Add(tick) {
		closed := 0
		for i := range e.instances {
			in := &e.instances[i]
			if in.change.action != "" && !e.at.Before(in.change.until) {
				e.clear(i, e.at) // a change ends by itself, whoever lives
			}
			if in.change.action != "" && in.change.released == 0 {
				closed++
			}
			in.count(e.sick)
		}
		e.relieve(closed == len(e.instances))
	}
}

func (e *edge) relieve(all bool) {
	if !all {
		e.relieved = 0
		return
	}
	if e.relieved += tick; e.relieved >= cure {
		e.sick = false
	}
}

// count is one tick of calls. Those that are held off fail at once and are never tried.
func (in *instance) count(sick bool) {
	calls := rate * tick.Seconds()
	through := calls
	if in.change.action != "" {
		through = calls * float64(in.change.released) / 100
	}
	attempts, successes := through, through
	if sick {
		attempts, successes = 3*through, through/5
	}
	in.counters.Calls += calls
	in.counters.Attempts += attempts
	in.counters.Successes += successes
	in.counters.Failures += attempts - successes
}
