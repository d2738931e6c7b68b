package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/console"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// told is a record of these events, a second apart from each other.
func told(events ...incidents.Event) console.Record {
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	id := incidents.NewID("retrystorm", "checkout/payments", 7)
	all := append([]incidents.Event{{Kind: incidents.Opened, Opening: &incidents.Opening{ID: id, Handler: "retrystorm", Target: "checkout/payments",
		Domain: "checkout", Alert: alerts.Alert{Fingerprint: "f1", Status: alerts.Firing,
			Labels: map[string]string{"alertname": "RetryStorm", "service": "checkout", "note": "evil \x1b[2J \u202e text"}}}}}, events...)
	for i := range all {
		all[i].V, all[i].At = incidents.Version, start.Add(time.Duration(i)*time.Second)
	}
	return console.Record{Summary: incidents.Fold(all).Summary(), Events: all}
}

// stormDecision is a decision as the handler makes it.
func stormDecision() *incidents.Decision {
	step := budgetStep()
	return &incidents.Decision{Cause: "retry_storm", Verdict: incidents.Act, Step: &step,
		Reason: "3.00 attempts per call, and 42 % of the calls end well: the retries are the load",
		Rule:   "more than 1.50 attempts per call, and fewer than 90 % of the calls end well or ever fewer while the attempts rise → retry_budget",
		Verify: &incidents.Verify{Every: policy.Duration(5 * time.Second), Within: policy.Duration(time.Minute), RampEvery: policy.Duration(30 * time.Second)},
		Evidence: []incidents.Evidence{{Name: "ratio", Value: 3, Words: "3.00 attempts per call"},
			{Name: "goodput", Value: 42, Words: "42.0 calls/s end well, 42 % of them all"}},
		Others: []incidents.Other{{Name: "dependency_down → open", Why: "66 % of the attempts fail, but 42 % of the calls still end well: opening would take that away from those who are still served"},
			{Name: "healthy → false positive", Why: "3.00 attempts per call; at most 1.10 are well"}}}
}

// stories are records that are explained as the files of testdata/explain say.
func stories() map[string]console.Record {
	step := budgetStep()
	order := remediations.Order{Step: step, Plan: firstPlan, Action: "a1"}
	alice := &incidents.Person{Name: "alice", Via: "api"}
	refused := func(reason remediations.Reason, words string) incidents.Event {
		return incidents.Event{Kind: incidents.Refused, Refusal: &incidents.Refusal{Reason: reason, Words: words}}
	}
	paused := refused(remediations.ReasonPaused, "paused by alice through api on 2026-11-22 11:58:00 UTC until somebody resumes p1: deploy of checkout")
	decided := incidents.Event{Kind: incidents.Decided, Decision: stormDecision(), Plan: firstPlan}
	ask := askedFor("q1", firstPlan, 1)
	ask.Asking.Until = time.Date(2026, 11, 22, 12, 10, 0, 0, time.UTC)
	return map[string]console.Record{
		"refused": told(decided, refused(remediations.ReasonCooldown, "the last fix in checkout ended at 11:55:00, and it is left alone for 10m0s"), paused, paused, paused),
		"fixed": told(decided, ask, incidents.Event{Kind: incidents.Approved, Person: alice, Plan: firstPlan},
			incidents.Event{Kind: incidents.Intended, Order: &order}, incidents.Event{Kind: incidents.Issuing, Order: &order}, incidents.Event{Kind: incidents.Applied},
			incidents.Event{Kind: incidents.Verified, Judgement: &incidents.Judgement{Effect: incidents.Improved, Words: "the goodput rose from 42.0/s to 99.0/s",
				Evidence: []incidents.Evidence{{Name: "ratio", Value: 1.02, Words: "1.02 attempts per call"}}}},
			incidents.Event{Kind: incidents.Reverting}, incidents.Event{Kind: incidents.Reverted},
			incidents.Event{Kind: incidents.Closed, Closing: &incidents.Closing{Outcome: incidents.OutcomeFixed, Words: "acted, verified, given back"}}),
		"paged": told(incidents.Event{Kind: incidents.Decided, Decision: &incidents.Decision{Cause: "probe_unknown", Verdict: incidents.Page, Reason: "the edge could not be read"}},
			incidents.Event{Kind: incidents.Escalated, Note: "look"}, incidents.Event{Kind: incidents.Closed, Closing: &incidents.Closing{Outcome: incidents.OutcomePaged, Words: "told"}}),
	}
}

// Why this, and why not that, is answered from the record alone, in 80 columns, and whatever strangers wrote in it steers no terminal.
func TestExplain(t *testing.T) {
	t.Parallel()
	for name, rec := range stories() {
		var out bytes.Buffer
		explain(rec).print(&out)
		fits(t, name, out.String())
		want, err := os.ReadFile(filepath.Join("testdata", "explain", name+".txt"))
		if err != nil {
			t.Error(err)
		}
		if out.String() != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, out.String(), want)
		}
		if text, err := json.Marshal(explain(rec)); err != nil || !json.Valid(text) {
			t.Errorf("%s: as JSON: %s, %v", name, text, err)
		}
	}
}

// Every reason that a record can hold is explained, and one of a newer server is not passed over.
func TestExplainEveryReason(t *testing.T) {
	t.Parallel()
	for _, r := range append(remediations.Reasons(), "from_a_newer_server") {
		var out bytes.Buffer
		explain(told(incidents.Event{Kind: incidents.Refused, Refusal: &incidents.Refusal{Reason: r, Words: "words"}})).print(&out)
		for _, text := range []string{string(r) + ": words", "means: ", "lifted by: "} {
			if !strings.Contains(out.String(), text) {
				t.Errorf("%s: %q is missing:\n%s", r, text, out.String())
			}
		}
		fits(t, string(r), out.String())
	}
}

// Over the API it is the same explanation.
func TestExplainCommand(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	st := c.opens(t, "checkout/payments", incidents.Event{Kind: incidents.Decided, Decision: stormDecision(), Plan: firstPlan})
	says(t, c.as(""), 0, []string{"explain", st.ID.String()}, "RetryStorm is firing", "retry_storm → act", "NOT CHOSEN", "PLAN (not carried out)")
	var e explanation
	if err := json.Unmarshal([]byte(says(t, c.as(""), 0, []string{"explain", st.ID.String(), "--json"})), &e); err != nil || len(e.Plans) != 1 || e.Plans[0].Hash != firstPlan {
		t.Errorf("got %+v, %v", e, err)
	}
}
