package sessions

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	store "github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/sessions/bounds"
	"github.com/firebreak-sre/firebreak/remediations/sessions/params"
)

// Name is what a [remediations.Step] calls this remediation.
const Name = bounds.Name

var (
	_ remediations.Remediation = (*Stores)(nil)
	_ remediations.Fencer      = (*Stores)(nil)
)

// Config is one store, and what may be done there. Zero takes the default.
type Config struct {
	// Store is required.
	Store store.Store
	// Stable is how long the membership must not have changed before orphans are touched, default 10m.
	Stable time.Duration
	// MaxSessions is how many sessions or copies one action may take away, default and at most 50. The store's own bound holds besides.
	MaxSessions int
	// MaxRecovered is how many sessions one recovery may give to another owner, default and at most 200.
	MaxRecovered int
	// Log says what was changed. Zero: nothing is said.
	Log zerolog.Logger
}

const defaultStable = 10 * time.Minute

// Stores makes the changes in all stores that it was given.
type Stores struct{ stores map[string]target }

// target is one store.
type target struct {
	Config
	name string
}

// New checks the configuration. Stores are named as the policy names them.
func New(stores map[string]Config) (*Stores, error) {
	s := &Stores{stores: map[string]target{}}
	for name, c := range stores {
		if c.Stable == 0 {
			c.Stable = defaultStable
		}
		if c.MaxSessions == 0 {
			c.MaxSessions = store.MostAtOnce
		}
		if c.MaxRecovered == 0 {
			c.MaxRecovered = params.MostRecovered
		}
		switch {
		case name == "" || c.Store == nil:
			return nil, fmt.Errorf("remediation sessions: store %q has no name, or is none", name)
		case c.Stable < 0:
			return nil, fmt.Errorf("remediation sessions: %s: stable is %s", name, c.Stable)
		case c.MaxSessions < 1 || c.MaxSessions > store.MostAtOnce:
			return nil, fmt.Errorf("remediation sessions: %s: max sessions is %d, not 1 to %d", name, c.MaxSessions, store.MostAtOnce)
		case c.MaxRecovered < 1 || c.MaxRecovered > params.MostRecovered:
			return nil, fmt.Errorf("remediation sessions: %s: max recovered is %d, not 1 to %d", name, c.MaxRecovered, params.MostRecovered)
		}
		s.stores[name] = target{Config: c, name: name}
	}
	return s, nil
}

// Bounds are those of one fix. One that is not known, or in a store that is not, is of class N.
func (s *Stores) Bounds(step remediations.Step) remediations.Bounds {
	return bounds.Of(step, func(name string) bool { _, ok := s.stores[name]; return ok })
}

// prepare reads a step: where it is, and what is to be done there.
func (s *Stores) prepare(step remediations.Step) (target, work, error) {
	t, ok := s.stores[step.Cluster]
	if !ok || step.Node != bounds.Node || step.Place() == "" {
		return t, work{}, fmt.Errorf("%q are no sessions of a store of the policy", step.Place())
	}
	w, err := decode(step)
	if err != nil {
		return t, work{}, fmt.Errorf("read params: %w", err)
	}
	return t, w, nil
}

// Check looks whether what the plan saw is there and may be touched, and changes nothing.
func (s *Stores) Check(ctx context.Context, o remediations.Order) (remediations.Presence, error) {
	t, w, err := s.prepare(o.Step)
	if err == nil {
		err = t.allows(w)
	}
	if err == nil {
		var p remediations.Presence
		if p, err = t.check(ctx, w); err == nil {
			return p, nil
		}
	}
	return remediations.Presence{State: remediations.Unknown}, fmt.Errorf("check %s of %s: %w", o.Fix, o.Place(), err)
}

// Apply orders the change. The store looks at each session once more in the step that changes it.
func (s *Stores) Apply(ctx context.Context, o remediations.Order) (remediations.Receipt, error) {
	t, w, err := s.prepare(o.Step)
	if err == nil {
		err = t.allows(w)
	}
	if err == nil {
		err = valid(ctx, o, w)
	}
	if err != nil {
		return remediations.Receipt{}, fmt.Errorf("%s on %s: %w: %w", o.Fix, o.Place(), remediations.ErrRefused, err)
	}
	ctx, cancel := context.WithDeadline(ctx, o.Deadline)
	defer cancel()
	receipt, err := t.apply(ctx, w, o)
	if err != nil {
		return remediations.Receipt{}, fmt.Errorf("%s on %s: %w", o.Fix, o.Place(), err)
	}
	t.Log.Info().Str("incident", o.Incident).Str("action", o.Action).Str("target", o.Place()).Str("fix", o.Fix).Str("note", receipt.Note).
		Msg("changed something in a session store")
	return receipt, nil
}

// Fence makes sure that nothing of an order comes after its deadline, and says what became of it.
func (s *Stores) Fence(ctx context.Context, o remediations.Order) (remediations.Presence, error) {
	t, w, err := s.prepare(o.Step)
	if err == nil {
		err = sendable(o)
	}
	if err == nil {
		var p remediations.Presence
		if p, err = t.fence(ctx, w, o); err == nil {
			return p, nil
		}
	}
	return remediations.Presence{State: remediations.Unknown}, fmt.Errorf("fence %s on %s: %w", o.Fix, o.Place(), err)
}

// ErrOver is returned by Revert for what cannot be taken back.
var ErrOver = errors.New("it happened and is over: it cannot be taken back")

// Revert gives back what the change took, as far as it is still there to be given back.
func (s *Stores) Revert(ctx context.Context, o remediations.Order, r remediations.Receipt) error {
	t, w, err := s.prepare(o.Step)
	switch {
	case err == nil && !w.undo:
		err = ErrOver
	case err == nil:
		err = sendable(o)
	}
	note := ""
	if err == nil {
		note, err = t.revert(ctx, w, o, r)
	}
	if err != nil {
		return fmt.Errorf("revert %s on %s: %w", o.Fix, o.Place(), err)
	}
	t.Log.Info().Str("incident", o.Incident).Str("action", o.Action).Str("target", o.Place()).Str("fix", o.Fix).Str("note", note).
		Msg("took a change in a session store back")
	return nil
}
