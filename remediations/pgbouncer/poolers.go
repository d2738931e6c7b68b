package pgbouncer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/internal/pgbouncer"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/pgbouncer/deadman"
)

const (
	// Name is what a [remediations.Step] calls this remediation.
	Name = "pgbouncer"
	// Its fixes.
	FixGrow   = "grow_pool"
	FixResume = "resume"
	FixPause  = "pause"
	// MaxGrown is the longest that a pool may be larger, MaxPaused that a database may be paused.
	MaxGrown  = 30 * time.Minute
	MaxPaused = deadman.MaxFor
	// MaxOnce bounds how long the effect of a resume is looked for.
	MaxOnce = 30 * time.Minute

	// defaultTimeout bounds one command of an order that names no timeout.
	defaultTimeout = 5 * time.Second
)

var _ remediations.Remediation = (*Poolers)(nil)

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
}

// New checks the whole configuration, and says every problem. It does not connect.
func New(cfg Config) (*Poolers, error) {
	r := &Poolers{poolers: map[string]Pooler{}}
	var problems []error
	for place, p := range cfg.Poolers {
		cluster, node, two := strings.Cut(place, "/")
		switch {
		case !two || cluster == "" || node == "" || strings.Contains(node, "/"):
			problems = append(problems, fmt.Errorf("pooler %.80q: its place is not cluster/name", place))
		case p.Console == nil:
			problems = append(problems, fmt.Errorf("pooler %s: no console", place))
		}
		r.poolers[place] = p
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return r, nil
}

// Bounds are those of the fix. What is not known here, or cannot be read, has none: nothing is within them.
func (r *Poolers) Bounds(s remediations.Step) remediations.Bounds {
	f, err := r.fix(s)
	if err != nil {
		return remediations.Bounds{Class: remediations.ClassN}
	}
	return f.bounds()
}

// fix is one kind of change at one pooler.
type fix interface {
	bounds() remediations.Bounds
	// check looks, and says whose change stands.
	check(ctx context.Context, o remediations.Order) (remediations.Presence, error)
	apply(ctx context.Context, o remediations.Order) (remediations.Receipt, error)
	revert(ctx context.Context, o remediations.Order) error
}

// fix finds the pooler of a step and reads what is asked for there.
func (r *Poolers) fix(s remediations.Step) (fix, error) {
	place := s.Place()
	p, known := r.poolers[place]
	if !known || s.Node == "" {
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
