package slack

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/incidents/desk"
	"github.com/firebreak-sre/firebreak/internal/testbed/fakeslack"
	"github.com/firebreak-sre/firebreak/notify"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

const (
	ops, pages = "C0OPS", "C0PAGES"

	alice, bob, carol = "U0ALICE", "U0BOB", "U0CAROL"

	patience = 30 * time.Second
)

func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

// watch is a clock that only tests move. Sleeping moves it too, so nothing really waits.
type watch struct {
	mu sync.Mutex
	t  time.Time
}

func (w *watch) now() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.t }

func (w *watch) pass(d time.Duration) { w.mu.Lock(); defer w.mu.Unlock(); w.t = w.t.Add(d) }

func (w *watch) sleep(ctx context.Context, d time.Duration) error { w.pass(d); return ctx.Err() }

// kvDocuments keeps documents in a key-value bucket, as the product does.
type kvDocuments struct{ kv jetstream.KeyValue }

func (k kvDocuments) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	e, err := k.kv.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, 0, ErrNoDocument
	}
	if err != nil {
		return nil, 0, err
	}
	return e.Value(), e.Revision(), nil
}

func (k kvDocuments) Create(ctx context.Context, key string, doc []byte) (uint64, error) {
	rev, err := k.kv.Create(ctx, key, doc)
	if errors.Is(err, jetstream.ErrKeyExists) {
		return 0, ErrChanged
	}
	return rev, err
}

func (k kvDocuments) Update(ctx context.Context, key string, doc []byte, revision uint64) (uint64, error) {
	rev, err := k.kv.Update(ctx, key, doc, revision)
	var api *jetstream.APIError
	if errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence {
		return 0, ErrChanged
	}
	return rev, err
}

// agenda takes note of who is woken.
type agenda struct{}

func (agenda) Set(context.Context, string, time.Time) error { return nil }

// world is a workspace, a bus, and a record in it.
type world struct {
	t     *testing.T
	clock *watch
	slack *fakeslack.Server
	bus   *bus.Bus
	store *incidents.Store
	docs  Documents
	desk  *desk.Desk
	// approvers are asked by every replica.
	approvers []Approver
	// url is where presses are posted.
	url string
}

func workspace() fakeslack.Workspace {
	return fakeslack.Workspace{
		Users: []fakeslack.User{
			{ID: alice, Name: "alice", Email: "alice@example.com"}, {ID: bob, Name: "bob", Email: "bob@example.com"},
			{ID: carol, Name: "carol", Email: "carol@example.com"}, {ID: "U0GONE", Name: "gone", Email: "gone@example.com", Deleted: true},
			{ID: "U0BOT", Name: "bot", Bot: true}, {ID: "U0GUEST", Name: "guest", Restricted: true},
			{ID: "U0STRANGER", Name: "alice", Email: "alice@example.com", TeamID: "T0ELSEWHERE", Stranger: true},
			{ID: "U0PARTNER", Name: "partner", TeamID: "T0ELSEWHERE"},
		},
		Channels: []fakeslack.Channel{{ID: ops, Name: "ops", Member: true}, {ID: pages, Name: "pages", Member: true}},
		Groups:   []fakeslack.Group{{ID: "S0SRE", Handle: "sre", Members: []string{bob, "U0GUEST"}}},
	}
}

func newWorld(t *testing.T, change ...func(*fakeslack.Config)) *world {
	t.Helper()
	w := &world{t: t, clock: &watch{t: noon()}, approvers: []Approver{{UserID: alice}, {UserID: bob}, {UserID: carol}}}
	c := fakeslack.Config{Workspace: workspace(), Now: w.clock.now}
	for _, fn := range change {
		fn(&c)
	}
	var err error
	if w.slack, err = fakeslack.New(c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.slack.Close() })
	if w.bus, err = bus.Open(w.ctx(), bus.Config{Dir: t.TempDir(), Log: zerolog.Nop()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.bus.Close)
	kv, err := w.bus.JetStream().CreateKeyValue(w.ctx(), jetstream.KeyValueConfig{Bucket: "slack", History: 1})
	if err != nil {
		t.Fatal(err)
	}
	w.store, w.docs = incidents.NewStore(w.bus), kvDocuments{kv}
	w.desk = desk.New(w.store, agenda{}, nil, "test", w.clock.now)
	return w
}

func (w *world) ctx() context.Context {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	w.t.Cleanup(cancel)
	return ctx
}

func (w *world) config() Config {
	app := w.slack.App()
	return Config{BotToken: policy.Secret(app.BotToken), SigningSecret: policy.Secret(app.SigningSecret), Channel: ops,
		Channels: map[string]string{"page": pages}, TeamID: app.TeamID, AppID: app.ID, Console: "https://firebreak.example.com/incidents/{incident}",
		APIURL: w.slack.APIURL(), Now: w.clock.now,
		Approvers: func(string, string, string) []Approver { return w.approvers }}
}

// replica is one process's Slack. Nothing of it runs until start.
func (w *world) replica(change ...func(*Config, *Parts)) *Slack {
	w.t.Helper()
	c, p := w.config(), Parts{Record: incidents.NewStore(w.bus), Documents: w.docs, Desk: w.desk, Metrics: NewMetrics(prometheus.NewRegistry()),
		Log: zerolog.Nop()}
	for _, fn := range change {
		fn(&c, &p)
	}
	s, err := New(c, p)
	if err != nil {
		w.t.Fatal(err)
	}
	s.client.pace.sleep = w.clock.sleep
	return s
}

// start runs a replica, and lets the workspace post presses to it.
func (w *world) start(s *Slack) (stop func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("run: %v", err)
		}
	})
	w.t.Cleanup(stop)
	if s.config.SigningSecret != "" {
		mux := http.NewServeMux()
		mux.Handle(Path, s.Interactions())
		server := httptest.NewServer(mux)
		w.t.Cleanup(server.Close)
		w.url = server.URL + Path
		w.slack.SetRequestURL(w.url)
		w.await("the replica takes answers", func() bool {
			s.clicks.mu.Lock()
			defer s.clicks.mu.Unlock()
			return s.clicks.running
		})
	}
	return stop
}

func (w *world) await(what string, ok func() bool) {
	w.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			w.t.Fatalf("waited in vain until %s", what)
		}
	}
}

// write appends events to a record as one message, at the time of the clock.
func (w *world) write(id incidents.ID, events ...incidents.Event) {
	w.t.Helper()
	st, err := w.store.Load(w.ctx(), id)
	if errors.Is(err, bus.ErrNotFound) {
		st, err = &incidents.State{Stage: incidents.Looking}, nil
	}
	for i := range events {
		events[i].V, events[i].At, events[i].By = incidents.Version, w.clock.now(), "test"
	}
	if err = errors.Join(err, w.store.Append(w.ctx(), st, events...)); err != nil {
		w.t.Fatal(err)
	}
}

// ask opens the n-th incident and asks for approval of its plan.
func (w *world) ask(n, need int) incidents.ID {
	w.t.Helper()
	id := incidents.NewID("retrystorm", "checkout→payments", n)
	w.write(id, opened(n))
	w.write(id, decided(), askedFor(id, need, w.clock.now().Add(15*time.Minute)))
	return id
}

// show sends what is new, as a teller would after an event, until it is taken.
func (w *world) show(s *Slack, id incidents.ID) {
	w.t.Helper()
	if err := s.Sink().Send(w.ctx(), notify.Outcome{Incident: id}); err != nil {
		w.t.Fatalf("send: %v", err)
	}
}

// root is the message of an incident; it must be there exactly once.
func (w *world) root(id incidents.ID) fakeslack.Message {
	w.t.Helper()
	found := w.roots(id)
	if len(found) != 1 {
		w.t.Fatalf("%s is shown by %d messages, want 1", id, len(found))
	}
	return found[0]
}

func (w *world) roots(id incidents.ID) []fakeslack.Message {
	var found []fakeslack.Message
	for _, m := range append(w.slack.Messages(ops), w.slack.Messages(pages)...) {
		if d := m.Latest().Metadata; m.ThreadTS == "" && d != nil && d.EventType == tagRoot && d.EventPayload["incident"] == id.String() {
			found = append(found, m)
		}
	}
	return found
}

// thread is what the thread of an incident says.
func (w *world) thread(id incidents.ID) string {
	w.t.Helper()
	var b strings.Builder
	for _, m := range w.slack.Thread(w.root(id).TS)[1:] {
		fmt.Fprintln(&b, m.Latest().Text)
	}
	return b.String()
}

func (w *world) state(id incidents.ID) *incidents.State {
	w.t.Helper()
	st, err := w.store.Load(w.ctx(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return st
}

// count is how many events of a kind the record has.
func (w *world) count(id incidents.ID, kind incidents.Kind) int {
	w.t.Helper()
	events, err := w.store.Events(w.ctx(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	n := 0
	for _, e := range events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

func opened(n int) incidents.Event {
	return incidents.Event{Kind: incidents.Opened, Opening: &incidents.Opening{
		ID: incidents.NewID("retrystorm", "checkout→payments", n), Handler: "retrystorm", Target: "checkout→payments", Domain: "payments",
		Alert: alerts.Alert{Fingerprint: "0123456789abcdef", Status: alerts.Firing, StartsAt: noon().Add(-time.Minute),
			GeneratorURL: "http://prometheus:9090/graph?g0.expr=a%3Eb&g0.tab=1",
			Labels:       map[string]string{"alertname": "RetryStorm", "severity": "warning", "service": "checkout", "edge": "payments"},
			Annotations:  map[string]string{"summary": "checkout retries payments", "runbook_url": "https://runbooks.example.com/retrystorm"},
			Delivery:     alerts.Delivery{At: noon(), Source: alerts.SourceWebhook, ExternalURL: "http://alertmanager:9093"}}}}
}

func step() remediations.Step {
	return remediations.Step{Remediation: "breaker", Service: "checkout", Edge: "payments", Fix: "open", Params: []byte(`{"share":100}`),
		TTL: policy.Duration(30 * time.Second), Limit: policy.Duration(15 * time.Minute), Timeout: policy.Duration(time.Second), Ramp: []int{10, 50}}
}

func evidence() []incidents.Evidence {
	return []incidents.Evidence{{Name: "ratio", Value: 3.2, Words: "3.20 attempts per call"}, {Name: "error_share", Value: 0.8, Words: "80 % of the attempts fail"}}
}

func decided() incidents.Event {
	s := step()
	return incidents.Event{Kind: incidents.Decided, Decision: &incidents.Decision{Cause: "retry_storm", Verdict: incidents.Act,
		Reason: "retries feed themselves", Evidence: evidence(), Step: &s,
		Verify: &incidents.Verify{Every: policy.Duration(5 * time.Second), Within: policy.Duration(time.Minute), HoldFor: policy.Duration(time.Minute)}}}
}

// planOf is the plan that decided asks for in an incident.
func planOf(id incidents.ID) string {
	d := decided().Decision
	st := incidents.Fold([]incidents.Event{opened(id.Number())})
	return incidents.PlanOf(st, "payments", remediations.ClassP, *d).Hash()
}

func askedFor(id incidents.ID, need int, until time.Time) incidents.Event {
	plan := planOf(id)
	return incidents.Event{Kind: incidents.Asked, Plan: plan, Due: until, Asking: &incidents.Asking{ID: "asking-1", Plan: plan,
		Class: remediations.ClassP,
		Cause: "retry_storm", Step: step(), Why: "retries feed themselves", Evidence: evidence(), Need: need, Until: until}}
}

// intended is the change that decided asks for, about to be made.
func intended(id incidents.ID) incidents.Event {
	return incidents.Event{Kind: incidents.Intended, Order: &remediations.Order{Step: step(), Plan: planOf(id), Action: "0123456789",
		Incident: id.String(),
		Fence:    7, Deadline: noon().Add(time.Minute), Until: noon().Add(30 * time.Second), Seen: remediations.Presence{State: remediations.Absent}}}
}

// requestURL is where the workspace posts presses to now.
func (w *world) requestURL() string { return w.url }

// signed posts a payload to one replica, rightly signed, and gives the status.
func (w *world) signed(to string, payload []byte) int {
	w.t.Helper()
	form := url.Values{"payload": {string(payload)}}.Encode()
	status, err := post(w.ctx(), to, "application/x-www-form-urlencoded", form, w.slack.App().SigningSecret, w.clock.now())
	if err != nil {
		w.t.Error(err)
	}
	return status
}

// post posts a body as Slack would.
func post(ctx context.Context, to, contentType, body, secret string, at time.Time) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", contentType)
	sign(r.Header, []byte(body), secret, at)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// sign signs a body as Slack does.
func sign(h http.Header, body []byte, secret string, at time.Time) {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("v0:" + stamp + ":"))
	mac.Write(body)
	h.Set("X-Slack-Request-Timestamp", stamp)
	h.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
}
