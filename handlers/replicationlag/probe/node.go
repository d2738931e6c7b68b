package probe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/handlers/replicationlag"
	"github.com/firebreak-sre/firebreak/policy"
)

// oldest is the first version whose views are read here.
const oldest = 120000

// identity is what is asked first of every node.
type identity struct {
	Version          int
	SystemIdentifier string
	Hidden           bool
}

// identitySQL works on every version. Who may not read all statistics is not refused: the views show NULL instead.
const identitySQL = `SELECT current_setting('server_version_num')::int AS version,
  (SELECT system_identifier::text FROM pg_control_system()) AS system_identifier,
  NOT pg_has_role('pg_read_all_stats', 'USAGE') AS hidden`

// position is where a node is in the WAL, and what it is, in one statement: both belong together.
type position struct {
	InRecovery bool
	Clock      time.Time
	Written    *replicationlag.LSN
	Received   *replicationlag.LSN
	Replayed   *replicationlag.LSN
	ReplayedAt *time.Time
}

// positionSQL reads times without a zone, in UTC, as everything here does: they come back as they are kept.
const positionSQL = `SELECT pg_is_in_recovery() AS in_recovery,
  clock_timestamp() AT TIME ZONE 'UTC' AS clock,
  (CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_lsn() - '0/0'::pg_lsn END)::bigint AS written,
  (pg_last_wal_receive_lsn() - '0/0'::pg_lsn)::bigint AS received,
  (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint AS replayed,
  pg_last_xact_replay_timestamp() AT TIME ZONE 'UTC' AS replayed_at`

// readNode reads one node, within the cluster's connect timeout.
func (p *Prober) readNode(ctx context.Context, c cluster, n policy.PostgresNode, start *startLine) replicationlag.Node {
	arrive := start.place()
	defer arrive()
	ctx, cancel := within(ctx, c.topology.Connect.Timeout)
	defer cancel()
	r := nodeReader{cluster: c.topology, seen: replicationlag.Node{Name: n.Node}}
	err := p.looks.Look(ctx, c.topology.Cluster+"/"+n.Node, func(ctx context.Context, conn *pgx.Conn) error {
		r.conn = conn
		return r.read(ctx, func() {
			arrive()
			start.wait(ctx)
		})
	})
	if err == nil && r.seen.Primary == nil && r.seen.Standby == nil {
		err = errors.New("it was not looked at")
	}
	if err == nil {
		return r.seen
	}
	unread := replicationlag.Node{Name: n.Node, Problem: c.problem(ctx, err)}
	if errors.Is(err, errOtherSystem) {
		unread.Version, unread.SystemIdentifier = r.seen.Version, r.seen.SystemIdentifier
	}
	return unread
}

// problem is why something could not be read, without our passwords.
func (c cluster) problem(ctx context.Context, err error) string {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	secrets := []policy.Secret{c.topology.Connect.Probe.Password}
	if act := c.topology.Connect.Act; act != nil {
		secrets = append(secrets, act.Password)
	}
	return printable(err.Error(), secrets...)
}

// errOtherSystem says that a server is not of this cluster, whatever its address.
var errOtherSystem = errors.New("it is not a node of this cluster, and was not looked at further")

// nodeReader reads one node over one session.
type nodeReader struct {
	cluster policy.PostgresCluster
	conn    *pgx.Conn
	seen    replicationlag.Node
}

// read asks everything. ready is called right before the position is read.
func (r *nodeReader) read(ctx context.Context, ready func()) error {
	who, err := one[identity](ctx, r.conn, identitySQL)
	if err != nil {
		return fmt.Errorf("ask who it is: %w", err)
	}
	r.seen.Version, r.seen.SystemIdentifier = who.Version, who.SystemIdentifier
	if want := r.cluster.SystemIdentifier; want != "" && want != who.SystemIdentifier {
		return fmt.Errorf("its system identifier is %s, the policy says %s: %w", who.SystemIdentifier, want, errOtherSystem)
	}
	if who.Version < oldest {
		return fmt.Errorf("its version is %d, older than 12", who.Version/10000)
	}
	ready()
	r.seen.AskedAt = time.Now().UTC()
	at, err := one[position](ctx, r.conn, positionSQL)
	if err != nil {
		return fmt.Errorf("read its position: %w", err)
	}
	r.seen.ReadAt, r.seen.Clock = time.Now().UTC(), at.Clock
	if at.InRecovery {
		r.seen.Standby, err = r.standby(ctx, at)
	} else {
		r.seen.Primary, err = r.primary(ctx, at)
	}
	if err == nil {
		r.seen.Settings, err = r.settings(ctx)
	}
	if err != nil {
		return err
	}
	if r.seen.Primary != nil {
		r.seen.Primary.Hidden = who.Hidden
	} else {
		r.seen.Standby.Hidden = who.Hidden
	}
	return nil
}

// settingsSQL gives times in milliseconds and sizes in MiB. Where a version does not know a setting, there is none.
const settingsSQL = `SELECT name, setting::bigint * CASE unit WHEN 's' THEN 1000 ELSE 1 END AS value FROM pg_settings WHERE name = ANY ($1)`

// settings are those that are compared, and those that say what is to be expected of a healthy node.
func (r *nodeReader) settings(ctx context.Context) (map[string]int64, error) {
	names := append(replicationlag.ComparedSettings(), "max_slot_wal_keep_size", "wal_receiver_status_interval", "wal_sender_timeout")
	type setting struct {
		Name  string
		Value int64
	}
	rows, err := many[setting](ctx, r.conn, settingsSQL, names)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	all := make(map[string]int64, len(rows))
	for _, s := range rows {
		all[s.Name] = s.Value
	}
	return all, nil
}

// many reads rows by the names of their columns: one that is missing, or one too many, is an error.
func many[T any](ctx context.Context, conn *pgx.Conn, sql string, args ...any) ([]T, error) {
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[T])
}

// one reads the one row that there must be.
func one[T any](ctx context.Context, conn *pgx.Conn, sql string, args ...any) (T, error) {
	rows, err := many[T](ctx, conn, sql, args...)
	if err == nil && len(rows) != 1 {
		err = fmt.Errorf("%d rows came back, not one", len(rows))
	}
	if err != nil {
		var none T
		return none, err
	}
	return rows[0], nil
}
