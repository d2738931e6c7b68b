package retrystorm

import (
	"time"

	"github.com/firebreak-sre/firebreak/policy"
)

// Source is where the numbers of an observation come from.
type Source string

// The sources.
const (
	SourcePrometheus Source = "prometheus" // rates, computed by Prometheus over Window
	SourceJSON       Source = "json"       // cumulative counters, one set for each instance
)

// Number is one number that was asked for. The zero Number was never asked for: it is neither 0 nor an error.
type Number struct {
	Value float64 `json:"value"`
	// OK says that Value was read. It is never set for NaN, for an infinity, for less than zero, or for no answer.
	OK bool `json:"ok,omitempty"`
	// Err is why it could not be read, in words, without secrets.
	Err string `json:"err,omitempty"`
}

// Observation is one look at one edge, as it was seen. What could not be read says why, and is never guessed.
type Observation struct {
	// At is when the look began. For Prometheus it is the evaluation time of all the queries.
	At     time.Time `json:"at"`
	Source Source    `json:"source"`

	// Rates and gauges, from Prometheus only.
	Edge Numbers `json:"edge,omitzero"`
	// Window is how far the queries look back: the longest range in them, zero if they name none. A look tells
	// about the time since At − Window.
	Window policy.Duration `json:"window,omitzero"`

	// Instances are the counters and gauges of each instance, from JSON only, in the policy's order.
	Instances []Instance `json:"instances,omitempty"`
	// Read of len(Instances) instances gave all four counters.
	Read int `json:"read,omitempty"`
}

// Numbers are what is asked about an edge: per second from Prometheus, since the start of the instance from JSON.
type Numbers struct {
	Calls     Number `json:"calls,omitzero"`     // unique requests
	Attempts  Number `json:"attempts,omitzero"`  // first tries and retries
	Successes Number `json:"successes,omitzero"` // calls that ended well: the goodput
	Failures  Number `json:"failures,omitzero"`  // attempts that failed at the dependency
	// PoolWaiting are callers that wait for a database connection now; QueueAge is how long the oldest request has
	// waited at the caller, in seconds. Both are optional.
	PoolWaiting Number `json:"pool_waiting,omitzero"`
	QueueAge    Number `json:"queue_age,omitzero"`
}

// Instance is one instance of the calling service.
type Instance struct {
	// Name is its host and path; it pairs the counters of two looks.
	Name string `json:"name"`
	// At is when its answer was there, which is what its rates are computed with.
	At time.Time `json:"at,omitzero"`
	// Err is why nothing of it could be read.
	Err string `json:"err,omitempty"`
	Numbers
}

// required are the numbers without which an edge cannot be judged, with their names, in a fixed order.
func (n Numbers) required() [4]named {
	return [4]named{
		{"calls", n.Calls}, {"attempts", n.Attempts}, {"successes", n.Successes}, {"failures", n.Failures},
	}
}

// named is a number with the name that the policy has for it.
type named struct {
	name string
	Number
}

// asked says that the policy asks for this number.
func (n Number) asked() bool { return n.OK || n.Err != "" }

// usable says that the number was read and can be computed with. The upper bound keeps sums finite whatever a record holds.
func (n Number) usable() bool { return n.OK && n.Value >= 0 && n.Value < 1e18 }

// why is the reason why the number is not usable.
func (n Number) why() string {
	switch {
	case n.Err != "":
		return n.Err
	case !n.OK:
		return "was not asked for"
	default:
		return "is no usable number"
	}
}

// problem says why the four counters of an instance cannot be used; "" if they can.
func (i Instance) problem() string {
	if i.Err != "" {
		return i.Err
	}
	for _, n := range i.required() {
		if !n.usable() {
			return n.name + ": " + n.why()
		}
	}
	return ""
}

// Problem says why the look cannot be judged; "" if it can. A gauge that the policy asks for and that could not be
// read makes the look unusable too: pool exhaustion and an old queue could not be ruled out.
func (o Observation) Problem() string {
	switch o.Source {
	case SourcePrometheus:
		for _, n := range o.Edge.required() {
			if !n.usable() {
				return n.name + ": " + n.why()
			}
		}
	case SourceJSON:
		if first := o.firstBad(); !majority(o.Readable(), len(o.Instances)) {
			return words("%d of %d instances could be read (more than half are needed); %s", o.Readable(), len(o.Instances), first)
		}
	default:
		return "nothing was read"
	}
	for _, g := range [2]named{{"pool_waiting", o.poolWaiting()}, {"queue_age", o.queueAge()}} {
		if g.asked() && !g.usable() {
			return g.name + ": " + g.why()
		}
	}
	return ""
}

// majority is the rule for instances that cannot be read: k + k > n, more than half must answer.
func majority(k, n int) bool { return k+k > n }

// Readable counts the instances whose four counters can be used.
func (o Observation) Readable() int {
	k := 0
	for _, i := range o.Instances {
		if i.problem() == "" {
			k++
		}
	}
	return k
}

// firstBad names the first instance that cannot be used, and why.
func (o Observation) firstBad() string {
	for _, i := range o.Instances {
		if p := i.problem(); p != "" {
			return i.Name + ": " + p
		}
	}
	return "the policy names no instance"
}

// poolWaiting is the sum over the instances, or Prometheus' own number.
func (o Observation) poolWaiting() Number {
	return o.gauge(func(n Numbers) Number { return n.PoolWaiting }, func(sum, v float64) float64 { return sum + v })
}

// queueAge is the oldest of the instances, or Prometheus' own number.
func (o Observation) queueAge() Number {
	return o.gauge(func(n Numbers) Number { return n.QueueAge }, func(oldest, v float64) float64 { return max(oldest, v) })
}

// gauge folds an optional gauge over the instances. More than half of them must have told it.
func (o Observation) gauge(pick func(Numbers) Number, fold func(a, b float64) float64) Number {
	if o.Source != SourceJSON {
		return pick(o.Edge)
	}
	asked, k, total, why := false, 0, 0.0, ""
	for _, i := range o.Instances {
		n := pick(i.Numbers)
		asked = asked || n.asked()
		switch {
		case n.usable():
			k, total = k+1, fold(total, n.Value)
		case why == "" && i.Err == "":
			why = "; " + i.Name + ": " + n.why()
		}
	}
	switch {
	case !asked:
		return Number{}
	case !majority(k, len(o.Instances)):
		return Number{Err: words("%d of %d instances could be read (more than half are needed)%s", k, len(o.Instances), why)}
	}
	return Number{Value: total, OK: true}
}
