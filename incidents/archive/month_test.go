package archive

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
)

// stored is a message as if the bus had stored it at that time.
func stored(seq uint64, number int, kind string, at time.Time) bus.Msg {
	return bus.Msg{Seq: seq, At: at, Subject: fmt.Sprintf("incidents.retrystorm.0123456789ab.%d", number),
		Data: fmt.Appendf(nil, `[{"v":1,"kind":%q,"at":%q}]`, kind, at.Format(time.RFC3339Nano))}
}

// ready is an archive with a session, which a test feeds by hand.
func (p *place) ready(t *testing.T) *Archive {
	t.Helper()
	a := p.archive()
	if err := a.connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.hangUp)
	s, err := a.source.look(t.Context())
	if err == nil {
		err = a.locate(t.Context(), s)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// months: each event lies in the month that it was stored in, by UTC, to the microsecond; an incident and its fixes lie where it began.
func months(t *testing.T, w *world) {
	p := w.place(t)
	a := p.ready(t)
	year := time.Now().UTC().Year()
	turn := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
	msgs := []bus.Msg{
		stored(1, 1, "opened", turn.Add(-time.Microsecond)),
		stored(2, 1, "escalated", turn),
		stored(3, 2, "opened", turn),
		stored(4, 2, "closed", time.Date(year, 2, 1, 0, 0, 0, 0, time.UTC).Add(-time.Microsecond)),
	}
	if err := a.put(t.Context(), span{first: 1, last: 4, created: turn}, msgs); err != nil {
		t.Fatal(err)
	}
	december, january := fmt.Sprintf("_y%dm12", year-1), fmt.Sprintf("_y%dm01", year)
	got := p.rows("SELECT seq, tableoid::regclass FROM events ORDER BY 1")
	want := []string{"1|events" + december, "2|events" + january, "3|events" + january, "4|events" + january}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("events: got %q, want %q", got, want)
	}
	got = p.rows("SELECT id, events, tableoid::regclass FROM incidents ORDER BY 1")
	want = []string{"retrystorm-0123456789ab-1|2|incidents" + december, "retrystorm-0123456789ab-2|2|incidents" + january}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("incidents: got %q, want %q", got, want)
	}
	// Each month is one range without a hole or an overlap, whatever zone the session is in.
	p.rows("SELECT archive_make_month('2024-02-29 23:30:00-05')")
	got = p.rows("SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid = 'events_y2024m03'::regclass")
	if want := "FOR VALUES FROM ('2024-03-01 00:00:00+00') TO ('2024-04-01 00:00:00+00')"; len(got) != 1 || got[0] != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// retention: a month goes when all of it is older than keep, and not a moment before; what is older than that when it is read is not written.
func retention(t *testing.T, w *world) {
	p := w.place(t)
	a := p.ready(t)
	now := moment(time.Now())
	old, young := monthOf(now).AddDate(0, -3, 10), now.Add(-time.Hour)
	a.keep = now.Sub(old) + 24*time.Hour
	msgs := []bus.Msg{stored(1, 1, "opened", old), stored(2, 2, "opened", young)}
	if err := a.put(t.Context(), span{first: 1, last: 2, created: old}, msgs); err != nil {
		t.Fatal(err)
	}
	end := monthOf(old).AddDate(0, 1, 0)
	a.keep = now.Sub(end) + time.Minute
	a.sweep(t.Context(), now)
	if got := p.value("SELECT count(*) FROM incidents"); got != "2" {
		t.Errorf("a minute before the month is over: %s incidents are left, want 2", got)
	}
	a.sweep(t.Context(), now.Add(2*sweepEvery)) // our clock alone says that it is over
	if got := p.value("SELECT count(*) FROM incidents"); got != "2" {
		t.Errorf("with a clock that is fast: %s incidents are left, want 2", got)
	}
	a.keep -= 2 * time.Minute
	a.sweep(t.Context(), now.Add(4*sweepEvery))
	for _, table := range []string{"events", "incidents"} {
		if got := p.rows("SELECT " + map[string]string{"events": "incident", "incidents": "id"}[table] + " FROM " + table); len(got) != 1 || got[0] != "retrystorm-0123456789ab-2" {
			t.Errorf("%s: got %q, want the young one", table, got)
		}
	}
	// One more event of the old incident, and one that is too old by now.
	a.keep = 48 * time.Hour
	msgs = []bus.Msg{stored(3, 1, "escalated", old.AddDate(0, 0, 1)), stored(4, 1, "closed", now)}
	if err := a.put(t.Context(), span{first: 1, last: 4, created: old}, msgs); err != nil {
		t.Fatal(err)
	}
	got := p.rows("SELECT id, events, partial FROM incidents WHERE id LIKE '%-1'")
	if want := "retrystorm-0123456789ab-1|1|t"; len(got) != 1 || got[0] != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := p.position(); got != 4 {
		t.Errorf("the position is %d, want 4", got)
	}
	for _, moment := range []string{"now()", "now() - interval '23 hours'", "NULL"} {
		if _, err := p.db.Exec(t.Context(), "SELECT "+p.schema+".archive_drop_before("+moment+")"); !isState(err, "P0001") {
			t.Errorf("to drop what is before %s: got %v, want a no", moment, err)
		}
	}
}

func TestKept(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		at   time.Time
		keep time.Duration
		want bool
	}{
		{now, 25 * time.Hour, true},
		{time.Date(2026, 2, 28, 23, 59, 0, 0, time.UTC), 25 * time.Hour, false},
		{time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC), 10 * 24 * time.Hour, true}, // its month's last moment is younger
		{time.Date(2026, 2, 28, 23, 59, 0, 0, time.UTC), 228 * time.Hour, false}, // its month was over exactly then
		{now.AddDate(1, 0, 0), 25 * time.Hour, true},
	} {
		if got := kept(tc.at, tc.keep, now); got != tc.want {
			t.Errorf("%s kept for %s: got %t, want %t", tc.at, tc.keep, got, tc.want)
		}
	}
}
