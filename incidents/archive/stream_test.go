package archive

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
)

// anotherStream: a bus that was begun anew is read from its beginning, what was archived stays, and the change is said.
func anotherStream(t *testing.T, w *world) {
	p := w.place(t)
	old := p.record("a", 1, known()...)
	stop := p.run(p.archive())
	p.caughtUp()
	stop()
	was := p.rows("SELECT seq, n, event FROM events WHERE incident = '" + old.String() + "' ORDER BY seq, n")
	// One that is shorter than the position, and one that is longer: its messages are not those that the position has passed.
	for i, length := range []int{3, 15} {
		p.open(bus.Config{Dir: t.TempDir()})
		id := p.record(fmt.Sprint("new", i), 1, known()[:length]...)
		if length == 15 {
			p.record("more", 1, known()...)
		}
		stop := p.run(p.archive())
		p.await("the new stream to be archived", func() bool {
			return len(p.rows("SELECT FROM events WHERE incident = '"+id.String()+"'")) == length
		})
		p.caughtUp()
		stop()
		p.wantExact(id)
	}
	if got := p.rows("SELECT seq, n, event FROM events WHERE incident = '" + old.String() + "' ORDER BY seq, n"); strings.Join(got, "\n") != strings.Join(was, "\n") {
		t.Errorf("the old record is %q, want %q", got, was)
	}
	got := p.rows("SELECT epoch, from_seq, to_seq IS NULL, messages IS NULL, reason FROM gap_report ORDER BY id")
	if want := []string{"1|16|t|t|replaced", "2|4|t|t|replaced"}; strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("gaps: got %q, want %q", got, want)
	}
}

// restored: a bus that is put back to an older state has lost what came after, and what it has still is not written twice.
func restored(t *testing.T, w *world) {
	p := w.place(t)
	dir, backup := t.TempDir(), t.TempDir()
	p.open(bus.Config{Dir: dir})
	id := p.record("a", 1, known()[:6]...)
	p.bus.Close()
	if err := os.CopyFS(filepath.Join(backup, "bus"), os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	p.open(bus.Config{Dir: dir})
	st, err := p.store.Load(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range known()[6:10] {
		if err := p.store.Append(t.Context(), st, e); err != nil {
			t.Fatal(err)
		}
	}
	stop := p.run(p.archive())
	p.caughtUp()
	stop()
	p.open(bus.Config{Dir: filepath.Join(backup, "bus")})
	if st, err = p.store.Load(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for _, e := range known()[10:12] {
		if err := p.store.Append(t.Context(), st, e); err != nil {
			t.Fatal(err)
		}
	}
	a := p.archive()
	a.patience = time.Millisecond
	p.run(a)
	p.await("the new end to be archived", func() bool { return len(p.rows("SELECT FROM events WHERE epoch = 2")) == 2 })
	var want []string
	for _, e := range known()[:12] {
		want = append(want, string(e.Kind))
	}
	if got := p.rows("SELECT kind FROM events ORDER BY epoch, seq, n"); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("events: got %q, want %q", got, want)
	}
	if got := p.value("SELECT events FROM incidents"); got != "12" {
		t.Errorf("the incident is made of %s events, want 12", got)
	}
	if got := p.rows("SELECT reason FROM archive_gaps"); len(got) != 1 || got[0] != "replaced" {
		t.Errorf("gaps: got %q, want the one that was replaced", got)
	}
}

// behind: a stream that does not show for a moment what it had is waited for, and not taken for another one.
func behind(t *testing.T, w *world) {
	p := w.place(t)
	p.record("a", 1, known()...)
	stop := p.run(p.archive())
	p.caughtUp()
	stop()
	a := p.archive()
	ctx := t.Context()
	if err := a.connect(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.hangUp)
	s, err := a.source.look(ctx)
	if err != nil {
		t.Fatal(err)
	}
	late := s
	late.last -= 5
	if err := a.locate(ctx, late); !errors.Is(err, errBehind) {
		t.Errorf("a stream that is behind: got %v, want %v", err, errBehind)
	}
	a.forget()
	if err := a.locate(ctx, s); err != nil || a.from != (cursor{epoch: 1, from: 16}) {
		t.Errorf("when it is not any more: got %v, and goes on at %+v", err, a.from)
	}
	// The same of a hole in front of what is read next.
	msgs, err := a.source.batch(ctx, 5)
	if err != nil {
		t.Fatal(err)
	}
	a.from.from = 3
	if _, err := a.confirm(ctx, s, msgs); !errors.Is(err, errHole) {
		t.Errorf("a hole that the bus does not admit: got %v, want %v", err, errHole)
	}
	a.patience = 0
	if _, err := a.confirm(ctx, s, msgs); err != nil {
		t.Errorf("a hole that stays: got %v", err)
	}
}

// headless: a record of which the bus forgot the beginning is archived as what is left of it, and says so.
func headless(t *testing.T, w *world) {
	p := w.place(t)
	p.open(bus.Config{Dir: t.TempDir(), MaxAge: forgetAfter})
	id := p.record("a", 1, known()[:3]...)
	p.awaitForgotten(3)
	st := incidents.Fold(known()[:3])
	st.ID, st.Seq = id, 0 // the bus knows nothing of it any more
	if err := p.store.Append(t.Context(), st, known()[6:10]...); err != nil {
		t.Fatal(err)
	}
	p.run(p.archive())
	p.caughtUp()
	got := p.value("SELECT id, handler, target, partial, opened_at IS NULL, extract(epoch FROM verified_at - applied_at)::int, fixes FROM incidents")
	if want := id.String() + "|retrystorm||t|t|15|1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// damaged: what cannot be read holds nothing up, and is kept as it is.
func damaged(t *testing.T, w *world) {
	p := w.place(t)
	first := p.record("a", 1, known()...)
	ids := []string{"incidents.retrystorm.0123456789ab.1", "incidents.retrystorm.0123456789ab.2", "incidents.what.ever", "incidents.retrystorm.0123456789ab.3"}
	bodies := []string{`no json`, `[]`, `[{"v":1,"kind":"opened"}]`, `[{"v":1,"kind":5}]`}
	for i, body := range bodies {
		if _, err := p.bus.AppendIf(t.Context(), ids[i], 0, []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	// Not damaged: of a newer build, with a kind, a key and a format that this one does not know.
	newer := `[{"v":9,"kind":"danced","at":"2026-11-22T12:00:00Z","steps":[1,  2],"note":"a\ud800b"}]`
	if _, err := p.bus.AppendIf(t.Context(), "incidents.retrystorm.0123456789ab.4", 0, []byte(newer)); err != nil {
		t.Fatal(err)
	}
	latin := "[{\"v\":1,\"kind\":\"escalated\",\"note\":\"caf\xe9\"}]"
	if _, err := p.bus.AppendIf(t.Context(), "incidents.retrystorm.0123456789ab.5", 0, []byte(latin)); err != nil {
		t.Fatal(err)
	}
	last := p.record("b", 1, known()...)
	p.run(p.archive())
	p.caughtUp()
	p.wantExact(first, last, "retrystorm-0123456789ab-4")
	got := p.rows("SELECT subject, encode(data, 'hex') FROM archive_damaged ORDER BY seq")
	var want []string
	for i, body := range append(bodies, latin) {
		want = append(want, fmt.Sprintf("%s|%x", append(ids, "incidents.retrystorm.0123456789ab.5")[i], body))
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := p.value("SELECT words FROM events WHERE incident = 'retrystorm-0123456789ab-5'"); got != "caf\uFFFD" {
		t.Errorf("what is no text: got %q", got)
	}
}

// refused: a message that PostgreSQL itself refuses is kept as bytes, and those around it in the same batch as always.
func refused(t *testing.T, w *world) {
	p := w.place(t)
	first := p.record("a", 1, known()...)
	deep := `[{"v":1,"kind":"observed","seen":` + strings.Repeat(`[`, 9_000) + strings.Repeat(`]`, 9_000) + `}]`
	// As deep as Go's own decoder goes; how deep PostgreSQL goes is its setting.
	if _, err := p.bus.AppendIf(t.Context(), "incidents.retrystorm.0123456789ab.1", 0, []byte(deep)); err != nil {
		t.Fatal(err)
	}
	last := p.record("b", 1, known()...)
	p.cfg.URL += "&max_stack_depth=200kB"
	p.run(p.archive())
	p.caughtUp()
	p.wantExact(first, last)
	if got := p.value("SELECT seq, convert_from(data, 'UTF8') FROM archive_damaged"); got != "16|"+deep {
		t.Errorf("got %.60q", got)
	}
}

// killed: an archive that dies by kill -9 in the middle of a batch leaves nothing of the batch, and the next one writes all of it.
func killed(t *testing.T, w *world) {
	p := w.place(t)
	const token = "0123456789abcdef"
	p.open(bus.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0", Token: token})
	ids := []incidents.ID{p.record("a", 1, known()...)}
	setUp := p.run(p.archive())
	p.caughtUp()
	setUp()
	for i := range 3 {
		ids = append(ids, p.record(fmt.Sprint("t", i), 1, known()...))
		before := p.position()
		// Somebody's lock lets the events in and holds the incidents up.
		lock, err := begin(t.Context(), p.db, p.schema, statementWithin)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := lock.Exec(t.Context(), "LOCK TABLE incidents IN SHARE MODE"); err != nil {
			t.Fatal(err)
		}
		end := p.startChild(token)
		p.await("the child to be in the middle of a batch", func() bool {
			var waits bool
			const ask = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = $1::text::regclass)"
			return lock.QueryRow(t.Context(), ask, p.schema+".incidents").Scan(&waits) == nil && waits
		})
		end()
		if err := lock.Rollback(context.Background()); err != nil {
			t.Fatal(err)
		}
		if got := p.position(); got != before {
			t.Errorf("the position is %d after a batch that was not committed, want %d", got, before)
		}
		if got := p.rows(fmt.Sprintf("SELECT FROM events WHERE seq > %d", before)); len(got) > 0 {
			t.Errorf("%d events are left of a batch that was not committed", len(got))
		}
	}
	end := p.startChild(token)
	p.caughtUp()
	// And at any moment, while it works.
	for i := range 5 {
		for j := range 5 {
			ids = append(ids, p.record(fmt.Sprint("any", i, j), 1, known()...))
		}
		end()
		end = p.startChild(token)
	}
	p.caughtUp()
	end()
	p.wantExact(ids...)
	if got := p.rows("SELECT reason FROM archive_gaps"); len(got) > 0 {
		t.Errorf("gaps: %q", got)
	}
}
