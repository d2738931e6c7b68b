package pagerduty

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/testbed/fakepagerduty"
	"github.com/firebreak-sre/firebreak/notify"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// hostile is a text that strangers wrote into every place of an incident.
func hostile(text string, lines int) told {
	labels := map[string]string{"alertname": text, "severity": text, "service": text, text: text}
	for i := range lines {
		labels[fmt.Sprint(text, i)] = text
	}
	o := incidents.Opening{ID: incidents.NewID("retrystorm", text, 1), Handler: "retrystorm", Target: text, Alert: alerts.Alert{
		Fingerprint: "0123456789abcdef", Status: alerts.Firing, Labels: labels, Annotations: map[string]string{"runbook_url": text}, GeneratorURL: text}}
	step := remediations.Step{Fix: "open", Service: text, Edge: text}
	numbers := []incidents.Evidence{{Name: text, Value: 1.5, Unit: text, Words: text}}
	events := []incidents.Event{
		{Kind: incidents.Opened, At: at(0), Opening: &o},
		{Kind: incidents.Decided, At: at(1), Decision: &incidents.Decision{Cause: text, Verdict: incidents.Act, Reason: text, Evidence: numbers, Step: &step}},
		{Kind: incidents.Intended, At: at(2), Order: &remediations.Order{Step: step, Action: "a"}},
		{Kind: incidents.Applied, At: at(2)},
	}
	for i := range lines {
		events = append(events, incidents.Event{Kind: incidents.Refused, At: at(i), Refusal: &incidents.Refusal{Reason: remediations.ReasonStorm, Words: text}})
	}
	e := incidents.Event{Kind: incidents.Verified, At: at(9), Judgement: &incidents.Judgement{Effect: incidents.Worse, Words: text, Evidence: numbers}}
	events = append(events, e)
	st := incidents.Fold(events)
	return told{action: trigger, till: events, then: st, now: st, outcome: notify.Outcome{ID: "x-1-0", Incident: o.ID, Kind: e.Kind, At: e.At,
		Handler: o.Handler, Target: o.Target, Alert: o.Alert.Name(), Labels: labels, Words: e.Words(), Event: e}}
}

func configured(t testing.TB) Config {
	t.Helper()
	c, err := Config{RoutingKey: fakepagerduty.DefaultKey, Console: "https://firebreak.example.com/{incident}"}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// taken checks that a message is one that PagerDuty takes and that nothing in it can play tricks on who reads it.
func taken(t testing.TB, pd *fakepagerduty.Server, c Config, what told) {
	t.Helper()
	path, body, err := c.message(what)
	if err != nil {
		t.Fatal(err)
	}
	if len(body) > maxBody {
		t.Errorf("%s: %d bytes", what.action, len(body))
	}
	resp, err := http.Post(pd.URL()+path, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if answer, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusAccepted {
		t.Errorf("%s: answered %s %s %v to %.2000s", what.action, resp.Status, answer, err, body)
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatal(err)
	}
	everyText(v, func(s string) {
		if strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) {
			t.Errorf("%s: %q holds what cannot be seen", what.action, s)
		}
	})
}

func everyText(v any, f func(string)) {
	switch v := v.(type) {
	case string:
		f(v)
	case []any:
		for _, one := range v {
			everyText(one, f)
		}
	case map[string]any:
		for name, one := range v {
			f(name)
			everyText(one, f)
		}
	}
}

func startPagerDuty(t testing.TB) *fakepagerduty.Server {
	t.Helper()
	pd, err := fakepagerduty.New(fakepagerduty.Config{PerMinute: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pd.Close() })
	return pd
}

// Whatever strangers wrote, and however much, PagerDuty takes it: it is cut, and never refused.
func TestHostile(t *testing.T) {
	t.Parallel()
	pd, c := startPagerDuty(t), configured(t)
	for _, text := range []string{"", " ", "\x00\x1b[2J\r\n", "\u202eevil\u2066", "\xff\xfe", strings.Repeat("é", 5000), strings.Repeat("<&>", 2_000),
		strings.Repeat("\n", 3000), "javascript:alert(1)", "https://user:pass@example.com/", "https://example.com/" + strings.Repeat("x", 5000), `"}]{["`} {
		for _, lines := range []int{0, 1, 300} {
			what := hostile(text, lines)
			for _, a := range []action{trigger, acknowledge, resolve, change} {
				what.action = a
				taken(t, pd, c, what)
			}
		}
	}
	for _, e := range pd.Events() {
		if e.Payload != nil && utf8.RuneCountInString(e.Payload.Summary) > maxSummary {
			t.Errorf("a summary of %d characters", utf8.RuneCountInString(e.Payload.Summary))
		}
		for _, l := range e.Links {
			if !strings.HasPrefix(l.Href, "https://firebreak.example.com/") {
				t.Errorf("it links to %.80s", l.Href)
			}
		}
	}
}

// What is too large loses its oldest lines first, and says so.
func TestShrinks(t *testing.T) {
	t.Parallel()
	c := configured(t)
	what := hostile(strings.Repeat("<", 1000), 2000)
	_, body, err := c.message(what)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Payload struct {
			Details struct {
				Refusals, Timeline []string
			} `json:"custom_details"`
		} `json:"payload"`
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	lines := got.Payload.Details.Timeline
	if len(body) > maxBody || len(lines) != 101 || lines[0] != "(1905 earlier lines are left out)" || !strings.Contains(lines[100], "verified: worse") {
		t.Errorf("got %d bytes with %d lines, %.60s … %.60s", len(body), len(lines), lines[0], lines[len(lines)-1])
	}
}

// A page holds what people need to decide: the numbers before and after, the plan, each no with its name, and what happened.
func TestDetails(t *testing.T) {
	t.Parallel()
	what := hostile("checkout", 0)
	what.till = append(what.till, incidents.Event{Kind: incidents.Refused, At: at(70), Refusal: &incidents.Refusal{Reason: remediations.ReasonChain, Words: "fixed 4 times in an hour"}})
	what.then = incidents.Fold(what.till)
	what.then.Fixes[0].Order.Limit, what.then.Fixes[0].Order.TTL = policy.Duration(600e9), policy.Duration(60e9)
	d := configured(t).details(what, maxLines)
	want := details{Incident: what.outcome.Incident.String(), Event: "worse: checkout", ID: "x-1-0", Now: "standing, the alert fires", Alert: "checkout",
		Handler: "retrystorm", Target: "checkout", Cause: "checkout", Why: "checkout", Judgement: "worse: checkout",
		Plan:   "open on checkout/checkout, at most 10m0s, ends by itself after 1m0s; action a, plan",
		Before: []string{"checkout = 1.5 checkout: checkout"}, After: []string{"checkout = 1.5 checkout: checkout"},
		Refusals: []string{"03:01:10Z refused: ineffective_chain: fixed 4 times in an hour"}}
	if len(d.Timeline) != 6 || d.Timeline[5] != "03:01:10Z refused: ineffective_chain: fixed 4 times in an hour" || len(d.Labels) != 4 {
		t.Errorf("got %q and %v", d.Timeline, d.Labels)
	}
	d.Timeline, d.Labels = nil, nil
	if fmt.Sprintf("%+v", d) != fmt.Sprintf("%+v", want) {
		t.Errorf("got\n%+v, want\n%+v", d, want)
	}
}

// No text of an alert makes an event that PagerDuty refuses.
func FuzzLabels(f *testing.F) {
	for _, s := range []string{"", "a\x00b", "\u202e", "\xff", strings.Repeat("x", 2000), "https://example.com/?a=b#c", "http://[::1]:0/%zz"} {
		f.Add(s, uint8(3))
	}
	pd, c := startPagerDuty(f), configured(f)
	f.Fuzz(func(t *testing.T, text string, lines uint8) {
		what := hostile(text, int(lines))
		for _, a := range []action{trigger, change} {
			what.action = a
			taken(t, pd, c, what)
		}
	})
}
