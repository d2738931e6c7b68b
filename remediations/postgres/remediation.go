package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/firebreak-sre/firebreak/remediations"
)

// Name is what a [remediations.Step] calls this remediation.
const Name = "postgres"

// The fixes.
const (
	FixEndConflict   = "end_conflict"
	FixEndLeaked     = "end_leaked"
	FixEndBlocker    = "end_blocker"
	FixRestartStream = "restart_stream"
	FixResumeReplay  = "resume_replay"
)

// MaxLimit is the longest that the effect of a change is looked for.
const MaxLimit = 10 * time.Minute

// MaxSessions is the most sessions that one action may end.
const MaxSessions = 3

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

// Bounds are those of one fix; a fix that is not known is of class N.
func (s *Sessions) Bounds(step remediations.Step) remediations.Bounds {
	b := remediations.Bounds{Class: remediations.ClassN, MaxLimit: MaxLimit, Once: true}
	switch step.Fix {
	case FixEndConflict, FixEndLeaked, FixEndBlocker:
		b.Class, b.Never = remediations.ClassA, neverEnded()
	case FixRestartStream:
		b.Class, b.Never = remediations.ClassP, neverRestarted()
	case FixResumeReplay:
		b.Class, b.Never = remediations.ClassP, neverResumed()
	}
	return b
}

func neverEnded() []string {
	return []string{
		"a session whose role the policy does not name, of a superuser, or of a role with REPLICATION",
		"a session that waits for a synchronous standby: ending it commits what is not replicated",
		"walsenders, autovacuum, workers: only client backends",
		"a dump, a backup, the cluster's manager, or Firebreak itself, by application_name or role",
		"a session that a pg_stat_progress view shows: VACUUM, ANALYZE, CREATE INDEX, CLUSTER, COPY",
		"more than 3 sessions, or more than a tenth of the client backends, but one",
		"another transaction than the one that the plan saw",
	}
}

func neverRestarted() []string {
	return []string{
		"a walsender that a commit may wait for: sync, quorum or potential, or named in synchronous_standby_names",
		"the last standby that streams",
		"a base backup, a WAL archive, logical replication, or a superuser's walsender",
	}
}

func neverResumed() []string {
	return []string{
		"a replay that moved since the plan was made, or whose pause has not begun",
		"a standby with one of five settings lower than the primary's: resuming would shut it down",
	}
}

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
