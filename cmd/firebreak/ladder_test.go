package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/testbed/fakepagerduty"
	"github.com/firebreak-sre/firebreak/internal/testbed/fakeslack"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/rs/zerolog"
)

// heard takes note of what is posted to it.
type heard struct {
	mu    sync.Mutex
	texts []string
}

func (h *heard) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.texts = append(h.texts, string(body))
}

// with are those of what was posted that have a text in them.
func (h *heard) with(text string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(h.texts), func(s string) bool { return !strings.Contains(s, text) })
}

// The ladder of the policy, wired as it is served: a rung reaches the places that it names by the policy's names, and no others.
func TestLadderWired(t *testing.T) {
	t.Parallel()
	chat, err := fakeslack.New(fakeslack.Config{Workspace: fakeslack.Workspace{Users: []fakeslack.User{{ID: "U0ALICE", Name: "alice"}},
		Channels: []fakeslack.Channel{{ID: demoChannel, Name: "incidents", Member: true}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = chat.Close() })
	const key = "0123456789abcdef0123456789abcdef"
	pager, err := fakepagerduty.New(fakepagerduty.Config{RoutingKeys: []string{key}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pager.Close() })
	listen := func() (*heard, string) {
		h := &heard{}
		srv := httptest.NewServer(h)
		t.Cleanup(srv.Close)
		return h, srv.URL
	}
	desk, deskURL := listen()
	other, otherURL := listen()
	team, teamURL := listen()

	p := policy.Default()
	p.Server.Listen = "127.0.0.1:0"
	p.SetData(t.TempDir())
	app := chat.App()
	p.Outcomes.Slack = &policy.Slack{BotToken: policy.Secret(app.BotToken), Channel: demoChannel, APIURL: chat.APIURL()}
	p.Outcomes.PagerDuty = &policy.PagerDuty{RoutingKey: key, URL: pager.URL()}
	const secret = "a-secret-of-the-test-of-24-bytes"
	p.Outcomes.Webhooks = []policy.OutcomeWebhook{{Name: "desk", URL: deskURL, Secret: secret, Events: []string{"closed"}},
		{Name: "other", URL: otherURL, Secret: secret, Events: []string{"opened", "rung", "closed"}}}
	p.Outcomes.Messages = []policy.Message{{Name: "team", URL: policy.Secret("generic+" + teamURL + "/?disabletls=yes"), Events: []string{"closed"}}}
	p.Outcomes.Escalation = map[string][]policy.Rung{"Critical": {{To: []string{"slack", "desk", "team"}, Mention: "U0ALICE"},
		{After: policy.Duration(time.Hour), To: []string{"pagerduty"}}}}
	d, err := newDaemon(t.Context(), settings{Policy: p}, zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.ErrorLevel))
	if err != nil {
		t.Fatal(err)
	}
	g := newGroup(t.Context())
	g.run("firebreak", d.Run)
	t.Cleanup(func() {
		g.cancel(nil)
		if err := g.wait(); err != nil {
			t.Errorf("the daemon ended: %v", err)
		}
		d.Close()
	})
	now := time.Now().UTC()
	st, id := incidents.Fold(nil), incidents.NewID("nobody", "checkout→payments", 1)
	if err := incidents.NewStore(d.bus).Append(t.Context(), st, incidents.Event{V: incidents.Version, Kind: incidents.Opened, At: now,
		Opening: &incidents.Opening{ID: id, Handler: "nobody", Target: "checkout→payments", Alert: alerts.Alert{Fingerprint: "0123456789abcdef",
			Status: alerts.Firing, Labels: map[string]string{"alertname": "RetryStorm", "severity": "critical"}}}},
		incidents.Event{V: incidents.Version, Kind: incidents.Escalated, At: now, Note: "look"}); err != nil {
		t.Fatal(err)
	}
	const want = "a person is needed: step 1 of 2, slack, desk and team are told"
	named := func() bool {
		return slices.ContainsFunc(chat.Messages(demoChannel), func(m fakeslack.Message) bool {
			text := m.Latest().Text
			return m.Broadcast && strings.HasPrefix(text, "<@U0ALICE>\n") && strings.Contains(text, want)
		})
	}
	waitFor(t, "the rung is told", func() bool {
		return named() && len(desk.with(want)) > 0 && len(team.with(want)) > 0 && len(pager.Open()) > 0
	})
	if st, err = incidents.NewStore(d.bus).Load(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := incidents.NewStore(d.bus).Append(t.Context(), st, incidents.Event{V: incidents.Version, Kind: incidents.Closed, At: time.Now().UTC(),
		Closing: &incidents.Closing{Outcome: incidents.OutcomePaged, Words: "that was all"}}); err != nil {
		t.Fatal(err)
	}
	// Places are told in order, so all that was to be told before the end has been.
	waitFor(t, "all are told of the end", func() bool {
		return len(desk.with("that was all")) > 0 && len(team.with("that was all")) > 0 && len(other.with("that was all")) > 0 && len(pager.Open()) == 0
	})
	if len(desk.with(": step ")) != 1 || len(team.with(": step ")) != 1 || len(other.with(": step ")) != 0 {
		t.Errorf("the desk heard %q, the team %q, the other webhook %q, want the rung once where it is named",
			desk.with(": step "), team.with(": step "), other.with(": step "))
	}
	// PagerDuty was called by the escalation itself, and by no rung.
	if open := pager.Incidents(""); len(open) != 1 || open[0].Triggers() != 1 {
		t.Errorf("got %+v, want one incident of one trigger", open)
	}
}

// waitFor waits until something holds.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); !holds(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
