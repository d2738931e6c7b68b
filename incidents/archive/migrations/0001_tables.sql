-- The record and what is derived from it, in partitions of one month (UTC). It runs with the archive's schema as search_path.

-- How far the bus was read. It is moved in the transaction that writes the rows.
CREATE TABLE archive_position (
    stream    text PRIMARY KEY,
    epoch     int NOT NULL,          -- grows when the stream was replaced by another one
    seq       bigint NOT NULL,       -- the last message that is in here; 0 before the first
    stored_at timestamptz,           -- when the bus stored that message; null if it was lost
    created   timestamptz,           -- when the stream was created: another time is another stream
    moved_at  timestamptz NOT NULL DEFAULT now(),
    moved_by  text NOT NULL DEFAULT ''
);
INSERT INTO archive_position (stream, epoch, seq) VALUES ('INCIDENTS', 1, 0);

-- What the bus forgot before it was read here.
CREATE TABLE archive_gaps (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    epoch     int NOT NULL,
    from_seq  bigint NOT NULL,
    to_seq    bigint,                -- null: nobody knows how many
    from_at   timestamptz,           -- when the last message before the gap was stored; null: there is none
    to_at     timestamptz,           -- when the first message behind it was stored; null: there was none yet
    reason    text NOT NULL,
    found_at  timestamptz NOT NULL DEFAULT now(),
    found_by  text NOT NULL
);

-- Messages that could not be taken apart, whole. Those of which only a character was no text are in events as well.
CREATE TABLE archive_damaged (
    stored_at timestamptz NOT NULL,
    seq       bigint NOT NULL,
    epoch     int NOT NULL,
    subject   text NOT NULL,
    why       text NOT NULL,
    data      bytea NOT NULL,
    PRIMARY KEY (stored_at, seq)
);

-- The record: one row for each event. The column event is exactly what the bus holds; the others are taken from it.
CREATE TABLE events (
    stored_at  timestamptz NOT NULL, -- when the bus stored the message that the event is in
    seq        bigint NOT NULL,      -- the message's place in the stream
    n          int NOT NULL,         -- the event's place in the message, from 0
    epoch      int NOT NULL,
    incident   text NOT NULL,
    handler    text NOT NULL,
    kind       text NOT NULL,
    at         timestamptz,          -- by the clock of who wrote it
    written_by text NOT NULL,
    reason     text NOT NULL,        -- of a refusal
    words      text NOT NULL,        -- for people
    event      json NOT NULL,
    PRIMARY KEY (stored_at, seq, n)
) PARTITION BY RANGE (stored_at);
CREATE INDEX ON events (incident);

-- One row for each incident, as its record makes it. recorded_at is when the bus stored the first of it that is in here.
CREATE TABLE incidents (
    recorded_at  timestamptz NOT NULL,
    id           text NOT NULL,
    handler      text NOT NULL,
    target       text NOT NULL,
    domain       text NOT NULL,
    alert        text NOT NULL,
    severity     text NOT NULL,
    stage        text NOT NULL,
    outcome      text NOT NULL,
    cause        text NOT NULL,
    words        text NOT NULL,
    refused      text NOT NULL,
    started_at   timestamptz,
    opened_at    timestamptz,
    decided_at   timestamptz,
    asked_at     timestamptz,
    approved_at  timestamptz,
    applied_at   timestamptz,
    verified_at  timestamptz,
    recovered_at timestamptz,
    reverted_at  timestamptz,
    escalated_at timestamptz,
    acked_at     timestamptz,
    closed_at    timestamptz,
    acked_by     text NOT NULL,
    fixes        int NOT NULL,
    refusals     int NOT NULL,
    events       int NOT NULL,
    partial      boolean NOT NULL,
    PRIMARY KEY (recorded_at, id)
) PARTITION BY RANGE (recorded_at);
CREATE INDEX ON incidents (id);

-- One row for each change of an incident.
CREATE TABLE fixes (
    recorded_at  timestamptz NOT NULL, -- that of its incident
    incident     text NOT NULL,
    nth          int NOT NULL,
    handler      text NOT NULL,
    target       text NOT NULL,
    remediation  text NOT NULL,
    fix          text NOT NULL,
    place        text NOT NULL,
    once         boolean NOT NULL,
    action       text NOT NULL,
    asked_at     timestamptz,
    approved_at  timestamptz,
    approved_by  text NOT NULL,
    override_by  text NOT NULL,
    intended_at  timestamptz,
    issued_at    timestamptz,
    applied_at   timestamptz,
    verified_at  timestamptz,
    released_at  timestamptz,
    reverting_at timestamptz,
    ended_at     timestamptz,
    effect       text NOT NULL,
    outcome      text NOT NULL,
    renewals     int NOT NULL,
    PRIMARY KEY (recorded_at, incident, nth)
) PARTITION BY RANGE (recorded_at);

-- Makes the partitions of the month that a moment is in. A login that may only write needs no right to make tables.
CREATE FUNCTION archive_make_month(moment timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    low    timestamp := date_trunc('month', moment AT TIME ZONE 'UTC');
    suffix text := to_char(low, '"_y"YYYY"m"MM');
    parent text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('firebreak months of ' || current_schema(), 0));
    FOREACH parent IN ARRAY ARRAY['events', 'incidents', 'fixes'] LOOP
        IF to_regclass(format('%I.%I', current_schema(), parent || suffix)) IS NULL THEN
            -- Attaching lets people go on reading; making it as a partition would wait for all of them, and hold up new ones.
            EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', parent || suffix, parent);
            EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, parent || suffix,
                to_char(low, 'YYYY-MM-DD') || ' 00:00:00+00', to_char(low + interval '1 month', 'YYYY-MM-DD') || ' 00:00:00+00');
        END IF;
    END LOOP;
END $$;

-- Drops the partitions of all months that were over at a moment, and says which. It never drops what is younger than a day.
CREATE FUNCTION archive_drop_before(moment timestamptz) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    part text;
BEGIN
    IF moment IS NULL OR moment > now() - interval '1 day' THEN
        RAISE EXCEPTION 'refused to drop what is younger than a day';
    END IF;
    FOR part IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent IN ('events'::regclass, 'incidents'::regclass, 'fixes'::regclass) AND c.relname ~ '_y[0-9]{4,6}m[0-9]{2}$'
          AND to_date(substring(c.relname FROM '_y([0-9]+m[0-9]{2})$'), 'YYYY"m"MM') + interval '1 month' <= moment AT TIME ZONE 'UTC'
        ORDER BY 1
    LOOP
        EXECUTE format('DROP TABLE %I', part);
        RETURN NEXT part;
    END LOOP;
    DELETE FROM archive_damaged WHERE stored_at < moment;
END $$;

REVOKE ALL ON FUNCTION archive_make_month(timestamptz), archive_drop_before(timestamptz) FROM PUBLIC;
