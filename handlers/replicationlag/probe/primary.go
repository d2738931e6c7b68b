package probe

import (
	"context"
	"errors"
	"fmt"
	"github.com/firebreak-sre/firebreak/handlers/replicationlag"
)

// primary is what a node says that is not in recovery.
func (r *nodeReader) primary(ctx context.Context, at position) (*replicationlag.Primary, error) {
	if at.Written == nil {
		return nil, errors.New("read its position: it was promoted or restarted meanwhile")
	}
	p := &replicationlag.Primary{Current: *at.Written}
	var err error
	if p.Senders, err = many[replicationlag.Sender](ctx, r.conn, sendersSQL); err != nil {
		return nil, fmt.Errorf("read pg_stat_replication: %w", err)
	}
	if p.Slots, err = many[replicationlag.Slot](ctx, r.conn, slotsSQL(r.seen.Version)); err != nil {
		return nil, fmt.Errorf("read pg_replication_slots: %w", err)
	}
	rest, err := one[struct{ SyncNames string }](ctx, r.conn, `SELECT current_setting('synchronous_standby_names') AS sync_names`)
	if err != nil {
		return nil, fmt.Errorf("read synchronous_standby_names: %w", err)
	}
	p.SyncNames = rest.SyncNames
	p.Backups, err = r.backups(ctx)
	return p, err
}

// sendersSQL is the same for all versions since 12, which brought reply_time. That is the standby's clock: a clock that is wrong there
// makes the age wrong. A base backup is a row too. Texts that are hidden from us are empty.
const sendersSQL = `SELECT pid,
  coalesce(backend_start AT TIME ZONE 'UTC', '0001-01-01') AS backend_start,
  coalesce(usename::text, '') AS "user",
  coalesce(application_name, '') AS application_name,
  coalesce(host(client_addr), '') AS client_addr,
  coalesce(state, '') AS state,
  coalesce(sync_state, '') AS sync_state,
  (sent_lsn - '0/0'::pg_lsn)::bigint AS sent,
  (write_lsn - '0/0'::pg_lsn)::bigint AS write,
  (flush_lsn - '0/0'::pg_lsn)::bigint AS flush,
  (replay_lsn - '0/0'::pg_lsn)::bigint AS replay,
  extract(epoch FROM write_lag)::float8 AS write_lag,
  extract(epoch FROM flush_lag)::float8 AS flush_lag,
  extract(epoch FROM replay_lag)::float8 AS replay_lag,
  extract(epoch FROM clock_timestamp() - reply_time)::float8 AS reply_age
FROM pg_stat_replication ORDER BY application_name, pid`

// slotsSQL reads the slots of a primary. A slot that was never used has no position, and no status.
func slotsSQL(version int) string {
	status, safe := "''", "NULL::bigint"
	if version >= 130000 {
		status, safe = "coalesce(wal_status, '')", "safe_wal_size"
	}
	return `SELECT slot_name::text AS name, slot_type AS type, active,
  coalesce(active_pid, 0) AS active_pid,
  ` + status + ` AS wal_status,
  ` + safe + ` AS safe_bytes,
  (pg_current_wal_lsn() - restart_lsn)::bigint AS retained
FROM pg_replication_slots ORDER BY slot_name`
}

// backups counts the base backups under way at a node.
func (r *nodeReader) backups(ctx context.Context) (int, error) {
	counted, err := one[struct{ Backups int }](ctx, r.conn, backupsSQL(r.seen.Version))
	if err != nil {
		return 0, fmt.Errorf("count base backups: %w", err)
	}
	return counted.Backups, nil
}

// backupsSQL counts what is seen of base backups: those that a walsender makes, the one in exclusive mode up to version 14, and sessions
// of tools that keep one open by pg_backup_start. Such a session of a tool that does not name itself is not seen by any view.
func backupsSQL(version int) string {
	sql := `SELECT (SELECT count(*) FROM pg_stat_replication WHERE state = 'backup')
  + (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name ~* '(pgbackrest|barman)')`
	if version < 150000 {
		sql += `
  + pg_is_in_backup()::int`
	}
	return sql + ` AS backups`
}
