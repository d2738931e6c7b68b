package probe

import (
	"context"
	"fmt"
	"strings"

	"github.com/firebreak-sre/firebreak/handlers/replicationlag"
	"github.com/firebreak-sre/firebreak/internal/postgres"
)

const (
	// maxHolders is how many sessions that hold replay up are kept, those with the oldest transactions.
	maxHolders = 20
	// maxQuery is how much of a statement is kept, in characters, without its literals.
	maxQuery = 300
)

// What a session holds replay up by.
const (
	holdsSnapshot = "snapshot"
	holdsLock     = "lock"
)

// whoHolds finds out for whom replay waits, if it waits for anybody. pg_blocking_pids does not know: it is empty for the startup process.
// What cannot be read is said in the standby; the rest of the look goes on.
func (r *nodeReader) whoHolds(ctx context.Context, s *replicationlag.Standby) {
	var err error
	switch {
	case s.Startup.WaitEventType == "Lock":
		err = r.lockHolders(ctx, s)
	case strings.HasPrefix(s.Startup.WaitEvent, "RecoveryConflict"):
		s.Holders, err = r.sessions(ctx, holdsSnapshot, snapshotSQL)
	case s.Startup.WaitEventType == "BufferPin":
		if s.Holders, err = r.sessions(ctx, holdsSnapshot, snapshotSQL); err == nil {
			s.HoldersProblem = "replay waits for a page that a session has pinned, and PostgreSQL does not say which session: those with a snapshot may be it"
		}
	default:
		return
	}
	if err != nil {
		s.HoldersProblem = printable(err.Error())
	}
}

// lockHolders finds the lock that replay waits for, and who has it.
func (r *nodeReader) lockHolders(ctx context.Context, s *replicationlag.Standby) error {
	waits, err := many[struct {
		LockWait *replicationlag.Seconds
		LockOn   string
	}](ctx, r.conn, lockSQL(r.seen.Version), s.Startup.PID)
	if err != nil {
		return fmt.Errorf("read the lock that replay waits for: %w", err)
	}
	if len(waits) == 0 {
		return nil // it has got the lock meanwhile
	}
	s.Startup.LockWait, s.Startup.LockOn = waits[0].LockWait, waits[0].LockOn
	s.Holders, err = r.sessions(ctx, holdsLock, lockHoldersSQL, s.Startup.PID)
	return err
}

// sessions reads the sessions that a statement finds.
func (r *nodeReader) sessions(ctx context.Context, holds, sql string, args ...any) ([]replicationlag.Session, error) {
	found, err := many[replicationlag.Session](ctx, r.conn, sql, append([]any{holds, maxHolders}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("find the sessions that hold replay up by a %s: %w", holds, err)
	}
	for i := range found {
		found[i].Query = postgres.Mask(found[i].Query, maxQuery)
	}
	return found, nil
}

// lockSQL reads the lock that a process waits for; since when is known from version 14 on, a moment after the wait began. Names of
// relations are only known in the database that we are connected to.
func lockSQL(version int) string {
	wait := "NULL::float8"
	if version >= 140000 {
		wait = "extract(epoch FROM clock_timestamp() - l.waitstart)::float8"
	}
	return `SELECT ` + wait + ` AS lock_wait,
  coalesce(CASE WHEN l.database IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
    THEN (SELECT c.relname::text FROM pg_class c WHERE c.oid = l.relation) END, l.relation::text, l.locktype) AS lock_on
FROM pg_locks l WHERE l.pid = $1 AND NOT l.granted LIMIT 1`
}

// sessionColumns are those of [replicationlag.Session], of a row a of pg_stat_activity. A role that cannot be found counts as a superuser: nobody may end
// what nobody knows. The statement is cut here to what masking needs.
const sessionColumns = `a.pid,
  coalesce(a.backend_start AT TIME ZONE 'UTC', '0001-01-01') AS backend_start,
  coalesce(a.xact_start AT TIME ZONE 'UTC', '0001-01-01') AS xact_start,
  coalesce(a.usename::text, '') AS "user",
  coalesce(a.datname::text, '') AS database,
  coalesce(a.application_name, '') AS application_name,
  coalesce(host(a.client_addr), '') AS client_addr,
  coalesce(a.backend_type, '') AS backend_type,
  coalesce(a.state, '') AS state,
  coalesce(extract(epoch FROM clock_timestamp() - a.xact_start), 0)::float8 AS xact_age,
  coalesce(extract(epoch FROM clock_timestamp() - a.state_change), 0)::float8 AS state_age,
  $1::text AS holds,
  coalesce((SELECT r.rolsuper FROM pg_roles r WHERE r.oid = a.usesysid), true) AS superuser,
  coalesce(a.query, '') AS query`

// Workers of a parallel query end with their leader, which is in the list itself.
const (
	// snapshotSQL finds whoever has a snapshot. Which of them is in the way is not told: it depends on what was removed on the primary.
	// A walsender's is only its standby's, and never waited for.
	snapshotSQL = `SELECT ` + sessionColumns + ` FROM pg_stat_activity a
WHERE a.backend_xmin IS NOT NULL AND a.backend_type NOT IN ('walsender', 'parallel worker') AND a.pid <> pg_backend_pid()
ORDER BY a.xact_start NULLS LAST, a.pid LIMIT $2`

	// lockHoldersSQL finds whoever has the very lock that a process waits for.
	lockHoldersSQL = `WITH held AS MATERIALIZED (SELECT DISTINCT h.pid FROM pg_locks w JOIN pg_locks h
  ON h.granted AND h.pid <> w.pid AND h.locktype = w.locktype
  AND h.database IS NOT DISTINCT FROM w.database AND h.relation IS NOT DISTINCT FROM w.relation
  AND h.page IS NOT DISTINCT FROM w.page AND h.tuple IS NOT DISTINCT FROM w.tuple
  AND h.virtualxid IS NOT DISTINCT FROM w.virtualxid AND h.transactionid IS NOT DISTINCT FROM w.transactionid
  AND h.classid IS NOT DISTINCT FROM w.classid AND h.objid IS NOT DISTINCT FROM w.objid AND h.objsubid IS NOT DISTINCT FROM w.objsubid
  WHERE w.pid = $3 AND NOT w.granted)
SELECT ` + sessionColumns + ` FROM held JOIN pg_stat_activity a USING (pid)
WHERE a.backend_type <> 'parallel worker'
ORDER BY a.xact_start NULLS LAST, a.pid LIMIT $2`
)
