-- What people and dashboards read. No view looks into the column event: what strangers wrote there cannot break a query.

CREATE VIEW incident_report AS
SELECT id, handler, target, domain, alert, severity, stage, outcome, cause, words, refused, recorded_at,
       started_at, opened_at, decided_at, asked_at, approved_at, applied_at, verified_at, recovered_at, reverted_at, escalated_at,
       acked_at, acked_by, closed_at, fixes, refusals, events, partial,
       extract(epoch FROM opened_at - started_at)::float8    AS detect_seconds,
       extract(epoch FROM decided_at - opened_at)::float8    AS decide_seconds,
       extract(epoch FROM approved_at - asked_at)::float8    AS approve_seconds,
       extract(epoch FROM applied_at - opened_at)::float8    AS apply_seconds,
       extract(epoch FROM verified_at - applied_at)::float8  AS verify_seconds,
       extract(epoch FROM recovered_at - started_at)::float8 AS recover_seconds,
       extract(epoch FROM reverted_at - applied_at)::float8  AS stand_seconds,
       extract(epoch FROM closed_at - opened_at)::float8     AS open_seconds
FROM incidents;

CREATE VIEW outcome_report AS
SELECT handler, (date_trunc('day', recorded_at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC') AS day, CASE stage WHEN 'closed' THEN outcome ELSE 'open' END AS outcome,
       count(*) AS incidents,
       count(*) FILTER (WHERE fixes > 0) AS with_fix,
       count(*) FILTER (WHERE escalated_at IS NOT NULL) AS escalated,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM applied_at - opened_at)::float8) AS apply_seconds_p50,
       percentile_cont(0.9) WITHIN GROUP (ORDER BY extract(epoch FROM applied_at - opened_at)::float8) AS apply_seconds_p90,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM recovered_at - started_at)::float8) AS recover_seconds_p50,
       percentile_cont(0.9) WITHIN GROUP (ORDER BY extract(epoch FROM recovered_at - started_at)::float8) AS recover_seconds_p90
FROM incidents
GROUP BY 1, 2, 3;

CREATE VIEW refusal_report AS
SELECT handler, reason, (date_trunc('day', stored_at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC') AS day,
       count(*) AS refusals, count(DISTINCT incident) AS incidents, max(stored_at) AS last_at
FROM events
WHERE kind = 'refused'
GROUP BY 1, 2, 3;

CREATE VIEW fix_report AS
SELECT incident, nth, handler, target, remediation, fix, place, once, action, recorded_at,
       asked_at, approved_at, approved_by, override_by, intended_at, issued_at, applied_at, verified_at, released_at, reverting_at, ended_at,
       effect, outcome, renewals, ended_at IS NULL AS open,
       extract(epoch FROM approved_at - asked_at)::float8   AS approve_seconds,
       extract(epoch FROM applied_at - issued_at)::float8   AS apply_seconds,
       extract(epoch FROM verified_at - applied_at)::float8 AS verify_seconds,
       extract(epoch FROM ended_at - applied_at)::float8    AS stand_seconds
FROM fixes;

CREATE VIEW event_report AS
SELECT stored_at, seq, n, incident, handler, kind, at, written_by, reason, words FROM events;

CREATE VIEW gap_report AS
SELECT id, epoch, from_seq, to_seq, to_seq - from_seq + 1 AS messages, from_at, to_at, reason, found_at, found_by FROM archive_gaps;
