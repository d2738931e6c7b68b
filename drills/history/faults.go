package history

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/handlers/retrystorm"
	"github.com/firebreak-sre/firebreak/policy"
)

// kind is what is the matter with an edge.
type kind string

// The kinds of faults, by how often they come.
const (
	storm    kind = "storm"    // retries feed on themselves: a change cures it
	stubborn kind = "stubborn" // the same, and no change helps
	passing  kind = "passing"  // it is over by itself in a moment
	load     kind = "load"     // there are more calls, and nothing else
	down     kind = "down"     // the dependency fails
	unread   kind = "unread"   // nobody can say
)

// kinds are all of them, some more often than others.
func kinds() []kind {
	return []kind{storm, storm, storm, storm, stubborn, passing, passing, load, load, down, down, unread}
}

// fault is one thing that goes wrong with one edge.
type fault struct {
	edge        string
	kind        kind
	began, ends time.Time
	alert       alerts.Alert
	told        bool
	silenced    bool // Alertmanager says so when it is asked
	// cured is since when a change has been doing its work.
	cured time.Time
}

// apart is how long an edge is well between two faults, so that the end of one incident is before the next whatever is done about it.
const apart = 30 * time.Minute

// draw says what goes wrong next, and when. It depends on the seed alone, not on what is done about it: two policies can be tried on the
// same faults. An edge that is drawn while it is still sick is passed over.
func (w *world) draw() *fault {
	for {
		w.drawn = w.drawn.Add(time.Duration(w.rng.ExpFloat64() * float64(w.o.Every)))
		edge, all := w.edges[w.rng.IntN(len(w.edges))], kinds()
		f := &fault{edge: edge, kind: all[w.rng.IntN(len(all))], began: w.drawn, silenced: w.rng.IntN(20) == 0}
		f.ends = f.began.Add(time.Duration(30+w.rng.IntN(180)) * time.Second)
		if f.kind == passing {
			f.ends = f.began.Add(time.Duration(8+w.rng.IntN(20)) * time.Second)
		}
		if f.began.Sub(w.well[edge]) < apart {
			continue
		}
		w.well[edge] = f.ends
		return f
	}
}

// begin has something go wrong.
func (w *world) begin() {
	f := w.upcoming
	service, name, _ := strings.Cut(f.edge, "/")
	f.alert = alerts.Alert{Status: alerts.Firing, Labels: map[string]string{"alertname": "RetryStorm", "service": service, "edge": name, "severity": "critical"},
		Annotations: map[string]string{"summary": "retries of " + f.edge}, StartsAt: f.began.UTC(), Fingerprint: fingerprint(f.edge)}
	w.faults[f.edge], w.active = f, append(w.active, f)
	w.upcoming = nil
	if w.left--; w.left > 0 {
		w.upcoming = w.draw()
	}
}

// next is when the fault's alert changes its state.
func (f *fault) next(w *world) time.Time {
	if !f.told {
		return f.began.Add(15 * time.Second)
	}
	over := f.ends
	if f.kind == storm && !f.cured.IsZero() && f.cured.Add(30*time.Second).Before(over) {
		over = f.cured.Add(30 * time.Second)
	}
	return over.Add(20 * time.Second)
}

// deliver is what Alertmanager does.
func (w *world) deliver(ctx context.Context, f *fault) error {
	a := f.alert
	a.Delivery.At, a.Delivery.Receiver = w.now.UTC(), "firebreak"
	if f.told {
		a.Status, a.EndsAt = alerts.Resolved, w.now.UTC()
		w.active = slices.DeleteFunc(w.active, func(o *fault) bool { return o == f })
		delete(w.faults, f.edge)
	} else {
		w.made.Incidents++
	}
	f.told = true
	id, err := w.loop.Enter(ctx, retrystorm.Name, a)
	if err != nil || id == "" {
		return err
	}
	return w.agenda.Set(ctx, id.Key(), w.now)
}

func fingerprint(edge string) string { return fmt.Sprintf("%016x", hash(edge)) }

func hash(text string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text)) // it never fails
	return h.Sum64()
}

// prober reads the numbers of an edge.
type prober struct{ w *world }

// Observe says how an edge is now.
func (p prober) Observe(_ context.Context, edge string) (retrystorm.Observation, error) {
	w := p.w
	o := retrystorm.Observation{At: w.now.UTC(), Source: retrystorm.SourcePrometheus, Window: policy.Duration(10 * time.Second)}
	calls := 100 + 10*w.noise(edge)
	attempts, failures, successes := 1.01*calls, 0.005*calls, calls
	sick := kind("")
	if f := w.faults[edge]; f != nil && w.now.Before(f.ends) {
		sick = f.kind
		if stood, ok := w.since(edge); sick == storm && ok {
			if f.cured.IsZero() {
				f.cured = stood
			}
			sick = ""
		}
		if !f.cured.IsZero() {
			sick = ""
		}
	}
	switch sick {
	case storm, stubborn, passing:
		attempts, failures, successes = 2.6*calls, 1.2*calls, 0.5*calls
	case load:
		calls *= 3
		attempts, failures, successes = 1.05*calls, 0.02*calls, calls
	case down:
		attempts, failures, successes = 2.8*calls, 2.6*calls, 0.2*calls
	case unread:
		o.Edge.Calls.Err = "prometheus: context deadline exceeded"
		return o, nil
	}
	o.Edge = retrystorm.Numbers{Calls: number(calls), Attempts: number(attempts), Successes: number(successes), Failures: number(failures)}
	return o, nil
}

// noise is between 0 and 1, and the same for an edge at the same second in every past of the same seed: so that two policies can be tried
// on the same faults.
func (w *world) noise(edge string) float64 {
	return rand.New(rand.NewPCG(w.o.Seed^uint64(w.now.Unix()), hash(edge))).Float64()
}

func number(v float64) retrystorm.Number { return retrystorm.Number{Value: v, OK: true} }
