package pgbouncer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/internal/pgbouncer"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/pgbouncer/bounds"
	"github.com/firebreak-sre/firebreak/remediations/pgbouncer/deadman"
)

const (
	// Name is what a [remediations.Step] calls this remediation.
	Name = bounds.Name
	// Its fixes.
	FixGrow   = bounds.FixGrow
	FixResume = bounds.FixResume
	FixPause  = bounds.FixPause
	// MaxGrown is the longest that a pool may be larger, MaxPaused that a database may be paused.
	MaxGrown  = bounds.MaxGrown
	MaxPaused = bounds.MaxPaused
	// MaxOnce bounds how long the effect of a resume is looked for.
	MaxOnce = bounds.MaxOnce

	// defaultTimeout bounds one command of an order that names no timeout.
	defaultTimeout = 5 * time.Second
)

var _ remediations.Remediation = (*Poolers)(nil)

// A dead-man promises to resume within the very time that a database may be paused: where the two differ, this does not compile.
var _ = [1]struct{}{}[deadman.MaxFor-MaxPaused]

// Config is which poolers there are.
type Config struct {
	// Poolers by their place, the name of the cluster and their own: "orders/bouncer1".
	Poolers map[string]Pooler
}

// Pooler is one PgBouncer.
type Pooler struct {
	// Console as one of admin_users. Required.
	Console *pgbouncer.Console
	// Deadman runs beside it. Nil: there is none, and nothing is paused.
	Deadman *deadman.Client
}

// Poolers knows all poolers.
type Poolers struct {
	poolers map[string]Pooler
	places  bounds.Places // the same places
}

// New checks the whole configuration, and says every problem. It does not connect.
func New(cfg Config) (*Poolers, error) {
	r := &Poolers{poolers: map[string]Pooler{}, places: bounds.Places{}}
	var problems []error
	for place, p := range cfg.Poolers {
		cluster, node, two := strings.Cut(place, "/")
		switch {
		case !two || cluster == "" || node == "" || strings.Contains(node, "/"):
			problems = append(problems, fmt.Errorf("pooler %.80q: its place is not cluster/name", place))
		case p.Console == nil:
			problems = append(problems, fmt.Errorf("pooler %s: no console", place))
		}
		r.poolers[place], r.places[place] = p, true
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return r, nil
}

// Bounds are those of the fix; see [bounds.Places.Of].
func (r *Poolers) Bounds(s remediations.Step) remediations.Bounds { return r.places.Of(s) }

// fix is one kind of change at one pooler.
type fix interface {
	// check looks, and says whose change stands.
	check(ctx context.Context, o remediations.Order) (remediations.Presence, error)
	apply(ctx context.Context, o remediations.Order) (remediations.Receipt, error)
	revert(ctx context.Context, o remediations.Order) error
}

// fix finds the pooler of a step and reads what is asked for there.
func (r *Poolers) fix(s remediations.Step) (fix, error) {
	p := r.poolers[s.Place()]
	if !r.places.Has(s) {
		return nil, fmt.Errorf("%w: there is no pooler %.40q in cluster %.40q", remediations.ErrRefused, s.Node, s.Cluster)
	}
	var f fix
	var err error
	switch s.Fix {
	case FixGrow:
		f, err = newGrow(p, s.Params)
	case FixResume:
		f, err = newResume(p, s.Params)
	case FixPause:
		f, err = newPause(p, s.Params)
	default:
		err = fmt.Errorf("there is no fix %.40q here", s.Fix)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", remediations.ErrRefused, err)
	}
	return f, nil
}
