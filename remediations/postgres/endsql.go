package postgres

// endGiven is what all statements about sessions are given. Each session is wanted as it was seen, in the plan's order. room is how many
// the action may still end: those of its sessions that have gone, by whatever, count as ended by it.
const endGiven = `
WITH given AS MATERIALIZED (
  SELECT $5::text[] AS roles, $6::text AS system_identifier, $7::timestamptz AS deadline, $8::bool AS standby,
         $9::int AS most, $10::int AS used, $11::bigint AS patience),
wanted AS MATERIALIZED (
  SELECT * FROM unnest($1::int[], $2::timestamptz[], $3::timestamptz[], $4::text[]) WITH ORDINALITY
           AS w(pid, backend_start, xact_start, usename, nth)),
room AS MATERIALIZED (
  SELECT least(g.most, greatest(1, (SELECT count(*) FROM pg_stat_activity c
                                     WHERE c.backend_type = 'client backend' AND c.usename <> current_user) / 10))
         - g.used
         - (SELECT count(*) FROM wanted w WHERE NOT EXISTS (
              SELECT FROM pg_stat_activity c WHERE c.pid = w.pid AND c.backend_start = w.backend_start)) AS "left"
    FROM given g)`

// signalled is how a session is told to end, or its statement. From 14 on the server itself waits until it has ended.
func terminateCall(version int) string {
	if version >= since14 {
		return "pg_terminate_backend(v.pid, v.patience)"
	}
	return "pg_terminate_backend(v.pid)"
}

const cancelCall = "pg_cancel_backend(v.pid)"

// endSQL is the statement that compares and acts. Its rows are the sessions that matched, with true if they were signalled; null if the
// deadline passed while the server waited for one before them.
func endSQL(version int, fix string, d doing, call string) string {
	return endGiven + `,
victim AS MATERIALIZED (
  SELECT a.pid, g.deadline, g.patience
    FROM given g CROSS JOIN room CROSS JOIN wanted w
    JOIN pg_stat_activity a ON a.pid = w.pid
    JOIN pg_roles r ON r.oid = a.usesysid
   WHERE ` + where(sessionRules(version, fix, d)) + `
   AND ` + turn + `
   ORDER BY w.nth
   LIMIT (SELECT greatest(0, "left") FROM room))
SELECT v.pid, CASE WHEN clock_timestamp() < v.deadline THEN ` + call + ` END AS signalled FROM victim v`
}

// whyNotSQL reads why sessions do not match. It changes nothing.
func whyNotSQL(version int, fix string, d doing) string {
	return endGiven + `
SELECT w.pid, ` + why(sessionRules(version, fix, d)) + ` AS rule
  FROM given g CROSS JOIN room CROSS JOIN wanted w
  LEFT JOIN pg_stat_activity a ON a.pid = w.pid
  LEFT JOIN pg_roles r ON r.oid = a.usesysid
 ORDER BY w.nth`
}

// sightSQL reads what has become of sessions.
const sightSQL = `
WITH wanted AS MATERIALIZED (
  SELECT * FROM unnest($1::int[], $2::timestamptz[], $3::timestamptz[]) WITH ORDINALITY AS w(pid, backend_start, xact_start, nth))
SELECT w.pid,
       a.pid IS NOT NULL AND a.backend_start IS NULL AS hidden,
       coalesce(a.backend_start = w.backend_start, false) AS there,
       coalesce(a.backend_start = w.backend_start AND a.xact_start = w.xact_start, false) AS same
  FROM wanted w
  LEFT JOIN pg_stat_activity a ON a.pid = w.pid
 ORDER BY w.nth`

// serverSQL reads which server it is.
const serverSQL = `
SELECT (SELECT system_identifier::text FROM pg_control_system()), pg_is_in_recovery(), clock_timestamp(), current_user::text`
