package incidents_test

import (
	"encoding/json"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// noon is when the stories of these tests begin.
func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

// at is so many seconds after noon.
func at(seconds float64) time.Time {
	return noon().Add(time.Duration(seconds * float64(time.Second)))
}

// firing is an alert that started at noon and was delivered then.
func firing(fingerprint string) alerts.Alert {
	return alerts.Alert{Fingerprint: fingerprint, Status: alerts.Firing, Labels: map[string]string{"alertname": "RetryStorm"},
		StartsAt: noon(), Delivery: alerts.Delivery{At: noon(), Source: alerts.SourceWebhook}}
}

// resolved is the end of that alert.
func resolved(fingerprint string, ended float64) alerts.Alert {
	a := firing(fingerprint)
	a.Status, a.EndsAt, a.Delivery.At = alerts.Resolved, at(ended), at(ended)
	return a
}

func opening() *incidents.Opening {
	return &incidents.Opening{ID: incidents.NewID("retrystorm", "checkout→payments", 1), Handler: "retrystorm",
		Target: "checkout→payments", Domain: "payments", Alert: firing("a")}
}

func order(released int, until float64) *remediations.Order {
	return &remediations.Order{
		Step: remediations.Step{Remediation: "breaker", Service: "checkout", Edge: "payments", Fix: "open",
			TTL: policy.Duration(time.Minute), Limit: policy.Duration(time.Hour), Ramp: []int{50}},
		Action: "0123456789", Incident: "retrystorm-x-1", Fence: 7, Released: released, Until: at(until),
		Seen: remediations.Presence{State: remediations.Absent},
	}
}

func judged(effect incidents.Effect) *incidents.Judgement {
	return &incidents.Judgement{Effect: effect, Words: "3 % of the calls fail"}
}

// story is the record of an incident that was fixed: it was doubted, verified, renewed, ramped and taken back.
func story() []incidents.Event {
	alert, ended := firing("b"), resolved("a", 50)
	ours := &remediations.Presence{State: remediations.Ours, Revision: 3}
	decision := &incidents.Decision{Cause: "retry_storm", Verdict: incidents.Act, Reason: "retries feed themselves",
		Evidence: []incidents.Evidence{{Name: "retries", Value: 3, Words: "3 tries a call"}},
		Verify:   &incidents.Verify{Every: policy.Duration(time.Second), Within: policy.Duration(time.Minute)}}
	events := []incidents.Event{
		{Kind: incidents.Opened, Opening: opening()},
		{Kind: incidents.AlertSeen, Alert: &alert},
		{Kind: incidents.Observed, Seen: json.RawMessage(`{"rps":10}`)},
		{Kind: incidents.Decided, Decision: decision},
		{Kind: incidents.Refused, Refusal: &incidents.Refusal{Reason: remediations.ReasonCooldown, Words: "a fix ended a moment ago", Until: at(6)}, Due: at(6)},
		{Kind: incidents.Observed, Seen: json.RawMessage(`{"rps":11}`)},
		{Kind: incidents.Decided, Decision: decision},
		{Kind: incidents.Intended, Order: order(0, 0)},
		{Kind: incidents.Issuing, Order: order(0, 69)},
		{Kind: incidents.InDoubt, Note: "the connection broke"},
		{Kind: incidents.Applied, Presence: ours, Receipt: &remediations.Receipt{Revision: 3, Note: "found at the target"}},
		{Kind: incidents.Observed, Seen: json.RawMessage(`{"rps":12}`), Presence: ours},
		{Kind: incidents.Verified, Judgement: judged(incidents.Improved)},
		{Kind: incidents.Held, Due: at(20)},
		{Kind: incidents.Adjusting, Order: order(0, 120)},
		{Kind: incidents.Adjusted, Receipt: &remediations.Receipt{Revision: 4}},
		{Kind: incidents.AlertSeen, Alert: &ended},
		{Kind: incidents.Adjusting, Order: order(50, 140)},
		{Kind: incidents.Adjusted, Receipt: &remediations.Receipt{Revision: 5}},
		{Kind: incidents.Escalated, Note: "a person should know"},
		{Kind: incidents.Reverting, Note: "the alert resolved"},
		{Kind: incidents.RevertInDoubt, Note: "the connection broke"},
		{Kind: incidents.Reverted},
		{Kind: incidents.Closed, Closing: &incidents.Closing{Outcome: incidents.OutcomeFixed, Words: "the storm is over"}},
	}
	for i := range events {
		events[i].V, events[i].At, events[i].By = incidents.Version, at(float64(i)), "replica-1"
	}
	return events
}

// apart are the events that no single story holds beside the others.
func apart() []incidents.Event {
	alice := &incidents.Person{Name: "alice", Via: "api", Operator: "alice"}
	return []incidents.Event{
		{Kind: incidents.NotApplied, Note: "the target refused"},
		{Kind: incidents.GaveUp, Note: "the target never said"},
		{Kind: incidents.Regressed, Judgement: judged(incidents.Worse)},
		{Kind: incidents.NotOurs},
		{Kind: incidents.Spent},
		{Kind: incidents.Verified, Judgement: judged(incidents.NoEffect)},
		{Kind: incidents.Verified, Judgement: judged(incidents.Worse)},
		{Kind: incidents.Verified, Judgement: judged(incidents.Pending)},
		{Kind: incidents.Asked, Asking: &incidents.Asking{ID: "1", Plan: "abc", Need: 2, Until: at(60), Step: order(0, 0).Step}},
		{Kind: incidents.Approved, Person: alice, Plan: "abc"},
		{Kind: incidents.Denied, Person: alice, Note: "not now"},
		{Kind: incidents.Expired, Note: "nobody answered"},
		{Kind: incidents.Voided, Note: "the alert resolved"},
		{Kind: incidents.Acked, Person: alice},
		{Kind: incidents.Overridden, Person: alice, Note: "we know", Until: at(60)},
		{Kind: incidents.Recalled, Person: alice, Note: "customers complain"},
		{Kind: incidents.Rung, Rung: &incidents.Calling{Round: 1, Number: 2, Of: 3, After: policy.Duration(15 * time.Minute), Severity: "critical",
			To: []string{"slack", "pagerduty"}, Mention: "U0123"}},
	}
}
