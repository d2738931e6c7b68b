package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// Store is the sessions of one cluster. Its methods may be called from any goroutine.
type Store struct {
	config Config
	sql    statements
}

var _ sessions.Store = (*Store)(nil)

// New checks the configuration. It connects to nothing.
func New(c Config) (*Store, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("open sessions in postgres: %w", err)
	}
	return &Store{config: c, sql: c.statements()}, nil
}

// primary asks every node what it is. Exactly one must say that it can be written to; nodes that do not answer are passed over.
func (s *Store) primary(ctx context.Context) (Node, error) {
	var found []Node
	var errs []error
	for _, n := range s.config.Nodes {
		var recovery bool
		err := s.config.Servers.Look(ctx, n.Server, func(ctx context.Context, c *pgx.Conn) error {
			return c.QueryRow(ctx, "SELECT pg_is_in_recovery()").Scan(&recovery)
		})
		switch {
		case err != nil:
			errs = append(errs, err)
		case !recovery:
			found = append(found, n)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return Node{}, fmt.Errorf("%w: no node is a primary: %w", sessions.ErrBusy, errors.Join(errs...))
	}
	return Node{}, fmt.Errorf("%w: %s and %s are both primaries", sessions.ErrBusy, found[0].Name, found[1].Name)
}

// node is a server by its name.
func (s *Store) node(ctx context.Context, name string) (Node, error) {
	if name == sessions.Primary {
		return s.primary(ctx)
	}
	for _, n := range s.config.Nodes {
		if n.Name == name {
			return n, nil
		}
	}
	return Node{}, fmt.Errorf("%w: %q", sessions.ErrUnknownNode, name)
}

// querier is a session or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// where reads a server's position and clock. The timeline of a standby is that of its last restart point or of what it receives: it may look
// older than it is, never newer.
func where(ctx context.Context, q querier) (cut sessions.Cut, at time.Time, err error) {
	const ask = `
SELECT (SELECT system_identifier::text FROM pg_control_system()) || '/' || CASE WHEN pg_is_in_recovery()
         THEN greatest((SELECT timeline_id FROM pg_control_checkpoint()), (SELECT max(received_tli) FROM pg_stat_wal_receiver))::text
         ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int::text END,
       CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END - '0/0'::pg_lsn,
       clock_timestamp()`
	var position float64
	if err := q.QueryRow(ctx, ask).Scan(&cut.History, &position, &at); err != nil {
		return cut, at, fmt.Errorf("read the position: %w", err)
	}
	cut.Position = uint64(position)
	return cut, at.UTC(), nil
}

// pollEvery is how often a standby is asked whether it has reached a cut.
const pollEvery = 20 * time.Millisecond

// reach waits until a server has reached a cut.
func reach(ctx context.Context, q querier, cut sessions.Cut, within time.Duration) (sessions.Cut, error) {
	end := time.NewTimer(within)
	defer end.Stop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for over := false; ; {
		at, _, err := where(ctx, q)
		if err != nil || cut.IsZero() {
			return at, err
		}
		if at.History == cut.History && at.Position >= cut.Position {
			return at, nil
		}
		if over {
			return at, fmt.Errorf("%w: it is at %d of %s", sessions.ErrBehind, at.Position, at.History)
		}
		select {
		case <-ctx.Done():
			return at, fmt.Errorf("wait for a position: %w", context.Cause(ctx))
		case <-end.C:
			over = true
		case <-tick.C:
		}
	}
}

// membership reads and judges the nodes. The clock is read last: nobody is taken for alive whose lease ended meanwhile.
func (s *Store) membership(ctx context.Context, q querier) (sessions.Membership, error) {
	rows, err := q.Query(ctx, s.sql.nodes)
	if err != nil {
		return sessions.Membership{}, fmt.Errorf("read the nodes: %w", err)
	}
	nodes, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (sessions.Node, error) {
		var n sessions.Node
		var epoch int64
		err := r.Scan(&n.Name, &epoch, &n.Since, &n.LeaseUntil, &n.Sees)
		if err == nil && epoch < 0 {
			err = fmt.Errorf("node %q has epoch %d", n.Name, epoch)
		}
		n.Epoch, n.Since, n.LeaseUntil = uint64(max(epoch, 0)), n.Since.UTC(), n.LeaseUntil.UTC()
		return n, err
	})
	if err == nil && len(nodes) > maxNodes {
		err = fmt.Errorf("there are more than %d", maxNodes)
	}
	if err != nil {
		return sessions.Membership{}, fmt.Errorf("read the nodes: %w", err)
	}
	var total int
	if err := q.QueryRow(ctx, s.sql.count).Scan(&total); err != nil {
		return sessions.Membership{}, fmt.Errorf("count sessions: %w", err)
	}
	var at time.Time
	if err := q.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&at); err != nil {
		return sessions.Membership{}, fmt.Errorf("read the clock: %w", err)
	}
	m := sessions.Judge(at.UTC(), s.config.TTL, nodes)
	m.Total = total
	return m, m.Check()
}

// look reads at one node in one snapshot, which has everything up to the cut.
func (s *Store) look(ctx context.Context, name string, cut sessions.Cut, fn func(context.Context, pgx.Tx, sessions.Cut) error) error {
	n, err := s.node(ctx, name)
	if err != nil {
		return err
	}
	return s.config.Servers.Look(ctx, n.Server, func(ctx context.Context, c *pgx.Conn) error {
		from, err := reach(ctx, c, cut, s.config.Wait)
		if err != nil {
			return err
		}
		return pgx.BeginTxFunc(ctx, c, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
			return fn(ctx, tx, from)
		})
	})
}
