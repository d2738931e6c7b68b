package crashtest

import (
	"fmt"
	"sync"
	"time"
)

const (
	// rate is how many calls a second each instance of checkout makes to payments, sick or well.
	rate = 4000
	// cure is how long all instances must be kept off payments until its queue is worked off and the storm is over.
	cure = 150 * time.Millisecond
	// tick is the step in which the simulation moves.
	tick = time.Millisecond
)

// patient is the system that falls sick: the calls of the instances of checkout to payments. In the storm every call is tried
// three times and hardly one ends well, and that does not end by itself. It ends when all instances are held off for a while.
// What its counters show follows from what really stands at the instances, and from nothing that Firebreak says.
//
// It is also the witness: it writes down what was done to it, and it does not forgive. It removes no repetition by its
// idempotency key, so that whatever is sent twice is seen twice.
type patient struct {
	mu        sync.Mutex // guards the fields below
	at        time.Time  // until when the counters are right
	sick      bool
	relieved  time.Duration
	instances []instance
	marks     []mark
	// wrongs are effects that must not be: second ones, and foreign ones over a standing one.
	wrongs []string
	// leases is where the change is read from; nil if the instances are told over HTTP.
	leases *leases
}

// instance is one copy of checkout.
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
	// fence is zero where the target is not told.
	fence uint64
}

// mark is the beginning of one effect.
type mark struct {
	at       time.Time
	instance int
	action   string
}

func newPatient(instances int, l *leases) *patient {
	p := &patient{at: time.Now(), instances: make([]instance, instances), leases: l}
	for i := range p.instances {
		p.instances[i].effects = map[string]int{}
	}
	return p
}

// fall makes the system sick.
func (p *patient) fall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.catchUp()
	p.sick, p.relieved = true, 0
}

// hold puts a change in force on an instance. It is false if somebody else's stands there; fresh says that a change was ordered
// to begin, which it must do only once.
func (p *patient) hold(i int, c change, fresh bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.catchUp()
	return p.take(i, c, fresh)
}

// end takes the change of an instance away if it is that action's.
func (p *patient) end(i int, action string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.catchUp()
	in := &p.instances[i]
	if in.change.action != action {
		return false
	}
	in.change = change{}
	return true
}

// look is what stands at an instance, and what it counted.
func (p *patient) look(i int) (change, counters) {
	if p.leases != nil {
		p.leases.await() // Firebreak lives, since it asks
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.catchUp()
	return p.instances[i].change, p.instances[i].counters
}

// well says whether the storm is over and nothing stands at any instance: only then does the alert resolve for good.
func (p *patient) well() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.catchUp()
	return !p.sick && p.standing() == 0
}

// eased says whether the storm is over while a change still stands at all instances: the alert's expression is false already.
func (p *patient) eased() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.catchUp()
	return !p.sick && p.standing() == len(p.instances)
}

// testimony is all that was seen.
func (p *patient) testimony() (marks []mark, wrongs []string, standing int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.catchUp()
	return append([]mark(nil), p.marks...), append([]string(nil), p.wrongs...), p.standing()
}

// The methods below need the lock.

func (p *patient) wrong(format string, args ...any) {
	p.wrongs = append(p.wrongs, fmt.Sprintf(format, args...))
}

func (p *patient) standing() int {
	n := 0
	for _, in := range p.instances {
		if in.change.action != "" {
			n++
		}
	}
	return n
}

// take is what hold does, at the moment until which the counters are right.
func (p *patient) take(i int, c change, fresh bool) bool {
	in := &p.instances[i]
	switch {
	case in.change.action != "" && in.change.action != c.action:
		p.wrong("instance %d: action %s came while %s stands", i, c.action, in.change.action)
		return false
	case in.change.action == c.action && fresh:
		p.wrong("instance %d: action %s was sent again while it stands", i, c.action)
	case in.change.action == "" && !fresh:
		p.wrong("instance %d: action %s was adjusted while it does not stand", i, c.action)
		return false
	case in.change.action == "":
		if in.effects[c.action]++; in.effects[c.action] > 1 {
			p.wrong("instance %d: action %s took effect %d times", i, c.action, in.effects[c.action])
		}
		p.marks = append(p.marks, mark{at: p.at, instance: i, action: c.action})
	}
	if c.fence < in.fence {
		p.wrong("instance %d: fence fell from %d to %d", i, in.fence, c.fence)
	}
	in.change, in.fence = c, max(in.fence, c.fence)
	return true
}

// catchUp moves the simulation on to now. A lease counts from the moment at which it was stored: how quickly a service hears of it is
// not what is tested here.
func (p *patient) catchUp() {
	now := time.Now()
	if p.leases == nil || p.leases.read(p, now) {
		p.advance(now)
	}
}

// advance moves the simulation on.
func (p *patient) advance(now time.Time) {
	for ; p.at.Before(now); p.at = p.at.Add(tick) {
		closed := 0
		for i := range p.instances {
			in := &p.instances[i]
			if in.change.action != "" && !p.at.Before(in.change.until) {
				in.change = change{} // a change ends by itself, whoever lives
			}
			if in.change.action != "" && in.change.released == 0 {
				closed++
			}
			in.count(p.sick)
		}
		p.relieve(closed == len(p.instances))
	}
}

func (p *patient) relieve(all bool) {
	if !all {
		p.relieved = 0
		return
	}
	if p.relieved += tick; p.relieved >= cure {
		p.sick = false
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
