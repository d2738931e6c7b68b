package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// rights are what a login may do. The zero value is one that was not let in, of which nothing else is known.
type rights struct {
	known, superuser, connect, stats, settings, signal, resume bool
	// promote are statements, each of which takes away one way to promote a standby.
	promote []string
}

// readRights asks PostgreSQL rather than its catalogs wherever it has a function for that: rights come through roles of roles, and count
// only where they are inherited. A superuser has all of them.
func readRights(ctx context.Context, conn *pgx.Conn, r *rights) error {
	const ask = `
SELECT me.rolsuper,
       has_database_privilege(current_database(), 'CONNECT'),
       pg_has_role('pg_read_all_stats', 'USAGE'),
       pg_has_role('pg_read_all_settings', 'USAGE'),
       pg_has_role('pg_signal_backend', 'USAGE'),
       has_function_privilege('pg_wal_replay_resume()', 'EXECUTE'),
       ARRAY(SELECT DISTINCT CASE
                 WHEN a.grantee IN (0, me.oid) THEN 'REVOKE EXECUTE ON FUNCTION pg_promote(boolean, integer) FROM '
                   || CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(me.rolname) END || ';'
                 ELSE (SELECT string_agg(format('REVOKE %I FROM %I;', pg_get_userbyid(m.roleid), me.rolname), ' ')
                         FROM pg_auth_members m WHERE m.member = me.oid AND pg_has_role(m.roleid, a.grantee, 'USAGE')) END
               FROM pg_proc p CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
              WHERE p.oid = to_regprocedure('pg_promote(boolean, integer)') AND a.privilege_type = 'EXECUTE'
                AND (a.grantee = 0 OR pg_has_role(a.grantee, 'USAGE')) ORDER BY 1)
  FROM pg_roles me WHERE me.rolname = current_user`
	row := conn.QueryRow(ctx, ask)
	if err := row.Scan(&r.superuser, &r.connect, &r.stats, &r.settings, &r.signal, &r.resume, &r.promote); err != nil {
		return fmt.Errorf("read what the login may do: %w", err)
	}
	r.known = true
	return nil
}

// lacks are the rights that a session's login lacks for a need, and those that no need is worth.
func (s *session) lacks(r rights, need Needs) []Missing {
	user := pgx.Identifier{s.config.User}.Sanitize()
	var list []Missing
	add := func(right, why, sql string, args ...any) {
		list = append(list, Missing{Node: s.node, Need: right, Why: why, SQL: fmt.Sprintf(sql, args...)})
	}
	says := func(why string) string { return s.config.User + " " + why }

	if !r.connect {
		database := pgx.Identifier{s.config.Database}.Sanitize()
		add(needConnect, says("may not connect to the database "+s.config.Database), "GRANT CONNECT ON DATABASE %s TO %s;", database, user)
	}
	if !r.known {
		return list
	}
	switch {
	case !need.Probe:
	case !r.stats && !r.settings:
		add(needMonitor, says("sees empty columns where others' sessions and replication should be, and not all settings"),
			"GRANT pg_monitor TO %s;", user)
	case !r.stats:
		add(needStats, says("sees empty columns where others' sessions and replication should be"), "GRANT pg_read_all_stats TO %s;", user)
	case !r.settings:
		add(needSettings, says("does not see all settings"), "GRANT pg_read_all_settings TO %s;", user)
	}
	if need.EndSessions && !r.stats {
		add(needStats, says("cannot see what a session does before it ends it"), "GRANT pg_read_all_stats TO %s;", user)
	}
	if need.EndSessions && !r.signal {
		add(needSignal, says("cannot end sessions of others"), "GRANT pg_signal_backend TO %s;", user)
	}
	if need.Resume && !r.resume {
		add(needResume, says("cannot let replay go on"), "GRANT EXECUTE ON FUNCTION pg_wal_replay_resume() TO %s;", user)
	}
	if r.superuser {
		// Somebody else may need that superuser, and PostgreSQL needs its first one: nobody is told to take it away.
		add(needNoSuperuser, TooMuch, "-- Connect as a login of its own instead of %s: see deploy/postgres/roles.sql.", user)
		return list
	}
	for _, revoke := range r.promote {
		add(needNoPromote, TooMuch, "%s", revoke)
	}
	return list
}
