package operate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/console/operate"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/incidents/desk"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/guard"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
	"github.com/rs/zerolog"
)

// The tokens of the people in these tests, by what they may.
const (
	alice  = "token-of-alice-who-approves" // approve, operate
	bob    = "token-of-bob-who-approves"   // approve
	carol  = "token-of-carol-operates"     // operate
	dave   = "token-of-dave-who-reads"     // read
	reader = "a-token-of-many-readers"
)

func operators() []policy.Operator {
	return []policy.Operator{
		{Name: "alice", Token: alice, May: []string{"operate", "approve"}},
		{Name: "bob", Token: bob, May: []string{"approve"}},
		{Name: "carol", Token: carol, May: []string{"operate"}},
		{Name: "dave", Token: dave, May: []string{"read"}},
	}
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// world is the API with everything real behind it.
type world struct {
	url    string
	bus    *bus.Bus
	store  *incidents.Store
	agenda *bus.Agenda
	ledger *ledger.Ledger
	brake  *guard.Brake
	stop   string // the path of the stop file
	log    *bytes.Buffer
}

// errNotTheirs is what the policy of these tests says to bob about the fix shed.
var errNotTheirs = errors.New("the policy does not name bob for shed")

// newWorld builds it; change can change the configuration.
func newWorld(t *testing.T, change func(*operate.Config)) *world {
	t.Helper()
	ctx := within(t)
	b, err := bus.Open(ctx, bus.Config{Dir: t.TempDir(), Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	w := &world{bus: b, store: incidents.NewStore(b), stop: filepath.Join(t.TempDir(), "STOP"), log: &bytes.Buffer{}}
	books, err := b.Cell(ctx, "ledger", "ledger")
	if err != nil {
		t.Fatal(err)
	}
	budget := policy.Budget{Hour: 3, Day: 10, Concurrent: 3}
	w.ledger = ledger.New(books, policy.Limits{PerDomain: budget, PerAction: budget, Global: budget})
	switches, err := b.Cell(ctx, "switch", "switch")
	if err != nil {
		t.Fatal(err)
	}
	if w.brake, err = guard.NewBrake(switches, w.stop); err != nil {
		t.Fatal(err)
	}
	if w.agenda, err = b.Agenda(ctx, "agenda"); err != nil {
		t.Fatal(err)
	}
	cfg := operate.Config{
		Desk: desk.New(w.store, w.agenda, w.ledger, "r1", time.Now), Brake: w.brake, Ledger: w.ledger, Agenda: w.agenda, Records: w.store,
		Targets: []policy.TargetName{{Handler: "retrystorm", Name: "checkout/payments", Domain: "checkout", Zone: "all"}},
		Who:     operate.Identify(policy.APIAuth{Operators: operators(), BearerTokens: []policy.Secret{reader}}, false),
		MayApprove: func(p incidents.Person, _, _, fix string) error {
			if p.Name == "bob" && fix == "shed" {
				return errNotTheirs
			}
			return nil
		},
		Log: zerolog.New(zerolog.SyncWriter(w.log)),
	}
	if change != nil {
		change(&cfg)
	}
	h, err := operate.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	w.url = srv.URL
	return w
}

// open begins an incident of a target, enters it in the agenda, and appends events.
func (w *world) open(t *testing.T, target string, events ...incidents.Event) *incidents.State {
	t.Helper()
	st := incidents.Fold(nil)
	id := incidents.NewID("retrystorm", target, 1)
	w.append(t, st, incidents.Event{Kind: incidents.Opened, Opening: &incidents.Opening{ID: id, Handler: "retrystorm", Target: target, Domain: "checkout",
		Alert: alerts.Alert{Fingerprint: "f1", Status: alerts.Firing, Labels: map[string]string{"alertname": "RetryStorm"}}}})
	if err := w.agenda.Set(within(t), id.Key(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if len(events) > 0 {
		w.append(t, st, events...)
	}
	return st
}

func (w *world) append(t *testing.T, st *incidents.State, events ...incidents.Event) {
	t.Helper()
	for i := range events {
		events[i].V, events[i].At = incidents.Version, time.Now().UTC()
	}
	if err := w.store.Append(within(t), st, events...); err != nil {
		t.Fatal(err)
	}
}

// step is a change as the tests ask for it.
func step(fix string) remediations.Step {
	return remediations.Step{Remediation: "breaker", Service: "checkout", Edge: "payments", Fix: fix,
		TTL: policy.Duration(time.Minute), Limit: policy.Duration(5 * time.Minute), Timeout: policy.Duration(5 * time.Second)}
}

// asked is the event that asks for a plan.
func asked(id, plan, fix string, need int) incidents.Event {
	return incidents.Event{Kind: incidents.Asked, Plan: plan, Asking: &incidents.Asking{ID: id, Plan: plan, Class: remediations.ClassP,
		Cause: "retry_storm", Step: step(fix), Why: "3.00 attempts per call", Need: need, Until: time.Now().Add(10 * time.Minute)}}
}

// stands are the events of a change that stands; ends those of its end.
func stands() []incidents.Event {
	o := remediations.Order{Step: step("retry_budget"), Plan: "p", Action: "a"}
	return []incidents.Event{{Kind: incidents.Intended, Order: &o}, {Kind: incidents.Issuing, Order: &o}, {Kind: incidents.Applied}}
}

func ends() []incidents.Event {
	return append(stands(), incidents.Event{Kind: incidents.Reverting}, incidents.Event{Kind: incidents.Reverted})
}

func closed() []incidents.Event {
	return []incidents.Event{{Kind: incidents.Escalated}, {Kind: incidents.Closed, Closing: &incidents.Closing{Outcome: incidents.OutcomePaged, Words: "told"}}}
}

// answer is what came back.
type answer struct {
	status int
	body   string
	header http.Header
	// Error and Code are of a refusal.
	Error string `json:"error"`
	Code  string `json:"code"`
}

// request is one that the tests send. Without a type it is JSON.
type request struct {
	method, path, token, body string
	header                    map[string]string
}

func (w *world) do(t *testing.T, q request) answer {
	t.Helper()
	var body io.Reader
	if q.body != "" {
		body = strings.NewReader(q.body)
	}
	req, err := http.NewRequestWithContext(within(t), q.method, w.url+"/api/v1/"+q.path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if q.token != "" {
		req.Header.Set("Authorization", "Bearer "+q.token)
	}
	for name, value := range q.header {
		req.Header.Set(name, value)
	}
	if host := q.header["Host"]; host != "" {
		req.Host = host
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, body: string(text), header: resp.Header}
	if a.status >= 400 {
		if err := json.Unmarshal(text, &a); err != nil || a.Error == "" || a.Code == "" {
			t.Errorf("%s %s: a refusal without words or code: %q", q.method, q.path, text)
		}
	}
	return a
}

// lines reads an answer of one T a line.
func lines[T any](t *testing.T, w *world, path string) []T {
	t.Helper()
	a := w.do(t, request{method: http.MethodGet, path: path, token: dave})
	if got := a.header.Get("Content-Type"); a.status != http.StatusOK || got != "application/x-ndjson" {
		t.Fatalf("%s: got %d of %s: %s", path, a.status, got, a.body)
	}
	var list []T
	for line := range strings.Lines(a.body) {
		var v T
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%s: got line %q: %v", path, line, err)
		}
		list = append(list, v)
	}
	return list
}

func read[T any](t *testing.T, a answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("got %q: %v", a.body, err)
	}
	return v
}
