package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/remediations"
)

// resuming lets the replay of a paused standby go on.
type resuming struct{ replayParams }

const resumeFunction = "pg_wal_replay_resume()"

const replayGiven = `
WITH given AS MATERIALIZED (
  SELECT $1::text AS system_identifier, $2::timestamptz AS deadline, $3::text::pg_lsn AS replay_lsn, $4::text[] AS names, $5::bigint[] AS least)`

// pauseOf is the state of a standby's pause. Before 14 a pause that has only been asked for is not told from one that has begun. A
// primary has none; asked there, PostgreSQL's functions are an error.
func pauseOf(version int) string {
	if version >= since14 {
		return "CASE WHEN pg_is_in_recovery() THEN pg_get_wal_replay_pause_state() END"
	}
	return "CASE WHEN pg_is_in_recovery() THEN CASE WHEN pg_is_wal_replay_paused() THEN 'paused' ELSE 'not paused' END END"
}

// replayRules are all that must hold of a standby whose replay is resumed. g is what was given.
func replayRules(version int) []rule {
	return append(serverRules(),
		rule{"pg_is_in_recovery()", "the server is no standby"},
		rule{"(" + pauseOf(version) + ") = 'paused'", "its replay is not paused, or not yet"},
		rule{"pg_last_wal_replay_lsn() = g.replay_lsn", "its replay is at another place than the plan saw: it went on since"},
		rule{"NOT EXISTS (SELECT FROM unnest(g.names, g.least) AS s(name, least) WHERE current_setting(s.name)::bigint < s.least)",
			"a setting is lower than on the primary, and resuming would shut the standby down: raise it and restart the standby"},
		rule{"has_function_privilege('" + resumeFunction + "', 'EXECUTE')",
			"our login may not resume replay: on the primary, in this database, GRANT EXECUTE ON FUNCTION " + resumeFunction + " TO {login}"},
	)
}

func resumeSQL(version int) string {
	return replayGiven + `
SELECT pg_wal_replay_resume()::text FROM given g
 WHERE ` + where(replayRules(version)) + `
   AND ` + turn
}

func whyNotResumeSQL(version int) string {
	return replayGiven + `
SELECT ` + why(replayRules(version)) + ` AS rule FROM given g`
}

func pauseSQL(version int) string {
	return "SELECT coalesce(" + pauseOf(version) + `, ''),
       coalesce(pg_last_wal_replay_lsn() = $1::text::pg_lsn, false),
       coalesce(pg_last_wal_replay_lsn()::text, '')`
}

// pause is how a standby's replay is.
type pause struct {
	state string // "" on a primary
	same  bool   // it is where the plan saw it
	at    string
}

func (r resuming) pauseAt(ctx context.Context, conn *pgx.Conn, version int) (pause, error) {
	var p pause
	if err := conn.QueryRow(ctx, pauseSQL(version), pgx.QueryExecModeExec, r.ReplayLSN).Scan(&p.state, &p.same, &p.at); err != nil {
		return p, fmt.Errorf("read the pause: %w", err)
	}
	return p, nil
}

// act resumes replay, and reads back that it is no longer paused.
func (r resuming) act(ctx context.Context, t *try) (string, error) {
	if err := t.begin(ctx); err != nil {
		return "", err
	}
	var least []int64
	for _, name := range comparedSettings() {
		least = append(least, r.Settings[name])
	}
	args := []any{pgx.QueryExecModeExec, r.SystemIdentifier, t.deadline, r.ReplayLSN, comparedSettings(), least}
	t.sent = true
	var nothing string
	switch err := t.conn.QueryRow(ctx, resumeSQL(t.version), args...).Scan(&nothing); {
	case errors.Is(err, pgx.ErrNoRows):
		return "", refusal("%s", r.whyNot(ctx, t, args))
	case err != nil:
		return "", t.judge(err, 1)
	}
	var p pause
	resumed, err := until(ctx, min(t.left(), endPatience), func(ctx context.Context) (bool, error) {
		var err error
		p, err = r.pauseAt(ctx, t.conn, t.version)
		return p.state == "not paused", err
	})
	switch {
	case err != nil:
		return "", fmt.Errorf("in doubt, replay was resumed, and how it is now could not be read: %w", err)
	case !resumed:
		return fmt.Sprintf("replay was resumed, and is %q again at %s", p.state, p.at), nil
	}
	return fmt.Sprintf("replay goes on, now at %s", p.at), nil
}

func (r resuming) whyNot(ctx context.Context, t *try, args []any) string {
	var rule int
	if err := t.conn.QueryRow(ctx, whyNotResumeSQL(t.version), args...).Scan(&rule); err != nil {
		return "the standby is not as the plan says, and why could not be read: " + err.Error()
	}
	return t.named(words(replayRules(t.version), rule))
}

// look says whether replay is paused where the plan saw it. On a server that is no standby any more nothing is paused.
func (r resuming) look(ctx context.Context, conn *pgx.Conn) (remediations.Presence, error) {
	p, _, err := lookAtServer(ctx, conn, r.SystemIdentifier)
	if err != nil {
		return p, err
	}
	version, err := versionOf(ctx, conn)
	if err != nil {
		return remediations.Presence{}, err
	}
	is, err := r.pauseAt(ctx, conn, version)
	if err != nil {
		return remediations.Presence{}, err
	}
	switch {
	case is.state == "":
		p.State, p.Detail = remediations.Satisfied, "the server is no standby any more, so nothing is paused"
	case is.state == "not paused":
		p.State, p.Detail = remediations.Satisfied, "replay is not paused; it is at "+is.at
	case is.state == "paused" && is.same:
		p.State, p.Detail = remediations.Absent, "replay is paused at "+is.at
	default:
		p.State, p.Detail = remediations.Foreign, fmt.Sprintf("replay is %q at %s: it went on since, and somebody paused it again", is.state, is.at)
	}
	return p, nil
}
