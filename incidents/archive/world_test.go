package archive

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// within bounds every wait of these tests.
const within = 20 * time.Second

// keep is how long these tests keep months, unless they say otherwise.
const keep = 365 * 24 * time.Hour

// world is one PostgreSQL for many tests. Each has a schema, a bus and a way to the server of its own.
type world struct {
	node    *testbed.PostgresNode
	schemas atomic.Int64
}

func newWorld(t testbed.TB) *world {
	return &world{node: testbed.StartPostgres(t, testbed.PostgresOptions{Standbys: -1}).Primary}
}

// place is a schema with a bus.
type place struct {
	t      testing.TB
	schema string
	link   *testbed.Link
	bus    *bus.Bus
	store  *incidents.Store
	db     *pgx.Conn
	// cfg is of archives here; another registry for each.
	cfg Config
}

func (w *world) place(t testing.TB) *place {
	t.Helper()
	p := &place{t: t, schema: fmt.Sprintf("archive_%d", w.schemas.Add(1)), link: testbed.Proxy(t, testbed.ProxyConfig{Target: w.node.Addr})}
	p.open(bus.Config{Dir: t.TempDir()})
	var err error
	if p.db, err = pgx.Connect(t.Context(), w.node.URL(testbed.RoleSuperuser, testbed.Database)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.db.Close(context.Background()) })
	p.cfg = Config{URL: testbed.PostgresURL(p.link.Addr, testbed.RoleSuperuser, testbed.Database), Schema: p.schema, Keep: keep, Log: zerolog.New(zerolog.NewTestWriter(t))}
	return p
}

// open takes another bus in place of the one that there is.
func (p *place) open(cfg bus.Config) {
	p.t.Helper()
	cfg.Log = zerolog.Nop()
	b, err := bus.Open(p.t.Context(), cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(b.Close)
	p.bus, p.store = b, incidents.NewStore(b)
}

// archive is an archive that does not run.
func (p *place) archive() *Archive {
	p.t.Helper()
	cfg := p.cfg
	cfg.Metrics = prometheus.NewRegistry()
	a, err := New(p.bus, cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	return a
}

// run lets an archive run until the function that it returns is called, or the test ends.
func (p *place) run(a *Archive) (stop func()) {
	p.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	done := false
	stop = func() {
		if done {
			return
		}
		done = true
		cancel()
		if err := <-ended; err != nil {
			p.t.Errorf("the archive ended with %v", err)
		}
	}
	p.t.Cleanup(stop)
	return stop
}

// last is the newest message of the bus.
func (p *place) last() uint64 {
	p.t.Helper()
	s, err := source{p.bus.JetStream()}.look(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	return s.last
}

// caughtUp waits until everything is archived.
func (p *place) caughtUp() {
	p.t.Helper()
	last := p.last()
	p.await(fmt.Sprintf("message %d to be archived", last), func() bool { return p.position() >= last })
}

func (p *place) await(what string, ok func() bool) {
	p.t.Helper()
	end := time.After(within)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			p.t.Fatalf("waited %s in vain for %s", within, what)
		}
	}
}

// position is how far the database is; 0 while it cannot be read.
func (p *place) position() uint64 {
	var seq int64
	if p.db.QueryRow(p.t.Context(), "SELECT seq FROM "+p.schema+".archive_position").Scan(&seq) != nil {
		return 0
	}
	return uint64(seq)
}

// value is what a query gives, as text; names in it may be of the schema.
func (p *place) value(sql string, args ...any) string {
	p.t.Helper()
	rows := p.rows(sql, args...)
	if len(rows) != 1 {
		p.t.Fatalf("%s: got %q", sql, rows)
	}
	return rows[0]
}

// rows are what a query gives, each as text with "|" between its columns.
func (p *place) rows(sql string, args ...any) []string {
	p.t.Helper()
	tx, err := begin(p.t.Context(), p.db, p.schema, statementWithin)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	result, err := tx.Query(p.t.Context(), sql, append([]any{pgx.QueryExecModeSimpleProtocol}, args...)...)
	if err != nil {
		p.t.Fatalf("%s: %v", sql, err)
	}
	var out []string
	for result.Next() {
		var words []string
		for _, raw := range result.RawValues() {
			words = append(words, string(raw))
		}
		out = append(out, strings.Join(words, "|"))
	}
	if result.Err() != nil {
		p.t.Fatalf("%s: %v", sql, result.Err())
	}
	if err := tx.Commit(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	return out
}

// record writes a story of a target into the bus, one message for each event.
func (p *place) record(target string, number int, events ...incidents.Event) incidents.ID {
	p.t.Helper()
	st := incidents.Fold(nil)
	for _, e := range events {
		if e.Opening != nil {
			o := *e.Opening
			o.ID, o.Target = incidents.NewID("retrystorm", target, number), target
			e.Opening = &o
		}
		if err := p.store.Append(p.t.Context(), st, e); err != nil {
			p.t.Fatal(err)
		}
	}
	return st.ID
}

// wantExact holds that the database has exactly the record that the bus has, byte for byte, and nothing twice.
func (p *place) wantExact(ids ...incidents.ID) {
	p.t.Helper()
	for _, id := range ids {
		msgs, err := p.bus.Load(p.t.Context(), bus.Incidents, "incidents."+id.Key())
		if err != nil {
			p.t.Fatal(err)
		}
		var want []string
		for _, m := range msgs {
			var texts []json.RawMessage
			if err := json.Unmarshal(m.Data, &texts); err != nil {
				p.t.Fatal(err)
			}
			for n, text := range texts {
				want = append(want, fmt.Sprintf("%d|%d|%s", m.Seq, n, text))
			}
		}
		got := p.rows("SELECT seq, n, event FROM events WHERE incident = '" + id.String() + "' ORDER BY epoch, seq, n")
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			p.t.Errorf("%s: got\n%s\nwant\n%s", id, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if got := p.value("SELECT events FROM incidents WHERE id = '" + id.String() + "'"); got != fmt.Sprint(len(want)) {
			p.t.Errorf("%s: it is made of %s events, want %d", id, got, len(want))
		}
	}
}

// at is a moment of these tests' story, in seconds.
func at(seconds float64) time.Time {
	return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC).Add(time.Duration(seconds * float64(time.Second)))
}

func alert(status alerts.Status, seconds float64) alerts.Alert {
	a := alerts.Alert{Fingerprint: "a", Status: status, Labels: map[string]string{"alertname": "RetryStorm", "severity": "critical"},
		StartsAt: at(-30), Delivery: alerts.Delivery{At: at(seconds), Source: alerts.SourceWebhook}}
	if status == alerts.Resolved {
		a.EndsAt = at(seconds)
	}
	return a
}

// known is a record with every step that has a duration, at known moments.
func known() []incidents.Event {
	alice := &incidents.Person{Name: "alice", Via: "api", Operator: "alice"}
	step := remediations.Step{Remediation: "breaker", Service: "checkout", Edge: "payments", Fix: "open", TTL: policy.Duration(time.Minute),
		Limit: policy.Duration(time.Hour)}
	order := &remediations.Order{Step: step, Action: "0123456789", Incident: "x", Fence: 7, Until: at(100)}
	resolved := alert(alerts.Resolved, 40)
	decision := &incidents.Decision{Cause: "retry_storm", Verdict: incidents.Act, Reason: "retries feed themselves", Step: &step}
	events := []struct {
		at float64
		e  incidents.Event
	}{
		{0, incidents.Event{Kind: incidents.Opened, Opening: &incidents.Opening{Handler: "retrystorm", Domain: "payments", Alert: alert(alerts.Firing, 0)}}},
		{1, incidents.Event{Kind: incidents.Observed, Seen: json.RawMessage(`{"rps":10,"note":"a\u0000b","big":1e400}`)}},
		{2, incidents.Event{Kind: incidents.Decided, Decision: decision}},
		{2.5, incidents.Event{Kind: incidents.Refused, Refusal: &incidents.Refusal{Reason: remediations.ReasonCooldown, Words: "a fix ended a moment ago"}}},
		{3, incidents.Event{Kind: incidents.Asked, Asking: &incidents.Asking{ID: "1", Plan: "abc", Need: 1, Until: at(60), Step: step}}},
		{8, incidents.Event{Kind: incidents.Approved, Person: alice, Plan: "abc"}},
		{9, incidents.Event{Kind: incidents.Intended, Order: order}},
		{9.5, incidents.Event{Kind: incidents.Issuing, Order: order}},
		{10, incidents.Event{Kind: incidents.Applied, Receipt: &remediations.Receipt{Revision: 3}}},
		{25, incidents.Event{Kind: incidents.Verified, Judgement: &incidents.Judgement{Effect: incidents.Improved, Words: "3 % fail"}}},
		{26, incidents.Event{Kind: incidents.Held}},
		{40, incidents.Event{Kind: incidents.AlertSeen, Alert: &resolved}},
		{41, incidents.Event{Kind: incidents.Reverting, Note: "the alert resolved"}},
		{42, incidents.Event{Kind: incidents.Reverted}},
		{43, incidents.Event{Kind: incidents.Closed, Closing: &incidents.Closing{Outcome: incidents.OutcomeFixed, Words: "the storm is over"}}},
	}
	out := make([]incidents.Event, len(events))
	for i, x := range events {
		out[i] = x.e
		out[i].V, out[i].At, out[i].By = incidents.Version, at(x.at), "replica-1"
	}
	return out
}

// childOf is the variable that makes this program an archive that runs until it is killed: where the bus is, and where the database.
const childOf = "FIREBREAK_ARCHIVE_CHILD"

func TestMain(m *testing.M) {
	if told := os.Getenv(childOf); told != "" {
		if err := child(told); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// orders is what a child is told.
type orders struct {
	Bus, Token, URL, Schema string
}

func child(told string) error {
	var o orders
	if err := json.Unmarshal([]byte(told), &o); err != nil {
		return err
	}
	b, err := bus.Open(context.Background(), bus.Config{URL: o.Bus, Token: o.Token, Replicas: 1, Log: zerolog.Nop()})
	if err != nil {
		return err
	}
	a, err := New(b, Config{URL: o.URL, Schema: o.Schema, Keep: keep, Log: zerolog.New(os.Stderr)})
	if err != nil {
		return err
	}
	return a.Run(context.Background())
}
