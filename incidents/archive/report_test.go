package archive

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/incidents"
)

// durations: the views say of a known record how long everything took.
func durations(t *testing.T, w *world) {
	p := w.place(t)
	p.record("checkout→payments", 1, known()...)
	p.run(p.archive())
	p.caughtUp()
	got := p.value(`SELECT target, domain, alert, severity, stage, outcome, cause, words, fixes, refusals, events, partial,
		detect_seconds, decide_seconds, approve_seconds, apply_seconds, verify_seconds, recover_seconds, stand_seconds, open_seconds FROM incident_report`)
	if want := "checkout→payments|payments|RetryStorm|critical|closed|fixed|retry_storm|the storm is over|1|1|15|f|30|2|5|10|15|70|32|43"; got != want {
		t.Errorf("incident_report:\ngot  %s\nwant %s", got, want)
	}
	got = p.value(`SELECT nth, remediation, fix, place, once, action, approved_by, effect, outcome, open,
		approve_seconds, apply_seconds, verify_seconds, stand_seconds FROM fix_report`)
	if want := "1|breaker|open|checkout/payments|f|0123456789|alice (api)|improved|fixed|f|5|0.5|15|32"; got != want {
		t.Errorf("fix_report:\ngot  %s\nwant %s", got, want)
	}
}

// reports: the other views count what happened, also while it is going on, and twice the same refusal in one incident is one incident.
func reports(t *testing.T, w *world) {
	p := w.place(t)
	p.record("a", 1, known()...)
	two := append(append([]incidents.Event{}, known()[:4]...), known()[3])
	p.record("b", 1, two...)
	p.run(p.archive())
	p.caughtUp()
	got := p.rows(`SELECT handler, outcome, incidents, with_fix, escalated, apply_seconds_p50, recover_seconds_p90 FROM outcome_report ORDER BY outcome`)
	if want := "retrystorm|fixed|1|1|0|10|70\nretrystorm|open|1|0|0||"; strings.Join(got, "\n") != want {
		t.Errorf("outcome_report: got %q, want %q", got, want)
	}
	got = p.rows(`SELECT handler, reason, refusals, incidents FROM refusal_report`)
	if want := "retrystorm|cooldown|3|2"; strings.Join(got, "\n") != want {
		t.Errorf("refusal_report: got %q, want %q", got, want)
	}
	got = p.rows(`SELECT seq, kind, words FROM event_report WHERE kind IN ('closed', 'approved') ORDER BY seq`)
	if want := "6|approved|approved by alice (api)\n15|closed|fixed: the storm is over"; strings.Join(got, "\n") != want {
		t.Errorf("event_report: got %q, want %q", got, want)
	}
}

// leastRights: a login that owns nothing archives, makes months and drops old ones; it cannot change or take away what is written. A reader
// sees the reports and nothing else.
func leastRights(t *testing.T, w *world) {
	p := w.place(t)
	writer, reader := p.schema+"_writer", p.schema+"_reader"
	p.rows("CREATE ROLE " + writer + " LOGIN PASSWORD 'it''s a writer'")
	p.rows("CREATE ROLE " + reader + " LOGIN PASSWORD 'x'")
	u, err := url.Parse(p.cfg.URL)
	if err != nil {
		t.Fatal(err)
	}
	owner := p.cfg.URL
	u.User = url.UserPassword(writer, "it's a writer")
	p.cfg.URL = u.String()
	a := p.archive()
	if _, err := a.round(t.Context()); !errors.Is(err, ErrOlder) || !strings.Contains(err.Error(), "firebreak archive migrate") {
		t.Errorf("a login that may not make the schema: got %v, want %v", err, ErrOlder)
	}
	a.hangUp()
	if _, err := Migrate(t.Context(), p.db, p.schema); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Grant(t.Context(), p.db, p.schema, writer, []string{reader}); err != nil {
			t.Fatal(err)
		}
	}
	id := p.record("a", 1, known()...)
	a = p.archive()
	p.run(a)
	p.caughtUp()
	p.wantExact(id)
	for login, all := range map[string][]string{
		p.cfg.URL: {"DELETE FROM {s}.events", "UPDATE {s}.events SET words = ''", "TRUNCATE {s}.incidents", "DROP TABLE {s}.fixes",
			"DELETE FROM {s}.archive_gaps", "UPDATE {s}.archive_gaps SET reason = ''", "CREATE TABLE {s}.mine ()", "DELETE FROM {s}.archive_position"},
		strings.Replace(owner, "postgres:postgres-password", reader+":x", 1): {"SELECT FROM {s}.events", "SELECT FROM {s}.archive_damaged",
			"SELECT {s}.archive_drop_before('2020-01-01')", "SELECT {s}.archive_make_month(now())"},
	} {
		conn, err := pgx.Connect(t.Context(), login)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), "SELECT FROM "+p.schema+".gap_report"); err != nil && login != p.cfg.URL {
			t.Errorf("a reader: got %v", err)
		}
		for _, sql := range all {
			if _, err := conn.Exec(t.Context(), strings.ReplaceAll(sql, "{s}", p.schema)); !isState(err, "42501") {
				t.Errorf("%s: got %v, want a no", sql, err)
			}
		}
		_ = conn.Close(t.Context())
	}
}

// migrates: what is there is left alone, and what a newer build made is not written into.
func migrates(t *testing.T, w *world) {
	p := w.place(t)
	for range 2 {
		if v, err := Migrate(t.Context(), p.db, p.schema); err != nil || v != 2 {
			t.Fatalf("got version %d, %v", v, err)
		}
	}
	p.rows("INSERT INTO archive_migrations (version, name) VALUES (3, '0003_tomorrow')")
	p.record("a", 1, known()...)
	if _, err := p.archive().round(t.Context()); !errors.Is(err, ErrNewer) {
		t.Errorf("got %v, want %v", err, ErrNewer)
	}
	if got := p.value("SELECT count(*) FROM events"); got != "0" {
		t.Errorf("%s events were written into the schema of a newer build", got)
	}
	for _, name := range []string{"", "Archive", "1a", "a-b", `a"; DROP TABLE x; --`, "pg_archive", "public", strings.Repeat("a", 64)} {
		if _, err := Migrate(t.Context(), p.db, name); err == nil {
			t.Errorf("schema %q: it was made", name)
		}
	}
}

// status: the command line sees how far it is, and what is missing.
func status(t *testing.T, w *world) {
	p := w.place(t)
	s, err := ReadStatus(t.Context(), p.db, p.schema)
	if err != nil || s.Version != 0 || s.Knows != 2 {
		t.Fatalf("before it is made: got %+v, %v", s, err)
	}
	p.record("a", 1, known()...)
	p.run(p.archive())
	p.caughtUp()
	p.rows("INSERT INTO archive_gaps (epoch, from_seq, to_seq, reason, found_by) VALUES (1, 3, NULL, 'replaced', 'x')")
	if s, err = ReadStatus(t.Context(), p.db, p.schema); err != nil {
		t.Fatal(err)
	}
	if s.Version != 2 || s.Seq != 15 || s.StoredAt.IsZero() || s.MovedBy != p.bus.Name() || len(s.Months) != 1 || len(s.Gaps) != 1 ||
		s.Gaps[0].FromSeq != 3 || s.Gaps[0].ToSeq != 0 || strings.Contains(s.Where, "password") {
		t.Errorf("got %+v", s)
	}
}
