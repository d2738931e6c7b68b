package fakepagerduty_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PagerDuty/go-pagerduty"

	"github.com/firebreak-sre/firebreak/internal/testbed/fakepagerduty"
)

// body is a right trigger in which something was changed.
func body(t *testing.T, spoil func(event, payload map[string]any)) string {
	t.Helper()
	payload := map[string]any{"summary": "x", "source": "x", "severity": "info"}
	event := map[string]any{"routing_key": key, "event_action": "trigger", "dedup_key": "i-1", "payload": payload}
	spoil(event, payload)
	b, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// set changes one field; one of the payload is written with a dot.
func set(field string, value any) func(event, payload map[string]any) {
	return func(event, payload map[string]any) {
		if name, ok := strings.CutPrefix(field, "payload."); ok {
			payload[name] = value
			return
		}
		event[field] = value
	}
}

// What is wrong with an event is listed, and the event is not taken.
func TestInvalidEvents(t *testing.T) {
	t.Parallel()
	s, _ := start(t, fakepagerduty.Config{})
	cases := map[string]struct {
		spoil func(event, payload map[string]any)
		want  string
	}{
		"no key":    {set("routing_key", ""), "'routing_key' is missing or blank"},
		"short key": {set("routing_key", "x"), "Length of 'routing_key' is incorrect (should be 32 characters)"},
		"odd key":   {set("routing_key", strings.Repeat("-", 32)), "'routing_key' cannot contain non-alphanumeric characters."},
		"no action": {set("event_action", nil), "'event_action' is missing or blank"},
		"other action": {set("event_action", "shout"),
			"'event_action' is invalid (must be one of the following: 'trigger', 'acknowledge' or 'resolve')"},
		"resolve nothing": {func(e, _ map[string]any) { e["event_action"], e["dedup_key"] = "resolve", "" }, "'dedup_key' is missing or blank"},
		"ack nothing":     {func(e, _ map[string]any) { e["event_action"], e["dedup_key"] = "acknowledge", "" }, "'dedup_key' is missing or blank"},
		"long dedup key":  {set("dedup_key", strings.Repeat("é", 256)), "'dedup_key' is too long (maximum 255 characters)"},
		"no payload":      {set("payload", nil), "'payload' is missing or blank"},
		"no summary":      {set("payload.summary", ""), "'payload.summary' is missing or blank"},
		"long summary":    {set("payload.summary", strings.Repeat("é", 1025)), "'payload.summary' is too long (maximum 1024 characters)"},
		"no source":       {set("payload.source", ""), "'payload.source' is missing or blank"},
		"severity": {set("payload.severity", "page"),
			"'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')"},
		"timestamp":         {set("payload.timestamp", "yesterday"), "'payload.timestamp' is no ISO 8601 date"},
		"details no object": {set("payload.custom_details", "text"), "'payload.custom_details' has the wrong type"},
		"link":              {set("links", []any{map[string]any{"text": "x"}}), "'links[0].href' is missing or blank"},
	}
	for name, c := range cases {
		got := post(t, s.URL()+fakepagerduty.Enqueue, body(t, c.spoil))
		if got.code != http.StatusBadRequest || got.Status != "invalid event" || got.Message != "Event object is invalid" {
			t.Errorf("%s: got %+v", name, got)
		}
		if !slices.Contains(got.Errors, c.want) {
			t.Errorf("%s: got %+v, want %q", name, got, c.want)
		}
	}
	if got := post(t, s.URL()+fakepagerduty.Enqueue, "{"); got.code != http.StatusBadRequest {
		t.Errorf("no JSON: %+v", got)
	}
	if len(s.Events()) != 0 || len(s.Calls()) != len(cases)+1 || s.Calls()[0].Accepted {
		t.Errorf("%d events were taken", len(s.Events()))
	}
}

// What just fits is taken.
func TestWhatFits(t *testing.T) {
	t.Parallel()
	s, _ := start(t, fakepagerduty.Config{})
	for name, spoil := range map[string]func(event, payload map[string]any){
		"dedup key": set("dedup_key", strings.Repeat("é", 255)), "summary": set("payload.summary", strings.Repeat("é", 1024)),
		"timestamp": set("payload.timestamp", "2026-11-23T01:02:03.004+0000"), "zone": set("payload.timestamp", "2026-11-23T01:02:03Z"),
		"link": set("links", []any{map[string]any{"href": "https://example.com"}}), "key made": set("dedup_key", ""),
		"unknown field": set("new_field", 1),
	} {
		if got := post(t, s.URL()+fakepagerduty.Enqueue, body(t, spoil)); got.code != http.StatusAccepted || got.DedupKey == "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	fill := func(n int) string {
		return body(t, set("payload.custom_details", map[string]any{"x": strings.Repeat("x", n)}))
	}
	most := 512<<10 - len(fill(0))
	if got := post(t, s.URL()+fakepagerduty.Enqueue, fill(most)); got.code != http.StatusAccepted {
		t.Errorf("512 KB: %+v", got)
	}
	if got := post(t, s.URL()+fakepagerduty.Enqueue, fill(most+1)); got.code != http.StatusRequestEntityTooLarge {
		t.Errorf("one byte more: %+v", got)
	}
}

// A key takes so many a minute; other keys are not concerned, and a minute later it takes them again.
func TestRate(t *testing.T) {
	t.Parallel()
	clock := &clock{now: time.Unix(1_700_000_000, 0)}
	other := strings.Repeat("1", 32)
	s, c := start(t, fakepagerduty.Config{RoutingKeys: []string{key, other}, Now: clock.Now})
	for range 120 {
		send(t, c, "trigger", "i-1")
	}
	got := post(t, s.URL()+fakepagerduty.Enqueue, body(t, set("dedup_key", "i-2")))
	if got.code != http.StatusTooManyRequests || got.retryAfter != "" || len(s.Incidents("i-2")) != 0 {
		t.Errorf("the 121st: %+v", got)
	}
	if got := post(t, s.URL()+fakepagerduty.Enqueue, body(t, set("routing_key", other))); got.code != http.StatusAccepted {
		t.Errorf("another key: %+v", got)
	}
	clock.Add(time.Minute)
	send(t, c, "trigger", "i-2")
	if i := s.Incidents("i-2"); len(i) != 1 || !i[0].OpenedAt.Equal(clock.Now()) {
		t.Errorf("incident %+v", i)
	}
}

// clock is one that goes only when told to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Each fault looks to the client as it should, and takes the event or not.
func TestFaults(t *testing.T) {
	t.Parallel()
	status := func(want int) func(error) bool {
		return func(err error) bool {
			e, ok := errors.AsType[pagerduty.APIError](err)
			return ok && e.StatusCode == want
		}
	}
	// The client library tells of a deadline in words only.
	silent := func(err error) bool {
		return err != nil && strings.Contains(err.Error(), context.DeadlineExceeded.Error())
	}
	broken := func(err error) bool { return err != nil && !silent(err) }
	const short = 500 * time.Millisecond
	cases := map[string]struct {
		fault  fakepagerduty.Fault
		kept   int
		told   int
		looks  func(error) bool
		within time.Duration
	}{
		"429":            {fault: fakepagerduty.Fault{Kind: fakepagerduty.TooMany}, told: 429, looks: status(429), within: patience},
		"5xx":            {fault: fakepagerduty.Fault{Kind: fakepagerduty.ServerError}, told: 503, looks: status(503), within: patience},
		"500":            {fault: fakepagerduty.Fault{Kind: fakepagerduty.ServerError, Status: 500}, told: 500, looks: status(500), within: patience},
		"cut before":     {fault: fakepagerduty.Fault{Kind: fakepagerduty.CutBefore}, looks: broken, within: patience},
		"hung before":    {fault: fakepagerduty.Fault{Kind: fakepagerduty.HangBefore}, looks: silent, within: short},
		"cut after":      {fault: fakepagerduty.Fault{Kind: fakepagerduty.AcceptThenCut}, kept: 1, looks: broken, within: patience},
		"hung after":     {fault: fakepagerduty.Fault{Kind: fakepagerduty.AcceptThenHang}, kept: 1, looks: silent, within: short},
		"504 after":      {fault: fakepagerduty.Fault{Kind: fakepagerduty.AcceptThenFail}, kept: 1, told: 504, looks: status(504), within: patience},
		"half an answer": {fault: fakepagerduty.Fault{Kind: fakepagerduty.Malformed}, kept: 1, told: 202, looks: broken, within: patience},
		"slow": {fault: fakepagerduty.Fault{Kind: fakepagerduty.Slow, Delay: 20 * time.Millisecond}, kept: 1, told: 202,
			looks: func(err error) bool { return err == nil }, within: patience},
		"too slow": {fault: fakepagerduty.Fault{Kind: fakepagerduty.Slow, Delay: time.Hour}, kept: 1, told: 202, looks: silent, within: short},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, client := start(t, fakepagerduty.Config{})
			c.fault.Times = 1
			s.Break(fakepagerduty.Enqueue, c.fault)
			ctx, cancel := context.WithTimeout(t.Context(), c.within)
			defer cancel()
			if _, err := client.ManageEventWithContext(ctx, event("trigger", "i-1")); !c.looks(err) {
				t.Errorf("the client saw %v", err)
			}
			if err := s.Wait(soon(t), func() bool { return len(s.Calls()) == 1 }); err != nil {
				t.Fatal(err)
			}
			got := s.Calls()[0]
			if len(s.Open()) != c.kept || got.Accepted != (c.kept == 1) || got.Status != c.told || got.Fault != c.fault.Kind {
				t.Errorf("%d open, call %+v", len(s.Open()), got)
			}
			send(t, client, "trigger", "i-1")
			if got := s.Incidents(""); len(got) != 1 || got[0].Triggers() != c.kept+1 {
				t.Errorf("after the second try: %+v", got)
			}
		})
	}
}

// Faults come in turn, hit the path they name, and a time to wait is said when there is one.
func TestFaultsInTurn(t *testing.T) {
	t.Parallel()
	s, c := start(t, fakepagerduty.Config{})
	s.Break(fakepagerduty.Enqueue, fakepagerduty.Fault{Kind: fakepagerduty.TooMany, RetryAfter: 1500 * time.Millisecond, Times: 2})
	s.Break("", fakepagerduty.Fault{Kind: fakepagerduty.TooMany})
	for n, want := range []string{"2", "2", "", ""} {
		if got := post(t, s.URL()+fakepagerduty.Enqueue, "{}"); got.code != http.StatusTooManyRequests || got.retryAfter != want {
			t.Errorf("call %d: %+v, want %q", n, got, want)
		}
	}
	if got := post(t, s.URL()+fakepagerduty.ChangeEnqueue, "{}"); got.code != http.StatusTooManyRequests {
		t.Errorf("the other path: %+v", got)
	}
	s.Heal()
	send(t, c, "trigger", "i-1")
}

// When PagerDuty is down nothing gets through, for an hour of its clock, and incidents are as they were after it.
func TestDown(t *testing.T) {
	t.Parallel()
	clock := &clock{now: time.Unix(1_700_000_000, 0)}
	s, c := start(t, fakepagerduty.Config{Now: clock.Now})
	send(t, c, "trigger", "i-1")
	s.Down()
	for n := range 3 {
		clock.Add(20 * time.Minute)
		if _, err := c.ManageEventWithContext(soon(t), event("resolve", "i-1")); err == nil {
			t.Errorf("try %d got through", n)
		}
	}
	s.Heal()
	if len(s.Open()) != 1 {
		t.Fatal("the incident is gone")
	}
	send(t, c, "resolve", "i-1")
	if i := s.Incidents("i-1")[0]; i.ResolvedAt.Sub(i.OpenedAt) != time.Hour {
		t.Errorf("resolved %s after it was opened", i.ResolvedAt.Sub(i.OpenedAt))
	}
	if got := fmt.Sprint(len(s.Calls())); got != "5" {
		t.Errorf("%s calls", got)
	}
}
