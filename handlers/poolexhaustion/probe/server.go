package probe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/handlers/poolexhaustion"
	"github.com/firebreak-sre/firebreak/internal/postgres"
	"github.com/firebreak-sre/firebreak/policy"
)

// oldest is the first version whose views are read here.
const oldest = 120000

// node is what one server said. It is empty but for its name and its problem if it could not be asked who it is.
type node struct {
	name             string
	problem          string
	full             bool
	standby          bool
	systemIdentifier string
	// server is what a primary says; nil for a standby.
	server *poolexhaustion.Server
}

// primary is the one node that takes writes. Two of them, or none, are a problem, and so is a node of another cluster among them: whatever
// is counted there, it may be the wrong server's.
func primary(nodes []node) poolexhaustion.Server {
	var s poolexhaustion.Server
	var problems []string
	systems := map[string]bool{}
	var found *poolexhaustion.Server
	full := 0
	for _, n := range nodes {
		switch {
		case n.problem != "":
			if n.full {
				full++
			}
			s.Unread = append(s.Unread, n.name)
			problems = append(problems, n.name+": "+n.problem)
		case n.server != nil:
			s.Primaries = append(s.Primaries, n.name)
			found = n.server
			systems[n.systemIdentifier] = true
		default:
			problems = append(problems, n.name+": it is a standby")
			systems[n.systemIdentifier] = true
		}
	}
	switch {
	case len(s.Primaries) > 1:
		s.Problem = "several nodes take writes: " + strings.Join(s.Primaries, ", ")
	case len(systems) > 1:
		s.Problem = "the nodes are of different clusters: their system identifiers differ"
	case found != nil:
		found.Primaries, found.Unread = s.Primaries, s.Unread
		return *found
	default:
		// The primary is one of those that could not be read.
		s.Full = full > 0 && full == len(s.Unread)
		s.Problem = printable("no node takes writes: " + strings.Join(problems, "; "))
	}
	return s
}

// readNode reads one node, within the cluster's connect timeout.
func (p *Prober) readNode(ctx context.Context, c cluster, n policy.PostgresNode) node {
	ctx, cancel := within(ctx, c.topology.Connect.Timeout)
	defer cancel()
	place := c.place(n.Node)
	p.asked.await(ctx, place)
	r := serverReader{cluster: c.topology, asked: p.asked, place: place, seen: node{name: n.Node}}
	looked := false
	err := p.looks.Look(ctx, place, func(ctx context.Context, conn *pgx.Conn) error {
		looked = true
		return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error { return r.read(ctx, tx) })
	})
	if err == nil && !looked {
		err = errors.New("it was not looked at")
	}
	switch {
	case err == nil:
		return r.seen
	case r.seen.server != nil:
		// It is the primary; what it could not be asked is not zero.
		r.seen.server = &poolexhaustion.Server{Node: n.Node, Problem: c.problem(ctx, err)}
		return r.seen
	}
	return node{name: n.Node, problem: c.problem(ctx, err), full: errors.Is(err, postgres.ErrServerFull)}
}

// serverReader reads one node in one transaction: the sessions are then those of one moment, that of the first question about them.
type serverReader struct {
	cluster policy.PostgresCluster
	asked   *turns
	place   string
	tx      pgx.Tx
	seen    node
}

// identity is what is asked first of every node.
type identity struct {
	Version          int
	SystemIdentifier string
	Hidden           bool
	InRecovery       bool
}

// identitySQL works on every version. Who may not read all statistics is not refused: the views show NULL instead.
const identitySQL = `SELECT current_setting('server_version_num')::int AS version,
  (SELECT system_identifier::text FROM pg_control_system()) AS system_identifier,
  NOT pg_has_role('pg_read_all_stats', 'USAGE') AS hidden,
  pg_is_in_recovery() AS in_recovery`

// read asks who it is, and the primary everything else.
func (r *serverReader) read(ctx context.Context, tx pgx.Tx) error {
	r.tx = tx
	who, err := one[identity](ctx, r.tx, identitySQL)
	if err != nil {
		return fmt.Errorf("ask who it is: %w", err)
	}
	if want := r.cluster.SystemIdentifier; want != "" && want != who.SystemIdentifier {
		return fmt.Errorf("its system identifier is %s, the policy says %s: it is not a node of this cluster, and was not looked at further",
			who.SystemIdentifier, want)
	}
	if who.Version < oldest {
		return fmt.Errorf("its version is %d, older than 12", who.Version/10000)
	}
	r.seen.standby, r.seen.systemIdentifier = who.InRecovery, who.SystemIdentifier
	if who.InRecovery {
		return nil
	}
	r.seen.server = &poolexhaustion.Server{Node: r.seen.name, Version: who.Version, SystemIdentifier: who.SystemIdentifier, Hidden: who.Hidden}
	return r.primary(ctx, r.seen.server)
}

// counts is a server in numbers.
type counts struct {
	Clock        time.Time
	Usable       int
	Used         int
	Running      int
	LockWaiting  int
	SyncRep      int `db:"syncrep"`
	Leaked       int
	Idle         int
	Waiters      int
	SyncNames    string
	SyncStandbys int
	Commits      int64
	Rollbacks    int64
}

// countsSQL is the same for all versions: up to 15 there is no setting reserved_connections. Sessions of standbys, workers and the server's
// own processes take no connection slot, and are not counted; ours is one that is used, but does none of the work. Waiters are all
// that wait for a lock, whatever they are. Times are read without a zone, in UTC, as everything here does.
const countsSQL = `SELECT clock_timestamp() AT TIME ZONE 'UTC' AS clock,
  current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
    - coalesce(current_setting('reserved_connections', true), '0')::int AS usable,
  count(*) FILTER (WHERE client) AS used,
  count(*) FILTER (WHERE client AND active AND NOT own AND wait_event_type IS DISTINCT FROM 'Lock'
    AND wait_event IS DISTINCT FROM 'SyncRep') AS running,
  count(*) FILTER (WHERE client AND wait_event_type = 'Lock') AS lock_waiting,
  count(*) FILTER (WHERE client AND wait_event = 'SyncRep') AS syncrep,
  count(*) FILTER (WHERE client AND state LIKE 'idle in transaction%') AS leaked,
  count(*) FILTER (WHERE client AND state = 'idle') AS idle,
  count(*) FILTER (WHERE wait_event_type = 'Lock') AS waiters,
  current_setting('synchronous_standby_names') AS sync_names,
  (SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state IN ('sync', 'quorum')) AS sync_standbys,
  (SELECT coalesce(sum(xact_commit), 0)::bigint FROM pg_stat_database) AS commits,
  (SELECT coalesce(sum(xact_rollback), 0)::bigint FROM pg_stat_database) AS rollbacks
FROM (SELECT a.backend_type = 'client backend' AS client, a.state IN ('active', 'fastpath function call') AS active,
  a.pid = pg_backend_pid() AS own, a.state, a.wait_event_type, a.wait_event FROM pg_stat_activity a) s`

// preparedSQL reads what is prepared and neither committed nor rolled back, the oldest first.
const preparedSQL = `SELECT gid, owner::text AS owner, database::text AS database,
  extract(epoch FROM clock_timestamp() - prepared)::float8 AS age
FROM pg_prepared_xacts ORDER BY prepared, gid LIMIT ` + mostSQL

// most is how many sessions, blockers and prepared transactions are kept of each.
const (
	most    = 50
	mostSQL = "50"
)

// primary reads what only the primary is asked.
func (r *serverReader) primary(ctx context.Context, s *poolexhaustion.Server) error {
	n, err := ask[counts](ctx, r.tx, maxStatement, countsSQL)
	if err == nil && len(n) != 1 {
		err = fmt.Errorf("%d rows came back, not one", len(n))
	}
	if err != nil {
		return fmt.Errorf("count the sessions: %w", err)
	}
	s.ReadAt, s.Clock = time.Now().UTC(), n[0].Clock
	s.Usable, s.Used, s.Running, s.LockWaiting, s.SyncRep, s.Leaked, s.Idle = n[0].Usable, n[0].Used, n[0].Running, n[0].LockWaiting,
		n[0].SyncRep, n[0].Leaked, n[0].Idle
	s.SyncNames, s.SyncStandbys, s.Commits, s.Rollbacks = n[0].SyncNames, n[0].SyncStandbys, n[0].Commits, n[0].Rollbacks
	if s.Prepared, err = ask[poolexhaustion.Prepared](ctx, r.tx, maxStatement, preparedSQL); err != nil {
		return fmt.Errorf("read pg_prepared_xacts: %w", err)
	}
	if n[0].Waiters > 0 {
		r.findBlockers(ctx, s)
	}
	if s.Sessions, err = ask[poolexhaustion.Session](ctx, r.tx, maxStatement, sessionsSQL(s.Version), r.roots(s)); err != nil {
		return fmt.Errorf("read pg_stat_activity: %w", err)
	}
	for i := range s.Sessions {
		s.Sessions[i].Query = postgres.Mask(s.Sessions[i].Query, maxQuery)
	}
	// One that has gone meanwhile blocks nobody any more.
	s.Blockers = slices.DeleteFunc(s.Blockers, func(b poolexhaustion.Blocker) bool {
		return b.PID != 0 && !slices.ContainsFunc(s.Sessions, func(x poolexhaustion.Session) bool { return x.PID == b.PID })
	})
	return nil
}

// maxStatement is how long one statement may take, if the look has as much time left.
const maxStatement = 2 * time.Second

// ask reads rows, and lets the server end the statement before the look is over. A statement that we end ourselves costs the session, and
// a server that is full lets nobody in again.
func ask[T any](ctx context.Context, tx pgx.Tx, most time.Duration, sql string, args ...any) ([]T, error) {
	if deadline, ok := ctx.Deadline(); ok {
		most = min(most, time.Until(deadline)*3/4)
	}
	if most < time.Millisecond {
		return nil, context.DeadlineExceeded
	}
	if _, err := tx.Exec(ctx, `SELECT set_config('statement_timeout', $1, true)`, strconv.FormatInt(most.Milliseconds(), 10)); err != nil {
		return nil, fmt.Errorf("bound the statement: %w", err)
	}
	return many[T](ctx, tx, sql, args...)
}

// many reads rows by the names of their columns: one that is missing, or one too many, is an error.
func many[T any](ctx context.Context, tx pgx.Tx, sql string, args ...any) ([]T, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[T])
}

// one reads the one row that there must be.
func one[T any](ctx context.Context, tx pgx.Tx, sql string, args ...any) (T, error) {
	rows, err := many[T](ctx, tx, sql, args...)
	if err == nil && len(rows) != 1 {
		err = fmt.Errorf("%d rows came back, not one", len(rows))
	}
	if err != nil {
		var none T
		return none, err
	}
	return rows[0], nil
}
