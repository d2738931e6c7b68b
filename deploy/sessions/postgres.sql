-- Sessions that Firebreak may look at and mend, as internal/sessions/postgres expects them where the policy names nothing else.
--
-- An application that has a table of sessions already keeps it: add the columns that it lacks, and name the others in the policy. Its own
-- queries must leave out rows whose quarantined_at is set. Run it with psql as the owner of the tables.
--
--     psql -d app -f postgres.sql
--
-- Statements of Firebreak look for sessions by their id, and by "quarantined_at IS NULL". Nothing here removes a quarantined row: the
-- application does, when its day is over.

\set ON_ERROR_STOP on

BEGIN;

CREATE TABLE IF NOT EXISTS public.sessions (
    session_id       text        NOT NULL,
    -- The node whose copy the row is, '' for the session itself. Where nodes write no copies of their own it is always ''.
    copy             text        NOT NULL DEFAULT '',
    -- The node that serves it, and the generation of the membership in which it took it.
    owner            text        NOT NULL,
    epoch            bigint      NOT NULL,
    -- '7', or 'a=3,b=1' in the order of the names: how many writes of each node it has seen.
    version          text        NOT NULL,
    lease_expires_at timestamptz NOT NULL,
    priority         text        NOT NULL DEFAULT 'normal' CHECK (priority IN ('critical', 'high', 'normal', 'low')),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    quarantined_at   timestamptz,
    quarantined_by   text,
    -- What is in it is the application's.
    data             jsonb       NOT NULL DEFAULT '{}',
    PRIMARY KEY (session_id, copy),
    CHECK ((quarantined_at IS NULL) = (quarantined_by IS NULL))
);

-- Each node of the application keeps its own row, and writes it again well before its lease ends. Removing a row, or adding one, is a change
-- of the membership: every node then writes the next epoch.
CREATE TABLE IF NOT EXISTS public.session_nodes (
    node        text        PRIMARY KEY,
    epoch       bigint      NOT NULL,
    since       timestamptz NOT NULL,
    lease_until timestamptz NOT NULL,
    -- The nodes that it hears from.
    sees        text[]      NOT NULL DEFAULT '{}'
);

-- What Firebreak did. Rows older than 25 hours may be removed: a quarantine can be undone for 24.
CREATE TABLE IF NOT EXISTS public.session_actions (
    action text        PRIMARY KEY,
    kind   text        NOT NULL,
    print  text        NOT NULL,
    at     timestamptz NOT NULL,
    answer json,
    took   json,
    cut    json
);

-- The two roles of deploy/postgres/roles.sql, where they are.
SELECT format('GRANT SELECT ON public.sessions, public.session_nodes, public.session_actions TO %I', rolname)
  FROM pg_roles WHERE rolname IN ('firebreak_probe', 'firebreak_act') \gexec
SELECT format('GRANT UPDATE (owner, epoch, version, lease_expires_at, quarantined_at, quarantined_by) ON public.sessions TO %I', rolname)
  FROM pg_roles WHERE rolname = 'firebreak_act' \gexec
SELECT format('GRANT INSERT, UPDATE ON public.session_actions TO %I', rolname) FROM pg_roles WHERE rolname = 'firebreak_act' \gexec

COMMIT;
