package archive

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// TestArchive is all that meets a real PostgreSQL which is only reached through links.
func TestArchive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, test := range map[string]func(*testing.T, *world){
		"exactly the record":           exactly,
		"messages that come again":     comeAgain,
		"replicas at once":             replicas,
		"killed in a batch":            killed,
		"database down at start":       downAtStart,
		"database down in the middle":  downInTheMiddle,
		"an answer that is lost":       unanswered,
		"behind a pooler":              pooled,
		"a gap":                        outrun,
		"a gap at the end":             forgotten,
		"another stream":               anotherStream,
		"a stream that was restored":   restored,
		"a bus that looks behind":      behind,
		"months":                       months,
		"retention":                    retention,
		"damaged messages":             damaged,
		"what the database refuses":    refused,
		"durations":                    durations,
		"reports of a whole record":    reports,
		"a record without a beginning": headless,
		"least rights":                 leastRights,
		"migrations":                   migrates,
		"status":                       status,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, w)
		})
	}
}

// exactly: what is archived is the record, byte for byte, and goes on with it, however it grows.
func exactly(t *testing.T, w *world) {
	p := w.place(t)
	var ids []incidents.ID
	for i := range 3 {
		ids = append(ids, p.record(fmt.Sprint("t", i), 1, known()...))
	}
	stop := p.run(p.archive())
	p.caughtUp()
	p.wantExact(ids...)
	ids = append(ids, p.record("live", 1, known()...))
	p.caughtUp()
	p.wantExact(ids...)
	stop()

	// Downtime: what came meanwhile is there afterwards, also in the middle of a record.
	half := known()
	st := incidents.Fold(nil)
	half[0].Opening.ID, half[0].Opening.Target = incidents.NewID("retrystorm", "down", 1), "down"
	for i, e := range half {
		if i == len(half)/2 {
			stop = p.run(p.archive())
			p.caughtUp()
			stop()
		}
		if err := p.store.Append(t.Context(), st, e); err != nil {
			t.Fatal(err)
		}
	}
	p.run(p.archive())
	p.caughtUp()
	p.wantExact(append(ids, st.ID)...)
	if got := p.rows("SELECT reason FROM archive_gaps"); len(got) > 0 {
		t.Errorf("gaps: %q", got)
	}
}

// comeAgain: a position that went back makes everything come again, and nothing changes.
func comeAgain(t *testing.T, w *world) {
	p := w.place(t)
	id := p.record("a", 1, known()...)
	stop := p.run(p.archive())
	p.caughtUp()
	stop()
	const all = `SELECT md5(string_agg(x::text, '~' ORDER BY x::text)) FROM
		(SELECT to_json(e)::text AS x FROM events e UNION ALL SELECT to_json(i)::text FROM incidents i UNION ALL SELECT to_json(f)::text FROM fixes f) AS everything`
	before := p.value(all)
	for _, seq := range []int{0, 3, 7} {
		p.rows(fmt.Sprintf("UPDATE archive_position SET seq = %d, stored_at = NULL", seq))
		stop := p.run(p.archive())
		p.caughtUp()
		stop()
		if after := p.value(all); after != before {
			t.Errorf("from %d again: something changed", seq)
		}
	}
	p.wantExact(id)
}

// replicas: several that write at the same time write everything once.
func replicas(t *testing.T, w *world) {
	p := w.place(t)
	for range 3 {
		p.run(p.archive()) // they make the schema at once, too
	}
	var ids []incidents.ID
	for i := range 20 {
		ids = append(ids, p.record(fmt.Sprint("t", i), 1, known()...))
	}
	p.caughtUp()
	p.wantExact(ids...)
	if got := p.rows("SELECT reason FROM archive_gaps"); len(got) > 0 {
		t.Errorf("gaps: %q", got)
	}
	if got := p.rows("SELECT version, name FROM archive_migrations ORDER BY 1"); len(got) != 2 || !strings.HasPrefix(got[0], "1|0001") {
		t.Errorf("migrations: %q", got)
	}
}

// downAtStart: nothing waits for a database that is not there, and all of it comes when it is.
func downAtStart(t *testing.T, w *world) {
	p := w.place(t)
	p.link.Cut()
	a := p.archive()
	p.run(a)
	id := p.record("a", 1, known()...)
	p.await("the lag to be seen", func() bool { return a.metrics.waiting.Load() == p.last() && a.metrics.lagSeconds() > 0 })
	p.link.Heal()
	p.caughtUp()
	p.wantExact(id)
	p.await("no lag", func() bool { return a.metrics.waiting.Load() == 0 && a.metrics.lagSeconds() == 0 })
}

// downInTheMiddle: a database that goes away, again and again, loses nothing and gets nothing twice.
func downInTheMiddle(t *testing.T, w *world) {
	p := w.place(t)
	a := p.archive()
	p.run(a)
	var ids []incidents.ID
	for i := range 4 {
		ids = append(ids, p.record(fmt.Sprint("t", i), 1, known()...))
		p.caughtUp()
		p.link.Cut()
		ids = append(ids, p.record(fmt.Sprint("down", i), 1, known()...))
		p.await("the lag to be seen", func() bool { return a.metrics.waiting.Load() > 0 && a.metrics.lagSeconds() > 0 })
		p.link.Heal()
	}
	p.caughtUp()
	p.wantExact(ids...)
}

// unanswered: a batch was committed and nobody was told. It is found out, and not written again.
func unanswered(t *testing.T, w *world) {
	p := w.place(t)
	p.run(p.archive())
	ids := []incidents.ID{p.record("a", 1, known()...)}
	p.caughtUp()
	// At the end of a commit the server waits for a lock that the test has.
	const hold = 42
	p.rows("CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NULL; END $$")
	p.rows("CREATE CONSTRAINT TRIGGER wait AFTER UPDATE ON archive_position DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait()")
	lock, err := begin(t.Context(), p.db, p.schema, statementWithin)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Exec(t.Context(), "SELECT pg_advisory_xact_lock($1)", hold); err != nil {
		t.Fatal(err)
	}
	ids = append(ids, p.record("b", 1, known()...))
	p.await("a commit that waits", func() bool {
		var waits bool
		const ask = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = 'advisory' AND objid = $1)"
		return lock.QueryRow(t.Context(), ask, hold).Scan(&waits) == nil && waits
	})
	p.link.Hold(testbed.FromTarget)
	if err := lock.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.await("the batch to be committed", func() bool { return p.position() > 15 })
	p.link.Cut()
	p.link.Heal()
	p.caughtUp()
	p.wantExact(ids...)
}

// pooled: nothing is kept in a session, so a pooler may give each transaction another one.
func pooled(t *testing.T, w *world) {
	p := w.place(t)
	pooler := testbed.StartPgBouncer(t, testbed.PgBouncerOptions{Target: w.node, PoolMode: "transaction"})
	p.cfg.URL = pooler.URL(testbed.RoleSuperuser, testbed.Database) + "&default_query_exec_mode=exec"
	var ids []incidents.ID
	for range 2 {
		p.run(p.archive())
		ids = append(ids, p.record(fmt.Sprint("t", len(ids)), 1, known()...))
		p.caughtUp()
		ids = append(ids, p.record(fmt.Sprint("t", len(ids)), 1, known()...))
	}
	p.caughtUp()
	p.wantExact(ids...)
}

// forgetAfter is how long a bus that forgets soon keeps its messages.
const forgetAfter = 6 * time.Second

// outrun: what the bus forgot before it was archived is said, once, with where it was.
func outrun(t *testing.T, w *world) {
	p := w.place(t)
	p.open(bus.Config{Dir: t.TempDir(), MaxAge: forgetAfter})
	p.record("a", 1, known()[:3]...)
	stop := p.run(p.archive())
	p.caughtUp()
	stop()
	p.record("b", 1, known()[:4]...)
	p.awaitForgotten(7)
	p.record("c", 1, known()[:2]...)
	a := p.archive()
	p.run(a)
	p.caughtUp()
	got := p.rows("SELECT epoch, from_seq, to_seq, messages, from_at IS NOT NULL, to_at > from_at, reason FROM gap_report")
	if want := "1|4|7|4|t|t|outrun"; len(got) != 1 || got[0] != want {
		t.Errorf("gaps: got %q, want %q", got, want)
	}
	p.await("the lag to be none", func() bool { return a.metrics.waiting.Load() == 0 })
}

// forgotten: what was forgotten up to the very end is said without waiting for another message.
func forgotten(t *testing.T, w *world) {
	p := w.place(t)
	p.open(bus.Config{Dir: t.TempDir(), MaxAge: forgetAfter})
	p.record("a", 1, known()[:3]...)
	p.awaitForgotten(3)
	p.run(p.archive())
	p.caughtUp()
	p.record("b", 1, known()[:1]...)
	p.caughtUp()
	got := p.rows("SELECT from_seq, to_seq, to_at IS NULL, reason FROM archive_gaps")
	if want := "1|3|t|before"; len(got) != 1 || got[0] != want {
		t.Errorf("gaps: got %q, want %q", got, want)
	}
}

// awaitForgotten waits until the bus has forgotten all up to a message.
func (p *place) awaitForgotten(seq uint64) {
	p.t.Helper()
	p.await("the bus to forget", func() bool {
		s, err := source{p.bus.JetStream()}.look(p.t.Context())
		return err == nil && s.first > seq
	})
}
