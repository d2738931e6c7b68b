package slack

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/remediations"
)

// story is a record in which every event comes ten seconds after the one before.
func story(events ...incidents.Event) []incidents.Event {
	for i := range events {
		events[i].V, events[i].At = incidents.Version, noon().Add(time.Duration(i)*10*time.Second)
	}
	return events
}

func ada() *incidents.Person {
	return &incidents.Person{Name: "ada@example.com", Via: "slack", ID: "U0ADA"}
}

func judged(effect incidents.Effect, words string) incidents.Event {
	return incidents.Event{Kind: incidents.Verified, Judgement: &incidents.Judgement{Effect: effect, Words: words,
		Evidence: []incidents.Evidence{{Name: "ratio_after", Value: 1.02, Words: "1.02 attempts per call"}}}}
}

func ended(outcome incidents.Outcome, words string) incidents.Event {
	return incidents.Event{Kind: incidents.Closed, Closing: &incidents.Closing{Outcome: outcome, Words: words}}
}

func refused(reason remediations.Reason, words string, until time.Time) incidents.Event {
	return incidents.Event{Kind: incidents.Refused, Refusal: &incidents.Refusal{Reason: reason, Words: words, Until: until}}
}

func resolved() incidents.Event {
	a := opened(1).Opening.Alert
	a.Status, a.EndsAt = alerts.Resolved, noon().Add(time.Minute)
	return incidents.Event{Kind: incidents.AlertSeen, Alert: &a}
}

// stories are the states that people meet.
func stories() map[string][]incidents.Event {
	id := incidents.NewID("retrystorm", "checkout→payments", 1)
	until := noon().Add(15 * time.Minute)
	asks := func(need int) incidents.Event { return askedFor(id, need, until) }
	own := asks(1)
	own.Asking.By, own.Asking.Changed = &incidents.Person{Name: "bo", Via: "api"}, []string{"stands at most: 10m0s → 15m0s"}
	yes := incidents.Event{Kind: incidents.Approved, Person: ada()}
	act := func(then ...incidents.Event) []incidents.Event {
		return story(slices.Concat([]incidents.Event{opened(1), decided(), intended(id)}, then)...)
	}
	issuing, applied := incidents.Event{Kind: incidents.Issuing}, incidents.Event{Kind: incidents.Applied}
	return map[string][]incidents.Event{
		"opened": story(opened(1)),
		"refused": story(opened(1), decided(), refused(remediations.ReasonCooldown,
			"the last fix ended at 11:55:00, and it is left alone for 10m0s", noon().Add(5*time.Minute))),
		"refused_by_person": story(opened(1), decided(), refused(remediations.ReasonPaused, "bo paused acting: release in progress", time.Time{})),
		"waiting":           story(opened(1), decided(), asks(1)),
		"waiting_for_two":   story(opened(1), decided(), asks(2), yes),
		"waiting_changed":   story(opened(1), decided(), own),
		"approved":          story(opened(1), decided(), asks(1), yes),
		"denied":            story(opened(1), decided(), asks(1), incidents.Event{Kind: incidents.Denied, Person: ada(), Note: "we deploy"}),
		"expired": story(opened(1), decided(), asks(1), incidents.Event{Kind: incidents.Expired, Note: "nobody answered within 15m0s"},
			incidents.Event{Kind: incidents.Escalated}),
		"withdrawn": story(opened(1), decided(), asks(1), resolved(),
			incidents.Event{Kind: incidents.Voided, Note: "withdrawn: the alert resolved"}),
		"sending":  act(issuing),
		"doubtful": act(issuing, incidents.Event{Kind: incidents.InDoubt, Note: "no answer within 1s"}),
		"standing": act(issuing, applied),
		"holding": act(issuing, applied, judged(incidents.Improved, "1.02 attempts per call, they were 3.20"),
			incidents.Event{Kind: incidents.Held}),
		"undoing": act(issuing, applied, judged(incidents.Worse, "nothing ends well any more"), incidents.Event{Kind: incidents.Reverting}),
		"fixed": act(issuing, applied, judged(incidents.Improved, "1.02 attempts per call, they were 3.20"), incidents.Event{Kind: incidents.Held},
			resolved(), incidents.Event{Kind: incidents.Reverting}, incidents.Event{Kind: incidents.Reverted},
			ended(incidents.OutcomeFixed, "it helped and was taken back")),
		"unknown": act(issuing, incidents.Event{Kind: incidents.InDoubt}, incidents.Event{Kind: incidents.GaveUp}, incidents.Event{Kind: incidents.Escalated},
			ended(incidents.OutcomeUnknown, "the target never said")),
		"stale":    story(opened(1), refused(remediations.ReasonStaleAlert, "it was delivered 2h ago", time.Time{}), ended(incidents.OutcomeStale, "too old")),
		"newer":    story(opened(1), incidents.Event{Kind: "dreamt"}),
		"headless": story(incidents.Event{Kind: incidents.Escalated}),
	}
}

func rendered(events []incidents.Event) Message {
	id := incidents.NewID("retrystorm", "checkout→payments", 1)
	return Render(stateOf(id, events), events, View{Console: "https://firebreak.example.com/incidents/{incident}", Buttons: true})
}

// What people see in every state is as it was when somebody last looked at it. UPDATE_GOLDEN=1 writes it anew.
func TestGolden(t *testing.T) {
	t.Parallel()
	all := stories()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		got := golden(t, rendered(all[name]))
		path := filepath.Join("testdata", name+".json")
		if os.Getenv("UPDATE_GOLDEN") != "" {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not as in %s (UPDATE_GOLDEN=1 writes it anew):\n%s", name, path, got)
		}
	}
}

func golden(t *testing.T, m Message) []byte {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Buttons are there while an answer still changes something, and at no other time; without a way for presses to reach us, never.
func TestButtonsOnlyWhileAsking(t *testing.T) {
	t.Parallel()
	for name, events := range stories() {
		asks := strings.HasPrefix(name, "waiting")
		if got := bytes.Contains(golden(t, rendered(events)), []byte(actionApprove)); got != asks {
			t.Errorf("%s has buttons: %t, want %t", name, got, asks)
		}
		id := incidents.NewID("retrystorm", "checkout→payments", 1)
		if deaf := golden(t, Render(stateOf(id, events), events, View{})); bytes.Contains(deaf, []byte(actionApprove)) {
			t.Errorf("%s has buttons although presses reach nobody", name)
		}
	}
}

// A refusal is told once in the thread, however often it is repeated; after something else happened, again.
func TestRepliesTellOnce(t *testing.T) {
	t.Parallel()
	no := refused(remediations.ReasonCooldown, "left alone", time.Time{})
	events := story(opened(1), no, decided(), no, no, incidents.Event{Kind: incidents.Escalated, Note: "look"}, no)
	m, loud, ok := reply(events, 0)
	if !ok || !loud || strings.Count(m.Text, "cooldown") != 2 || strings.Count(m.Text, "look") != 1 {
		t.Errorf("got %t %t %q, want two noes and one call, loud", ok, loud, m.Text)
	}
	if _, _, ok := reply(events, len(events)); ok {
		t.Error("what was told is told again")
	}
	if _, _, ok := reply(events[:5], 2); ok {
		t.Error("the same no is told again")
	}
}

// Every kind of event that Slack wants to be told of is one that is known, and every line of a thread belongs to one of them.
func TestKinds(t *testing.T) {
	t.Parallel()
	kinds := Kinds()
	for _, k := range []incidents.Kind{incidents.Opened, incidents.AlertSeen, incidents.Observed, incidents.Decided, incidents.Refused,
		incidents.Intended, incidents.Issuing, incidents.Applied, incidents.NotApplied, incidents.InDoubt, incidents.GaveUp, incidents.Verified,
		incidents.Held, incidents.Adjusting, incidents.Adjusted, incidents.Regressed, incidents.Reverting, incidents.Reverted, incidents.NotOurs,
		incidents.RevertInDoubt, incidents.Escalated, incidents.Rung, incidents.Asked, incidents.Approved, incidents.Denied, incidents.Expired, incidents.Voided,
		incidents.Acked, incidents.Overridden, incidents.Recalled, incidents.Closed} {
		e := incidents.Event{Kind: k, Rung: &incidents.Calling{To: []string{Name}}}
		if worthReply(e) && !slices.Contains(kinds, k) {
			t.Errorf("%s has a line in the thread, and nobody tells Slack of it", k)
		}
	}
}
