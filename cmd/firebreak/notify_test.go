package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/firebreak-sre/firebreak/internal/testbed/fakepagerduty"
	"github.com/firebreak-sre/firebreak/internal/testbed/fakeslack"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/rs/zerolog"
)

// serving runs a daemon of a policy until the test ends, and returns its address.
func serving(t *testing.T, change func(*policy.Policy)) string {
	t.Helper()
	p := policy.Default()
	p.Server.Listen = "127.0.0.1:0"
	p.SetData(t.TempDir())
	change(&p)
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
	return d.URL()
}

// Every place gets one test message and calls nobody; one that does not take it is named, and makes the command fail.
func TestNotifyTest(t *testing.T) {
	t.Parallel()
	chat, err := fakeslack.New(fakeslack.Config{Workspace: fakeslack.Workspace{
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
	var hooked, texted atomic.Int32
	status := atomic.Int32{}
	status.Store(http.StatusOK)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), "this is a test of Firebreak") {
			hooked.Add(1)
		}
		w.WriteHeader(int(status.Load()))
	}))
	t.Cleanup(hook.Close)
	text := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), "this is a test of Firebreak") {
			texted.Add(1)
		}
	}))
	t.Cleanup(text.Close)
	url := serving(t, func(p *policy.Policy) {
		app := chat.App()
		p.Outcomes.Slack = &policy.Slack{BotToken: policy.Secret(app.BotToken), Channel: demoChannel, APIURL: chat.APIURL()}
		p.Outcomes.PagerDuty = &policy.PagerDuty{RoutingKey: key, URL: pager.URL()}
		p.Outcomes.Webhooks = []policy.OutcomeWebhook{{Name: "desk", URL: hook.URL, Secret: "a-secret-of-the-test-of-24-bytes"}}
		p.Outcomes.Messages = []policy.Message{{Name: "team", URL: policy.Secret("generic+" + text.URL + "/?disabletls=yes")}}
	})
	code, stdout, stderr := firebreak(t, nil, "notify", "test", "--server", url)
	if code != 0 || strings.Count(stdout, "took it\n") != 4 {
		t.Errorf("got exit %d, %q, on stderr %q, want four places that took it", code, stdout, stderr)
	}
	if n := len(chat.Messages(demoChannel)); n != 1 {
		t.Errorf("Slack shows %d messages, want 1", n)
	}
	if hooked.Load() != 1 || texted.Load() != 1 {
		t.Errorf("the webhook was told %d times and the chat %d times, want once each", hooked.Load(), texted.Load())
	}
	if n, open := len(pager.Changes()), pager.Open(); n != 1 || len(open) != 0 {
		t.Errorf("PagerDuty has %d changes and %d open incidents, want 1 and none", n, len(open))
	}
	status.Store(http.StatusForbidden)
	code, stdout, _ = firebreak(t, nil, "notify", "test", "--server", url)
	if code != 1 || strings.Count(stdout, "took it\n") != 3 || !strings.Contains(stdout, "desk did not take it") {
		t.Errorf("got exit %d, %q, want 1 and who did not take it", code, stdout)
	}
}
