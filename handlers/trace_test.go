package handlers

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/internal/testbed/fakecollector"
	"github.com/firebreak-sre/firebreak/internal/tracing/otlp"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/rs/zerolog"
)

// The trace that alerts of these tests come in.
const (
	traceOfAlert = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	traceID      = "4bf92f3577b34da6a3ce929d0e0e4736"
)

// traced makes a stage send its spans somewhere, and returns what ends that and shows those of the alert's trace with a name.
func traced(t *testing.T, s *stage) (*fakecollector.Collector, func(name string) []fakecollector.Span) {
	t.Helper()
	c := fakecollector.New(t)
	e, err := otlp.New(otlp.Config{Endpoint: c.URL, Sample: 1, Service: "firebreak", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	s.tracer = e.Tracer()
	return c, func(name string) []fakecollector.Span {
		return slices.DeleteFunc(c.Spans(), func(s fakecollector.Span) bool { return s.Trace != traceID || s.Name != name })
	}
}

func alertInTrace(target string, status alerts.Status) alerts.Alert {
	a := alert(target, status)
	a.Delivery.TraceParent = traceOfAlert
	return a
}

// Waiting for people is one span, from the asking to whatever ended it, and says how it ended.
func TestSpanOfAnApproval(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		expire time.Duration
		end    func(*testing.T, *stage, *incidents.State)
	}{
		"approved": {time.Minute, func(t *testing.T, s *stage, st *incidents.State) {
			if _, err := s.desk().Approve(s.ctx, asking(st), alice(), anybody); err != nil {
				t.Fatal(err)
			}
		}},
		"denied": {time.Minute, func(t *testing.T, s *stage, st *incidents.State) {
			if err := s.desk().Deny(s.ctx, asking(st), alice(), "hunter2", anybody); err != nil {
				t.Fatal(err)
			}
		}},
		"expired":   {100 * time.Millisecond, func(*testing.T, *stage, *incidents.State) {}},
		"withdrawn": {time.Minute, func(_ *testing.T, s *stage, _ *incidents.State) { s.deliver(alert("db", alerts.Resolved)) }},
	}
	for result, tc := range tests {
		t.Run(result, func(t *testing.T) {
			t.Parallel()
			s := risky(t, remediations.ClassP)
			s.approvals = people(tc.expire)
			c, spans := traced(t, s)
			s.run(2)
			s.deliver(alertInTrace("db", alerts.Firing))
			// Where it expires soon that may have happened already; else it is asked until a test says something.
			st := s.await("db", "asked", func(st *incidents.State) bool { return st.Askings > 0 })
			tc.end(t, s, st)
			testbed.Await(t, 30*time.Second, "the span of the asking", func() bool { return len(spans("approval")) > 0 })
			got := spans("approval")[0]
			if len(spans("approval")) > 1 && result != "expired" {
				t.Errorf("got %d spans of one asking: %+v", len(spans("approval")), spans("approval"))
			}
			if got.Texts["firebreak.result"] != result || got.Texts["firebreak.fix"] != "open" || got.Texts["firebreak.incident"] != st.ID.String() {
				t.Errorf("got %v, want it to say %s", got.Texts, result)
			}
			if took := got.Ended.Sub(got.Begun); took <= 0 || took > 30*time.Second || got.Begun.Before(st.OpenedAt.Add(-time.Second)) {
				t.Errorf("it took %s from %s on, and the incident was opened at %s", took, got.Begun, st.OpenedAt)
			}
			_, bodies := c.Requests()
			for _, b := range bodies {
				if strings.Contains(string(b), "hunter2") || strings.Contains(string(b), alice().Name) {
					t.Error("what a person said, or who, is in a span")
				}
			}
		})
	}
}

// A no has its name in the span of the decision that it stopped, whoever said it; so has a command that the target refused.
func TestSpanOfARefusal(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		prepare func(*stage)
		span    string
		ok      func(fakecollector.Span) bool
	}{
		"by the mode": {func(s *stage) { s.mode = policy.Observe }, "decide",
			func(s fakecollector.Span) bool {
				return s.Texts["firebreak.refusal"] == string(remediations.ReasonObserve) && s.Texts["firebreak.cause"] == "sick" && s.Texts["firebreak.verdict"] == "act"
			}},
		"by the ledger": {func(s *stage) { s.limits.PerDomain.Hour = 0 }, "reserve",
			func(s fakecollector.Span) bool {
				return s.Texts["firebreak.refusal"] == string(remediations.ReasonBudgetSpent) && s.Failed == ""
			}},
		"by the last gate": {func(s *stage) {
			s.gate.set(nil, &remediations.NoError{Reason: remediations.ReasonPaused, Words: "hunter2"})
		}, "issue",
			func(s fakecollector.Span) bool {
				return s.Texts["firebreak.refusal"] == string(remediations.ReasonPaused)
			}},
		"by the target": {func(s *stage) { s.world.refuse = true }, "apply",
			func(s fakecollector.Span) bool {
				return s.Failed == "refused" && s.Texts["firebreak.fix"] == "open" && s.Texts["firebreak.place"] == "a/b"
			}},
		"by nobody: the answer is lost": {func(s *stage) { s.world.answer = errors.New("hunter2") }, "apply",
			func(s fakecollector.Span) bool { return s.Failed == "failed" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			c, spans := traced(t, s)
			tc.prepare(s)
			s.run(1)
			s.deliver(alertInTrace("db", alerts.Firing))
			testbed.Await(t, 30*time.Second, "the span that says no", func() bool { return slices.ContainsFunc(spans(tc.span), tc.ok) })
			_, bodies := c.Requests()
			for _, b := range bodies {
				if strings.Contains(string(b), "hunter2") {
					t.Error("an error's text is in a span")
				}
			}
		})
	}
}

// An incident whose alert came without a trace has no spans, and neither has what joins it later with one but the alert's own.
func TestNoTraceNoSpans(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	c, spans := traced(t, s)
	s.run(1)
	s.deliver(alert("db", alerts.Firing))
	s.await("db", "settled", settled)
	s.deliver(alertInTrace("db", alerts.Resolved))
	s.await("db", "closed", closed)
	testbed.Await(t, 30*time.Second, "the span of the alert with a trace", func() bool { return len(spans("take")) > 0 })
	for _, sp := range c.Spans() {
		if sp.Name != "take" || sp.Trace != traceID {
			t.Errorf("got %s in %s, want only the alert's own", sp.Name, sp.Trace)
		}
	}
}
