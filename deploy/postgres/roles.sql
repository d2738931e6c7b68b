-- The two roles with which Firebreak reaches PostgreSQL, and every right that they need. There is nothing that they may do besides.
--
-- Run it with psql, as a superuser, on the primary of each cluster, connected to the database that the policy names for it. A right on
-- a function holds only in the database in which it was granted.
--
--     psql -d postgres -f roles.sql
--     psql -d postgres -v probe_password="$(cat probe.secret)" -v act_password="$(cat act.secret)" -f roles.sql
--
-- It may be run again at any time. Passwords that are not given stay as they are. Those that are given are seen by whoever lists this
-- machine's processes, and by the server's log if it logs statements; to avoid both, run it without and then say
-- "\password firebreak_probe" and "\password firebreak_act" in psql, which send only a hash.
--
-- Run it BEFORE a standby is ever paused. Roles and rights reach a standby through the WAL: what is granted while its replay is paused
-- arrives when it goes on, and going on is what was to be granted.
--
-- pg_hba.conf, on every server of the cluster, above lines that would match first (address: where Firebreak runs):
--
--     hostssl  postgres  firebreak_probe,firebreak_act  192.0.2.0/28  scram-sha-256
--
-- Firebreak connects to the servers directly, not through PgBouncer or another pooler.
--
-- "firebreak config check --connect" says afterwards what is missing, and the statement that mends it.

\set ON_ERROR_STOP on

SELECT current_setting('server_version_num')::int >= 160000 AS can_reserve \gset

BEGIN;

SELECT format('CREATE ROLE %I', name) FROM unnest(ARRAY['firebreak_probe', 'firebreak_act']) AS name
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

-- INHERIT: rights of pg_monitor and the like count without a SET ROLE. The limit is on each server: two sessions are what one Firebreak
-- keeps open there, the rest is for a second one and for sessions that the server has not noticed to be dead.
ALTER ROLE firebreak_probe LOGIN INHERIT CONNECTION LIMIT 10;
ALTER ROLE firebreak_act   LOGIN INHERIT CONNECTION LIMIT 10;

\if :{?probe_password}
ALTER ROLE firebreak_probe PASSWORD :'probe_password';
\endif
\if :{?act_password}
ALTER ROLE firebreak_act PASSWORD :'act_password';
\endif

-- To connect at all, also where PUBLIC may not.
GRANT CONNECT ON DATABASE :"DBNAME" TO firebreak_probe, firebreak_act;

-- To see what others' sessions do, how far each standby is, and all settings. Without it PostgreSQL shows empty columns and no error:
-- a standby that is hours behind would look as if it were not.
GRANT pg_monitor TO firebreak_probe;

-- To see the session that is about to be ended as it is at that moment: since when, waiting for what. Less than pg_monitor is enough.
GRANT pg_read_all_stats TO firebreak_act;

-- To cancel a statement and to end a session. It does not reach sessions of superusers.
GRANT pg_signal_backend TO firebreak_act;

-- To let the replay of a standby go on that somebody paused. Pausing it is not granted.
GRANT EXECUTE ON FUNCTION pg_wal_replay_resume() TO firebreak_act;

-- To get in when everybody else's slots are taken: PostgreSQL 16 and later, and only where reserved_connections is more than 0. Before
-- that, Firebreak keeps a session open on each server.
\if :can_reserve
GRANT pg_use_reserved_connections TO firebreak_probe, firebreak_act;
\endif

-- Not granted, on purpose: pg_promote() and pg_reload_conf() (the cluster manager's), pg_wal_replay_pause(), any table, and superuser.

COMMIT;
