package review_test

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/incidents/review"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// noon is when the alerts of these tests begin to fire.
func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func at(seconds float64) time.Time { return noon().Add(time.Duration(seconds * float64(time.Second))) }

func alert(labels map[string]string) alerts.Alert {
	return alerts.Alert{Fingerprint: "0f1e2d3c4b5a6978", Status: alerts.Firing, Labels: labels, StartsAt: noon(),
		Annotations: map[string]string{"summary": "Every call is tried three times."}, Delivery: alerts.Delivery{At: at(2), Source: alerts.SourceWebhook}}
}

func opened(handler, target string, a alerts.Alert) incidents.Event {
	return incidents.Event{V: 1, Kind: incidents.Opened, At: at(2.104), Opening: &incidents.Opening{ID: incidents.NewID(handler, target, 7),
		Handler: handler, Target: target, Domain: "checkout", Alert: a}}
}

func plain(kind incidents.Kind, seconds float64) incidents.Event {
	return incidents.Event{V: 1, Kind: kind, At: at(seconds)}
}

func storm() alerts.Alert {
	return alert(map[string]string{"alertname": "RetryStorm", "service": "checkout", "dependency": "payments", "severity": "critical"})
}

const planHash = "5b1f9c0a7de2b4f6a8c1e3d5f7091b2d4f6a8c0e1d3b5f7a9c2e4d6b8f0a1c3e"

// order is a retry budget for checkout's calls of payments.
func order() *remediations.Order {
	return &remediations.Order{Plan: planHash, Action: "a81f3c55", Incident: "retrystorm-x-7", Fence: 12, Until: at(140),
		Step: remediations.Step{Remediation: "breaker", Service: "checkout", Edge: "payments", Fix: "retry_budget",
			Params: json.RawMessage(`{"budget_percent":10}`), TTL: policy.Duration(30 * time.Second), Limit: policy.Duration(10 * time.Minute), Ramp: []int{50}}}
}

// measured is evidence of a storm.
func measured(goodput, ratio float64) []incidents.Evidence {
	return []incidents.Evidence{
		{Name: "goodput", Value: goodput, Unit: "1/s", Words: fmt.Sprintf("%.1f calls/s end well", goodput)},
		{Name: "ratio", Value: ratio, Words: fmt.Sprintf("%.2f attempts per call", ratio)},
		{Name: "looks", Value: 2, Words: "2 looks without a long pause between them"}}
}

func decided(seconds, goodput, ratio float64) incidents.Event {
	step := order().Step
	e := plain(incidents.Decided, seconds)
	e.Plan, e.Basis = planHash, &incidents.Basis{Policy: "c0ffee12", Build: "v0.9.0"}
	e.Decision = &incidents.Decision{Cause: "retry_storm", Verdict: incidents.Act, Step: &step, Evidence: measured(goodput, ratio),
		Reason: fmt.Sprintf("%.2f attempts per call, and few calls end well: the retries are the load", ratio),
		Rule:   "more than 1.50 attempts per call, and fewer than 90 % of the calls end well → retry_budget",
		Others: []incidents.Other{{Name: "dependency_down → open", Why: "42 % of the calls still end well: opening would take that away from those who are still served"},
			{Name: "healthy → false positive", Why: "3.00 attempts per call; at most 1.10 are well"}}}
	return e
}

func look(seconds float64) incidents.Event {
	e := plain(incidents.Observed, seconds)
	e.Seen = json.RawMessage(`{}`)
	return e
}

func said(kind incidents.Kind, seconds float64, name, why string) incidents.Event {
	e := plain(kind, seconds)
	e.Person, e.Note, e.Plan = &incidents.Person{Name: name, Via: "slack", ID: "U1"}, why, planHash
	return e
}

func refused(seconds float64, r remediations.Reason, words string) incidents.Event {
	e := plain(incidents.Refused, seconds)
	e.Refusal = &incidents.Refusal{Reason: r, Words: words}
	return e
}

// fixed is an incident that was refused for a while, then approved, changed, verified, given back and closed.
func fixed() []incidents.Event {
	e := []incidents.Event{opened("retrystorm", "checkout/payments", storm())}
	for i := range 4 {
		s := 3 + float64(i)*2
		e = append(e, look(s), decided(s, 42-float64(i), 3+float64(i)/10))
		if i > 0 {
			e = append(e, refused(s, remediations.ReasonCooldown, "the last fix in checkout ended a moment ago"))
		}
	}
	asked := plain(incidents.Asked, 11)
	asked.Plan = planHash
	asked.Asking = &incidents.Asking{ID: "q1", Plan: planHash, Class: remediations.ClassP, Step: order().Step, Cause: "retry_storm", Need: 1, Until: at(611)}
	e = append(e, asked, said(incidents.Approved, 19.5, "alice", ""))
	for _, kind := range []incidents.Kind{incidents.Intended, incidents.Issuing} {
		o := plain(kind, 20)
		o.Order = order()
		e = append(e, o)
	}
	applied := plain(incidents.Applied, 20.3)
	applied.Receipt = &remediations.Receipt{Note: "2 of 2 instances answered 200"}
	verified := plain(incidents.Verified, 35)
	verified.Judgement = &incidents.Judgement{Effect: incidents.Improved, Words: "the goodput rose from 39.0/s to 99.0/s", Evidence: append(measured(99, 1.02),
		incidents.Evidence{Name: "goodput_before", Value: 39, Unit: "1/s", Words: "39.0 calls/s ended well before"})}
	resolved := storm()
	resolved.Status, resolved.EndsAt = alerts.Resolved, at(61)
	over := plain(incidents.AlertSeen, 63)
	over.Alert = &resolved
	closed := plain(incidents.Closed, 104)
	closed.Closing = &incidents.Closing{Outcome: incidents.OutcomeFixed, Words: "acted, verified, given back"}
	return append(e, applied, look(25), look(30), look(35), verified, plain(incidents.Held, 35), look(45), look(55), over,
		plain(incidents.Reverting, 100), plain(incidents.Reverted, 100.2), closed, said(incidents.Acked, 4000, "bob", "read"))
}

// goodput is what the caller measured meanwhile.
func goodput() []review.Series {
	s := review.Series{Name: "goodput", Unit: "1/s"}
	w := review.Series{Name: "waiting"}
	for i := range 50 {
		x := float64(i) * 2
		s.Points = append(s.Points, review.Point{At: at(x), Value: 70 + 30*math.Tanh((x-24)/4)})
		w.Points = append(w.Points, review.Point{At: at(x), Value: math.Round(max(0, 60-math.Abs(x-15)*3))})
	}
	return []review.Series{s, w}
}

// paged is an incident of the database that was told to people, and goes on.
func paged() []incidents.Event {
	e := []incidents.Event{opened("replicationlag", "orders", alert(map[string]string{"alertname": "PostgreSQLReplicationLag", "cluster": "orders"}))}
	for i := range 12 {
		s := 5 + float64(i*i)*10
		d := plain(incidents.Decided, s)
		d.Decision = &incidents.Decision{Cause: "slot_lost", Verdict: incidents.Page, Reason: "the slot of pg2 is lost: only a new base backup helps",
			Evidence: []incidents.Evidence{{Name: "behind", Value: float64(i*i) * 7e7, Unit: "B", Words: "pg2 is behind pg1"}}}
		e = append(e, look(s), d)
		if i == 0 {
			called := plain(incidents.Escalated, s)
			called.Note = "the slot of pg2 is lost"
			e = append(e, called)
		}
	}
	return e
}

// doubtful is an incident whose change the target never confirmed.
func doubtful() []incidents.Event {
	e := []incidents.Event{opened("retrystorm", "checkout/payments", storm()), decided(3, 42, 3), decided(4, 42, 3)}
	for _, kind := range []incidents.Kind{incidents.Intended, incidents.Issuing} {
		o := plain(kind, 5)
		o.Order = order()
		o.Order.Override = "carol (api)"
		e = append(e, o)
	}
	doubt := plain(incidents.InDoubt, 9)
	doubt.Note = "timeout"
	gave := plain(incidents.GaveUp, 700)
	gave.Note = "the target never said"
	closed := plain(incidents.Closed, 701)
	closed.Closing = &incidents.Closing{Outcome: incidents.OutcomeUnknown, Words: "the target cannot tell; a person decides"}
	return append(e, doubt, doubt, gave, plain(incidents.Escalated, 700), closed)
}
