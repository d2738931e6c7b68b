package handlers

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/tracing"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/rs/zerolog"
)

// workers is how many incidents are carried at once on one replica.
const workers = 16

// Config is what a [Loop] works with. All fields are required but Now, Approvals and Tracer.
type Config struct {
	Handlers []*Bound
	// Remediations by the name that steps use.
	Remediations map[string]remediations.Remediation
	Ledger       Ledger
	Gate         Gate
	Permits      Permits
	// Approvals says who must agree to what. Nil: nobody can, so what needs it is refused.
	Approvals Approvals
	Limits    policy.Limits
	// Basis names the policy in force and this build in the record of every decision.
	Basis   incidents.Basis
	Metrics *Metrics
	// Tracer follows what is done for an alert. Nothing is decided by it. Nil: nothing is followed.
	Tracer *tracing.Tracer
	Log    zerolog.Logger
	// Now is the clock; nil is the machine's.
	Now func() time.Time
}

// Loop carries incidents: it takes alerts from the bus, and moves each incident on whenever it is due. All that it knows is in
// the record and in the agenda; it can be killed at any instant and be started anywhere else.
type Loop struct {
	cfg    Config
	name   string // this replica's, in the record
	store  Records
	agenda Agenda
	surge  surge
}

// NewLoop makes a loop on records and an agenda of any kind; it starts nothing. [Runner.Run] works it on a bus; who has a clock of
// his own calls [Loop.Enter] and [Loop.Carry].
func NewLoop(cfg Config, name string, records Records, agenda Agenda) *Loop {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Loop{cfg: cfg, name: name, store: records, agenda: agenda}
}

// Runner is a loop on a bus.
type Runner struct {
	*Loop
	bus    *bus.Bus
	agenda *bus.Agenda
}

// NewRunner makes a loop on a bus; it starts nothing.
func NewRunner(ctx context.Context, cfg Config, b *bus.Bus) (*Runner, error) {
	agenda, err := b.Agenda(ctx, AgendaName)
	if err != nil {
		return nil, err
	}
	return &Runner{Loop: NewLoop(cfg, b.Name(), incidents.NewStore(b), agenda), bus: b, agenda: agenda}, nil
}

// AgendaName is the agenda of all handlers.
const AgendaName = "agenda"

// Run works until parent ends and what was in hand has been put down safely. What should have ended while nobody looked is
// ended first: no alert is read before.
func (l *Runner) Run(parent context.Context) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	l.EndOverdue(ctx)
	var wg sync.WaitGroup
	if len(l.cfg.Handlers) > 0 {
		wg.Go(func() { l.census(ctx) })
	}
	for _, h := range l.cfg.Handlers {
		wg.Go(func() {
			w := bus.Work{Stream: bus.Alerts, Durable: "handler_" + h.Name()}
			err := l.bus.Work(ctx, w, func(ctx context.Context, m bus.Msg) error { return l.take(ctx, h, m) })
			if err != nil {
				cancel(fmt.Errorf("read alerts for %s: %w", h.Name(), err))
			}
		})
	}
	if prefixes := l.prefixes(); len(prefixes) > 0 {
		wg.Go(func() {
			if err := l.agenda.Run(ctx, workers, prefixes, l.Carry); err != nil {
				cancel(fmt.Errorf("run the agenda: %w", err))
			}
		})
	}
	<-ctx.Done()
	wg.Wait()
	if parent.Err() != nil {
		return nil
	}
	return context.Cause(ctx)
}

// prefixes are those of the agenda's keys that belong to our handlers.
func (l *Loop) prefixes() []string {
	out := make([]string, 0, len(l.cfg.Handlers))
	for _, h := range l.cfg.Handlers {
		out = append(out, h.Name()+".")
	}
	return out
}

func (l *Loop) handler(name string) *Bound {
	for _, h := range l.cfg.Handlers {
		if h.Name() == name {
			return h
		}
	}
	return nil
}
