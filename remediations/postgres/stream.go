package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/remediations"
)

// restarting ends the walsender of a standby, whose receiver then connects again.
type restarting struct{ streamParams }

const streamGiven = `
WITH given AS MATERIALIZED (
  SELECT $1::int AS pid, $2::timestamptz AS backend_start, $3::text AS application_name, $4::text AS system_identifier,
         $5::timestamptz AS deadline, $6::bigint AS patience)`

// streamRules are all that must hold of a walsender that is ended. g is what was given, a what the server shows of its pid, s its row in
// pg_stat_replication, and r its role.
func streamRules() []rule {
	rules := append(serverRules(),
		rule{"NOT pg_is_in_recovery()", "the server is a standby: its walsenders are left alone"},
		rule{"a.pid IS NOT NULL", "it has gone already"},
	)
	rules = append(rules, signalRules()...)
	return append(rules,
		rule{"a.backend_start = g.backend_start", "it has gone already, and another session has its pid"},
		rule{"a.backend_type = 'walsender' AND s.pid IS NOT NULL", "it is no walsender"},
		rule{"s.application_name = g.application_name", "it is the walsender of somebody else, by application_name"},
		rule{"NOT r.rolsuper", "its role is a superuser"},
		rule{"s.state IN ('streaming', 'catchup')", "its state is neither streaming nor catchup: it may be a base backup"},
		rule{"s.application_name !~* '(" + streamTools + "|firebreak)'",
			"its application_name is that of a tool that is never ended"},
		rule{"NOT EXISTS (SELECT FROM pg_stat_replication b WHERE b.state = 'backup' AND b.application_name = s.application_name)",
			"a base backup is under way under its name"},
		rule{"a.datid IS NULL AND NOT EXISTS (SELECT FROM pg_replication_slots l WHERE l.active_pid = a.pid AND l.slot_type = 'logical')",
			"it is for logical replication"},
		rule{"s.sync_state = 'async' AND s.sync_priority = 0", "commits may wait for it: it is not async"},
		rule{`NOT EXISTS (SELECT FROM regexp_split_to_table(current_setting('synchronous_standby_names'), '[[:space:],()"]+') AS n(name)
                     WHERE n.name = '*' OR lower(n.name) = lower(s.application_name))
        AND strpos(lower(current_setting('synchronous_standby_names')), lower('"' || replace(s.application_name, '"', '""') || '"')) = 0`,
			"commits may wait for it: synchronous_standby_names may mean it"},
		rule{`EXISTS (SELECT FROM pg_stat_replication o
                 WHERE o.pid <> a.pid AND o.state = 'streaming' AND o.replay_lsn IS NOT NULL
                   AND o.application_name <> s.application_name
                   AND NOT EXISTS (SELECT FROM pg_replication_slots l WHERE l.active_pid = o.pid AND l.slot_type = 'logical'))`,
			"no other standby streams at this moment"},
	)
}

func streamSQL(version int) string {
	return streamGiven + `,
victim AS MATERIALIZED (
  SELECT a.pid, g.deadline, g.patience
    FROM given g
    JOIN pg_stat_activity a ON a.pid = g.pid
    JOIN pg_stat_replication s ON s.pid = a.pid
    JOIN pg_roles r ON r.oid = a.usesysid
   WHERE ` + where(streamRules()) + `
   AND ` + turn + `
   LIMIT 1)
SELECT v.pid, CASE WHEN clock_timestamp() < v.deadline THEN ` + terminateCall(version) + ` END AS signalled FROM victim v`
}

func whyNotStreamSQL() string {
	return streamGiven + `
SELECT g.pid, ` + why(streamRules()) + ` AS rule
  FROM given g
  LEFT JOIN pg_stat_activity a ON a.pid = g.pid
  LEFT JOIN pg_stat_replication s ON s.pid = a.pid
  LEFT JOIN pg_roles r ON r.oid = a.usesysid
 WHERE g.patience IS NOT NULL`
}

// act ends the walsender.
func (w restarting) act(ctx context.Context, t *try) (string, error) {
	if err := t.begin(ctx); err != nil {
		return "", err
	}
	args := []any{pgx.QueryExecModeExec, int32(w.PID), w.BackendStart, w.ApplicationName, w.SystemIdentifier, t.deadline,
		min(t.left(), endPatience).Milliseconds()}
	t.sent = true
	rows, err := t.conn.Query(ctx, streamSQL(t.version), args...)
	if err != nil {
		return "", t.judge(err, 1)
	}
	signalled := false
	var pid int
	var sent *bool
	if _, err = pgx.ForEachRow(rows, []any{&pid, &sent}, func() error { signalled = sent != nil; return nil }); err != nil {
		return "", t.judge(err, 1)
	}
	if !signalled {
		return "", refusal("%s", w.whyNot(ctx, t, args))
	}
	var left []session
	gone, err := until(ctx, min(t.left(), endPatience), func(ctx context.Context) (bool, error) {
		left, err = remaining(ctx, t.conn, w.one(), func(s sight) bool { return s.there })
		return len(left) == 0, err
	})
	switch {
	case err != nil:
		return fmt.Sprintf("the walsender of %s, pid %d, was told to end, and whether it did could not be read: %v", w.Standby, w.PID, err), nil
	case !gone:
		return fmt.Sprintf("the walsender of %s, pid %d, was told to end and has not yet", w.Standby, w.PID), nil
	}
	return fmt.Sprintf("the walsender of %s, pid %d, has ended", w.Standby, w.PID), nil
}

func (w restarting) whyNot(ctx context.Context, t *try, args []any) string {
	var pid, rule int
	if err := t.conn.QueryRow(ctx, whyNotStreamSQL(), args...).Scan(&pid, &rule); err != nil {
		return "the walsender is not as the plan says, and why could not be read: " + err.Error()
	}
	return t.named(fmt.Sprintf("pid %d: %s", pid, words(streamRules(), rule)))
}

// one is the walsender as a session; it has no transaction.
func (w restarting) one() []session {
	return []session{{PID: w.PID, BackendStart: w.BackendStart, XactStart: w.BackendStart}}
}

// look says whether the walsender is there.
func (w restarting) look(ctx context.Context, conn *pgx.Conn) (remediations.Presence, error) {
	p, server, err := lookAtServer(ctx, conn, w.SystemIdentifier)
	if err != nil {
		return p, err
	}
	left, err := remaining(ctx, conn, w.one(), func(s sight) bool { return s.there })
	switch {
	case err != nil:
		return remediations.Presence{}, err
	case len(left) == 0:
		p.State, p.Detail = remediations.Satisfied, fmt.Sprintf("the walsender of %s, pid %d, has gone", w.Standby, w.PID)
	case server.standby:
		p.State, p.Detail = remediations.Foreign, "the server has changed its part since: it is a standby"
	default:
		p.State, p.Detail = remediations.Absent, fmt.Sprintf("the walsender of %s, pid %d, is there", w.Standby, w.PID)
	}
	return p, nil
}
