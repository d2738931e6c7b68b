package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/postgres/bounds"
)

// Name is what a [remediations.Step] calls this remediation.
const Name = bounds.Name

// The fixes.
const (
	FixEndConflict   = bounds.FixEndConflict
	FixEndLeaked     = bounds.FixEndLeaked
	FixEndBlocker    = bounds.FixEndBlocker
	FixRestartStream = bounds.FixRestartStream
	FixResumeReplay  = bounds.FixResumeReplay
)

// MaxLimit is the longest that the effect of a change is looked for.
const MaxLimit = bounds.MaxLimit

// MaxSessions is the most sessions that one action may end.
const MaxSessions = bounds.MaxSessions

var _ remediations.Remediation = (*Sessions)(nil)

// Looks reads from a node, as a login that can only read. Nodes are named as [remediations.Step.Place] names them, e.g. "orders/pg1".
type Looks interface {
	Look(ctx context.Context, node string, fn func(context.Context, *pgx.Conn) error) error
}

// Acts changes something at a node in a session that bears the action's name meanwhile. It calls fn at most once, and an error without a
// call of fn means that nothing of fn's was sent.
type Acts interface {
	Act(ctx context.Context, node, action string, fn func(context.Context, *pgx.Conn) error) error
}

// Config is how servers are reached.
type Config struct {
	// Looks and Acts are usually the same fleet. Both are required.
	Looks Looks
	Acts  Acts
	Log   zerolog.Logger
}

// Sessions makes the changes at all nodes that its Looks and Acts know.
type Sessions struct {
	looks Looks
	acts  Acts
	log   zerolog.Logger
}

// New checks the configuration. It does not connect.
func New(cfg Config) (*Sessions, error) {
	if cfg.Looks == nil || cfg.Acts == nil {
		return nil, errors.New("remediation postgres: looks and acts are both required")
	}
	return &Sessions{looks: cfg.Looks, acts: cfg.Acts, log: cfg.Log}, nil
}

// Bounds are those that [bounds.Of] says.
func (s *Sessions) Bounds(step remediations.Step) remediations.Bounds { return bounds.Of(step) }

// Check reads whether what the plan saw is there, and changes nothing.
func (s *Sessions) Check(ctx context.Context, o remediations.Order) (remediations.Presence, error) {
	w, err := decode(o.Step)
	if err == nil {
		var p remediations.Presence
		err = s.looks.Look(ctx, o.Place(), func(ctx context.Context, conn *pgx.Conn) (err error) {
			p, err = w.look(ctx, conn)
			return err
		})
		if err == nil {
			return p, nil
		}
	}
	return remediations.Presence{State: remediations.Unknown}, fmt.Errorf("check %s of %s: %w", o.Fix, o.Place(), err)
}

// Apply makes the change if all its conditions hold at that moment, by the server's own word.
func (s *Sessions) Apply(ctx context.Context, o remediations.Order) (remediations.Receipt, error) {
	note, err := s.apply(ctx, o)
	if err != nil {
		return remediations.Receipt{}, fmt.Errorf("%s on %s: %w", o.Fix, o.Place(), err)
	}
	s.log.Info().Str("incident", o.Incident).Str("action", o.Action).Str("target", o.Place()).Str("fix", o.Fix).Str("note", note).
		Msg("changed something at a PostgreSQL server")
	return remediations.Receipt{Note: note}, nil
}

func (s *Sessions) apply(ctx context.Context, o remediations.Order) (string, error) {
	w, err := decode(o.Step)
	if err != nil {
		return "", fmt.Errorf("%w: %w", remediations.ErrRefused, err)
	}
	if err := valid(o); err != nil {
		return "", fmt.Errorf("%w: %w", remediations.ErrRefused, err)
	}
	ctx, cancel := context.WithDeadline(ctx, o.Deadline.Add(afterDeadline))
	defer cancel()
	t := &try{deadline: o.Deadline}
	var note string
	err = s.acts.Act(ctx, o.Place(), o.Action, func(ctx context.Context, conn *pgx.Conn) (err error) {
		t.conn = conn
		note, err = w.act(ctx, t)
		return err
	})
	switch {
	case err != nil && !t.sent && !errors.Is(err, remediations.ErrRefused):
		return "", fmt.Errorf("%w: nothing was sent: %w", remediations.ErrRefused, err)
	case err != nil:
		return "", err
	}
	return note, nil
}

// afterDeadline is how long after an order's deadline its session may still be read.
const afterDeadline = time.Second

// valid says what is wrong with an order before anything is sent.
func valid(o remediations.Order) error {
	switch {
	case !o.Once:
		return errors.New("the order does not say that the change is over when it is made")
	case o.Limit.D() > MaxLimit:
		return fmt.Errorf("its effect may be looked for %s, not for %s", MaxLimit, o.Limit)
	case o.Seen.State != remediations.Absent:
		return fmt.Errorf("it was seen %q, not absent", o.Seen.State)
	case !time.Now().Before(o.Deadline):
		return fmt.Errorf("deadline %s has passed", o.Deadline.Format(time.RFC3339))
	}
	return nil
}

// ErrOver is returned by Revert.
var ErrOver = errors.New("it happened and is over: it cannot be taken back")

// Revert is never asked for a change that happens once. What was ended stays ended, and a replay that goes on is not paused again.
func (s *Sessions) Revert(_ context.Context, o remediations.Order, _ remediations.Receipt) error {
	return fmt.Errorf("revert %s of %s: %w", o.Fix, o.Place(), ErrOver)
}
