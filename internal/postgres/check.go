package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Needs is what Firebreak is to do at a node. A server is always asked what it is; rights are only asked for what is needed.
type Needs struct {
	// Probe: see sessions and replication of others. Without the right for it PostgreSQL shows empty columns instead of an error, which
	// would read as "no lag".
	Probe bool
	// EndSessions: cancel and terminate sessions of others.
	EndSessions bool
	// Resume: let a standby's replay go on.
	Resume bool
}

// Facts are what a server says of itself.
type Facts struct {
	// Version is like 150020 for 15.20.
	Version int
	// SystemIdentifier is the same for all servers of a cluster, and no two clusters share one.
	SystemIdentifier string
	// Recovery is true on a standby.
	Recovery bool
	// MaxConnections are all slots. SuperuserReserved and Reserved of them (the latter since 16) are not for everybody.
	MaxConnections    int
	SuperuserReserved int
	Reserved          int
}

// Missing is a right that a login lacks, or has and should not.
type Missing struct {
	// Node is where it was found. Need is the right, e.g. "pg_signal_backend". Why is in words what goes wrong without it.
	Node, Need, Why string
	// SQL mends it, connected to the same database. It is for the primary, also when Node is a standby: that learns it through
	// the WAL, and not while its replay is paused. So grant before it is.
	SQL string
}

// TooMuch is the Why of a right that a login has and should not.
const TooMuch = "can do more than it needs"

// Rights have these names in Need.
const (
	needConnect     = "CONNECT"
	needMonitor     = "pg_monitor"
	needStats       = "pg_read_all_stats"
	needSettings    = "pg_read_all_settings"
	needSignal      = "pg_signal_backend"
	needResume      = "EXECUTE on pg_wal_replay_resume()"
	needNoSuperuser = "NOSUPERUSER"
	needNoPromote   = "no EXECUTE on pg_promote()"
)

// insufficientPrivilege is the SQLSTATE of whatever a login may not do.
const insufficientPrivilege = "42501"

// Check asks a node what it is and whether the logins may do what is needed there, and not more. Nothing missing and no error means that
// every statement for these needs will be allowed. An error means that it could not be found out.
func Check(ctx context.Context, f *Fleet, node string, need Needs) (Facts, []Missing, error) {
	n, err := f.node(node)
	if err != nil {
		return Facts{}, nil, fmt.Errorf("check %s: %w", node, err)
	}
	var facts Facts
	var looks, acts rights
	err = f.Look(ctx, node, func(ctx context.Context, conn *pgx.Conn) error {
		return errors.Join(readFacts(ctx, conn, &facts), readRights(ctx, conn, &looks))
	})
	if err != nil && !isShutOut(err) {
		return facts, nil, fmt.Errorf("check: %w", err)
	}
	missing := n.look.lacks(looks, Needs{Probe: need.Probe})
	if !need.EndSessions && !need.Resume {
		return facts, missing, nil
	}
	err = f.Act(ctx, node, "check", func(ctx context.Context, conn *pgx.Conn) error { return readRights(ctx, conn, &acts) })
	if err != nil && !isShutOut(err) {
		return facts, missing, fmt.Errorf("check: %w", err)
	}
	if n.act.config.User == n.look.config.User {
		acts.superuser, acts.promote = false, nil // that was said already
	}
	return facts, append(missing, n.act.lacks(acts, Needs{EndSessions: need.EndSessions, Resume: need.Resume})...), nil
}

func readFacts(ctx context.Context, conn *pgx.Conn, f *Facts) error {
	const ask = `
SELECT current_setting('server_version_num')::int,
       (SELECT system_identifier::text FROM pg_control_system()),
       pg_is_in_recovery(),
       current_setting('max_connections')::int,
       current_setting('superuser_reserved_connections')::int,
       coalesce(current_setting('reserved_connections', true), '0')::int`
	row := conn.QueryRow(ctx, ask)
	if err := row.Scan(&f.Version, &f.SystemIdentifier, &f.Recovery, &f.MaxConnections, &f.SuperuserReserved, &f.Reserved); err != nil {
		return fmt.Errorf("read what the server is: %w", err)
	}
	return nil
}

// isShutOut says whether the server knows the login and does not let it into the database.
func isShutOut(err error) bool {
	var said *pgconn.PgError
	return errors.As(err, &said) && said.Code == insufficientPrivilege && said.SeverityUnlocalized == "FATAL"
}
