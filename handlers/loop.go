package handlers

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/rs/zerolog"
)

// workers is how many incidents are carried at once on one replica.
const workers = 16

// Config is what a [Loop] works with. All fields are required.
type Config struct {
	Bus      *bus.Bus
	Handlers []*Bound
	// Remediations by the name that steps use.
	Remediations map[string]remediations.Remediation
	Ledger       *remediations.Ledger
	Limits       policy.Limits
	Metrics      *Metrics
	Log          zerolog.Logger
	// Now is the clock; nil is the machine's.
	Now func() time.Time
}

// Loop carries incidents: it takes alerts from the bus, and moves each incident on whenever it is due. All that it knows is in
// the record and in the agenda; it can be killed at any instant and be started anywhere else.
type Loop struct {
	cfg    Config
	store  *incidents.Store
	agenda *bus.Agenda
}

// NewLoop makes a loop; it starts nothing.
func NewLoop(ctx context.Context, cfg Config) (*Loop, error) {
	agenda, err := cfg.Bus.Agenda(ctx, "agenda")
	if err != nil {
		return nil, err
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Loop{cfg: cfg, store: incidents.NewStore(cfg.Bus), agenda: agenda}, nil
}

// Run works until parent ends and what was in hand has been put down safely.
func (l *Loop) Run(parent context.Context) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	var wg sync.WaitGroup
	prefixes := make([]string, 0, len(l.cfg.Handlers))
	for _, h := range l.cfg.Handlers {
		prefixes = append(prefixes, h.name+".")
		wg.Go(func() {
			w := bus.Work{Stream: bus.Alerts, Durable: "handler_" + h.name}
			err := l.cfg.Bus.Work(ctx, w, func(ctx context.Context, m bus.Msg) error { return l.take(ctx, h, m) })
			if err != nil {
				cancel(fmt.Errorf("read alerts for %s: %w", h.name, err))
			}
		})
	}
	if len(prefixes) > 0 {
		wg.Go(func() {
			if err := l.agenda.Run(ctx, workers, prefixes, l.carry); err != nil {
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

func (l *Loop) handler(name string) *Bound {
	for _, h := range l.cfg.Handlers {
		if h.name == name {
			return h
		}
	}
	return nil
}
