package fakepagerduty_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PagerDuty/go-pagerduty"

	"github.com/firebreak-sre/firebreak/internal/testbed/fakepagerduty"
)

const key = fakepagerduty.DefaultKey

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

func start(t *testing.T, c fakepagerduty.Config) (*fakepagerduty.Server, *pagerduty.Client) {
	t.Helper()
	s, err := fakepagerduty.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, pagerduty.NewClient("", pagerduty.WithV2EventsAPIEndpoint(s.URL()))
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// event is what the client library sends.
func event(action, dedupKey string) *pagerduty.V2Event {
	e := &pagerduty.V2Event{RoutingKey: key, Action: action, DedupKey: dedupKey, Client: "firebreak"}
	if action == "trigger" {
		e.Payload = &pagerduty.V2Payload{Summary: "replica is behind", Source: "pg-1", Severity: "critical"}
		e.Payload.Details = map[string]any{"lag": "90s"}
	}
	return e
}

func send(t *testing.T, c *pagerduty.Client, action, dedupKey string) *pagerduty.V2EventResponse {
	t.Helper()
	got, err := c.ManageEventWithContext(soon(t), event(action, dedupKey))
	if err != nil {
		t.Fatalf("%s %s: %v", action, dedupKey, err)
	}
	return got
}

type reply struct {
	code       int
	retryAfter string
	Status     string   `json:"status"`
	Message    string   `json:"message"`
	DedupKey   string   `json:"dedup_key"`
	Errors     []string `json:"errors"`
}

// post sends a body as it is.
func post(t *testing.T, to, body string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, to, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	out := reply{code: resp.StatusCode, retryAfter: resp.Header.Get("Retry-After")}
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatalf("answer %q: %v", text, err)
	}
	return out
}

// An incident lives by its dedup key: opened once, logged to, acknowledged, resolved, and opened anew.
func TestLife(t *testing.T) {
	t.Parallel()
	s, c := start(t, fakepagerduty.Config{})
	steps := []struct {
		action    string
		incidents int
		status    fakepagerduty.Status
	}{
		{"resolve", 0, ""},
		{"acknowledge", 0, ""},
		{"trigger", 1, fakepagerduty.Triggered},
		{"trigger", 1, fakepagerduty.Triggered},
		{"acknowledge", 1, fakepagerduty.Acknowledged},
		{"trigger", 1, fakepagerduty.Acknowledged},
		{"acknowledge", 1, fakepagerduty.Acknowledged},
		{"resolve", 1, fakepagerduty.Resolved},
		{"resolve", 1, fakepagerduty.Resolved},
		{"acknowledge", 1, fakepagerduty.Resolved},
		{"trigger", 2, fakepagerduty.Triggered},
	}
	for n, step := range steps {
		got := send(t, c, step.action, "i-1")
		if got.Status != "success" || got.DedupKey != "i-1" {
			t.Errorf("step %d: answer %+v", n, got)
		}
		all := s.Incidents("i-1")
		if len(all) != step.incidents {
			t.Fatalf("step %d, %s: %d incidents, want %d", n, step.action, len(all), step.incidents)
		}
		if len(all) > 0 && all[len(all)-1].Status != step.status {
			t.Errorf("step %d, %s: %s, want %s", n, step.action, all[len(all)-1].Status, step.status)
		}
	}
	first := s.Incidents("i-1")[0]
	details := first.Events[0].Payload.Details
	if first.Triggers() != 3 || len(first.Events) != 6 || first.Summary() != "replica is behind" || details["lag"] != "90s" {
		t.Errorf("the first incident: %+v", first)
	}
	if len(s.Open()) != 1 || len(s.Events()) != len(steps) || s.Accepted(fakepagerduty.Trigger) != 4 {
		t.Errorf("%d open, %d events", len(s.Open()), len(s.Events()))
	}
}

// A key that nobody gave is made, and another one each time.
func TestDedupKeyIsMade(t *testing.T) {
	t.Parallel()
	s, c := start(t, fakepagerduty.Config{})
	one, two := send(t, c, "trigger", ""), send(t, c, "trigger", "")
	if one.DedupKey == "" || one.DedupKey == two.DedupKey || len(s.Open()) != 2 {
		t.Errorf("keys %q and %q, %d open", one.DedupKey, two.DedupKey, len(s.Open()))
	}
	send(t, c, "resolve", one.DedupKey)
	if got := s.Open(); len(got) != 1 || got[0].DedupKey != two.DedupKey {
		t.Errorf("open %+v", got)
	}
}

// Integrations do not see each other's incidents; what is meant for another one's is answered like any other, and ignored.
func TestRoutingKeys(t *testing.T) {
	t.Parallel()
	other := strings.Repeat("1", 32)
	s, c := start(t, fakepagerduty.Config{RoutingKeys: []string{key, other}})
	send(t, c, "trigger", "i-1")
	for _, action := range []string{"acknowledge", "resolve"} {
		e := event(action, "i-1")
		e.RoutingKey = other
		if got, err := c.ManageEventWithContext(soon(t), e); err != nil || got.Status != "success" {
			t.Errorf("%s: %+v, %v", action, got, err)
		}
	}
	if got := s.Open(); len(got) != 1 || got[0].Status != fakepagerduty.Triggered {
		t.Errorf("open %+v", got)
	}
	e := event("trigger", "i-1")
	e.RoutingKey = other
	if _, err := c.ManageEventWithContext(soon(t), e); err != nil || len(s.Open()) != 2 {
		t.Errorf("%d open, %v: one key of two integrations is two incidents", len(s.Open()), err)
	}
	if _, err := fakepagerduty.New(fakepagerduty.Config{RoutingKeys: []string{"short"}}); err == nil {
		t.Error("a key of five characters was taken")
	}
}

// A key that looks right and is none is refused, for every kind of event.
func TestUnknownRoutingKey(t *testing.T) {
	t.Parallel()
	s, _ := start(t, fakepagerduty.Config{})
	nobody := strings.Repeat("2", 32)
	for path, body := range map[string]string{
		fakepagerduty.Enqueue:       fmt.Sprintf(`{"routing_key":%q,"event_action":"resolve","dedup_key":"i-1"}`, nobody),
		fakepagerduty.ChangeEnqueue: fmt.Sprintf(`{"routing_key":%q,"payload":{"summary":"x"}}`, nobody),
	} {
		if got := post(t, s.URL()+path, body); got.code != http.StatusBadRequest || got.Message != "Invalid routing key" {
			t.Errorf("%s: %+v", path, got)
		}
	}
	if len(s.Events()) != 0 || len(s.Changes()) != 0 {
		t.Error("it was taken")
	}
}

// People at PagerDuty can acknowledge and resolve too.
func TestByHand(t *testing.T) {
	t.Parallel()
	s, c := start(t, fakepagerduty.Config{})
	send(t, c, "trigger", "i-1")
	if !s.AcknowledgeByHand("i-1") || s.Open()[0].Status != fakepagerduty.Acknowledged {
		t.Error("it was not acknowledged")
	}
	if !s.ResolveByHand("i-1") || s.ResolveByHand("i-1") || s.AcknowledgeByHand("i-2") || len(s.Open()) != 0 {
		t.Error("it was not resolved once")
	}
	send(t, c, "resolve", "i-1")
	send(t, c, "trigger", "i-1")
	if got := s.Incidents(""); len(got) != 2 || got[1].Number != 2 {
		t.Errorf("incidents %+v", got)
	}
}

// Change events open nothing.
func TestChange(t *testing.T) {
	t.Parallel()
	s, c := start(t, fakepagerduty.Config{})
	e := pagerduty.ChangeEvent{RoutingKey: key, Payload: pagerduty.ChangeEventPayload{Summary: "breaker opened", Source: "firebreak"}}
	for range 2 {
		if got, err := c.CreateChangeEventWithContext(soon(t), e); err != nil || got.Status != "success" {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if got := s.Changes(); len(got) != 2 || got[0].Payload.Summary != "breaker opened" || len(s.Incidents("")) != 0 {
		t.Errorf("changes %+v, incidents %v", got, s.Incidents(""))
	}
	ruleset := strings.Replace(fmt.Sprintf(`{"routing_key":%q,"payload":{"summary":"x"}}`, key), key[:1], "R", 1)
	for name, body := range map[string]string{
		"ruleset": ruleset, "summary": fmt.Sprintf(`{"routing_key":%q,"payload":{}}`, key),
		"link": fmt.Sprintf(`{"routing_key":%q,"payload":{"summary":"x"},"links":[{"text":"x"}]}`, key), "nothing": `{}`, "no JSON": `{`,
	} {
		if got := post(t, s.URL()+fakepagerduty.ChangeEnqueue, body); got.code != http.StatusBadRequest || len(got.Errors) == 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// Many at once open one incident for each key.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	s, c := start(t, fakepagerduty.Config{PerMinute: -1})
	var work sync.WaitGroup
	for n := range 40 {
		work.Go(func() {
			if _, err := c.ManageEventWithContext(soon(t), event("trigger", fmt.Sprint("i-", n%4))); err != nil {
				t.Error(err)
			}
			s.Open()
		})
	}
	work.Wait()
	if len(s.Open()) != 4 || s.Accepted(fakepagerduty.Trigger) != 40 {
		t.Errorf("%d open, %d accepted", len(s.Open()), s.Accepted(fakepagerduty.Trigger))
	}
}

// A closed account lets nobody wait for ever.
func TestClose(t *testing.T) {
	t.Parallel()
	s, c := start(t, fakepagerduty.Config{})
	s.Break("", fakepagerduty.Fault{Kind: fakepagerduty.AcceptThenHang})
	failed := make(chan error, 1)
	go func() {
		_, err := c.ManageEventWithContext(context.Background(), event("trigger", "i-1"))
		failed <- err
	}()
	if err := s.Wait(soon(t), func() bool { return len(s.Open()) == 1 }); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-failed:
		if err == nil {
			t.Error("the answer came")
		}
	case <-time.After(patience):
		t.Error("the caller hangs")
	}
	if err := s.Wait(soon(t), func() bool { return false }); !errors.Is(err, fakepagerduty.ErrClosed) {
		t.Errorf("the wait ended with %v", err)
	}
}
