package history

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/firebreak-sre/firebreak/bus/stored"
	"github.com/firebreak-sre/firebreak/handlers"
	"github.com/firebreak-sre/firebreak/handlers/retrystorm"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// Options say what past is made. The same options make the same past.
type Options struct {
	// Policy is what the loop runs under; its retry storms' edges are the services. [Policy] makes one.
	Policy policy.Policy
	// Bounds are those of the fixes of the policy.
	Bounds func(remediations.Step) (remediations.Bounds, bool)
	// Incidents is how many faults there are; From is when they begin, and Every how long it is on average from one to the next.
	Incidents int
	From      time.Time
	Every     time.Duration
	Seed      uint64
	// Build is the version that decisions have in their record.
	Build string
}

// Made says how much was made.
type Made struct {
	Incidents, Messages, Events int
	Until                       time.Time
}

// Make makes a past, and gives it to sink message by message, in its order.
func Make(ctx context.Context, o Options, sink func(stored.Msg) error) (Made, error) {
	w, err := newWorld(o, sink)
	if err != nil {
		return Made{}, err
	}
	for w.left > 0 || len(w.active) > 0 || w.agenda.len() > 0 {
		if err := ctx.Err(); err != nil {
			return w.made, err
		}
		if err := w.step(ctx); err != nil {
			return w.made, fmt.Errorf("at %s: %w", w.now.Format(time.RFC3339), err)
		}
	}
	w.made.Until = w.now
	return w.made, nil
}

// world is everything that there is: services, a clock, one replica.
type world struct {
	o      Options
	rng    *rand.Rand
	now    time.Time
	loop   *handlers.Loop
	agenda *agenda
	log    *log
	edges  []string
	faults map[string]*fault // by edge, while they last
	active []*fault          // those whose alert fires or is about to
	changes
	// left is how many faults are still to come; upcoming is the next, drawn when the last one was drawn for, and well since when edges are.
	left     int
	upcoming *fault
	drawn    time.Time
	well     map[string]time.Time
	made     Made
}

func newWorld(o Options, sink func(stored.Msg) error) (*world, error) {
	w := &world{o: o, rng: rand.New(rand.NewPCG(o.Seed, 1)), now: o.From, agenda: newAgenda(), faults: map[string]*fault{}, left: o.Incidents,
		drawn: o.From, well: map[string]time.Time{}}
	w.changes = changes{bounds: o.Bounds, standing: map[string]standing{}}
	for _, e := range o.Policy.Handlers.RetryStorm.Edges {
		w.edges = append(w.edges, e.Service+"/"+e.Edge)
	}
	if len(w.edges) == 0 || o.Incidents < 0 || o.Every <= 0 || o.Bounds == nil {
		return nil, errors.New("make a past: it needs edges, bounds, and a time between faults")
	}
	if w.left > 0 {
		w.upcoming = w.draw()
	}
	w.log = newLog(func(m stored.Msg, events int) error {
		w.made.Messages++
		w.made.Events += events
		return sink(m)
	}, func() time.Time { return w.now })
	book, err := ledger.ReadBook(nil)
	if err != nil {
		return nil, err
	}
	storm, err := retrystorm.New(o.Policy.Handlers.RetryStorm)
	if err != nil {
		return nil, err
	}
	w.loop = handlers.NewLoop(handlers.Config{
		Handlers:     []*handlers.Bound{handlers.Bind(storm, prober{w})},
		Remediations: map[string]remediations.Remediation{"breaker": w},
		Ledger:       limits{book, o.Policy.Limits}, Gate: gate{w}, Permits: o.Policy.Permits,
		Approvals: approvals{o.Policy}, Limits: o.Policy.Limits,
		Basis:   incidents.Basis{Policy: o.Policy.Hash(), Build: o.Build},
		Metrics: handlers.NewMetrics(prometheus.NewRegistry()), Log: zerolog.Nop(),
		// No two events are at the same instant.
		Now: func() time.Time { w.now = w.now.Add(time.Microsecond); return w.now },
	}, "r1", incidents.NewStore(w.log), w.agenda)
	return w, nil
}

// approvals are the policy's. Nobody ever answers.
type approvals struct{ policy.Policy }

// Expire is how long people are waited for.
func (a approvals) Expire() time.Duration { return a.Approvals.Expire.D() }

// step goes on to the next thing that happens: a fault, a change of an alert, or the time of an incident.
func (w *world) step(ctx context.Context) error {
	key, due := w.agenda.first()
	at, what := due, func() error { return w.loop.Carry(ctx, key) }
	if key == "" {
		at = time.Time{}
	}
	if f := w.upcoming; f != nil && (at.IsZero() || f.began.Before(at)) {
		at, what = f.began, func() error { w.begin(); return nil }
	}
	for _, f := range w.active {
		if at.IsZero() || f.next(w).Before(at) {
			at, what = f.next(w), func() error { return w.deliver(ctx, f) }
		}
	}
	if at.After(w.now) {
		w.now = at
	}
	return what()
}
