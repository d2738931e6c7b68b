package main

import (
	"bytes"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/internal/testbed/fakecollector"
)

// One trace goes from whoever posted the alert through the journal, the record and the change at the target to its end, and to those who are told;
// also where one process took the alert and another one, after a restart, did the rest.
func TestTraceOfAnIncident(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"in one process": false, "with a restart between the alert and the action": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := fakecollector.New(t)
			w := newTraceWorld(t, c.URL)
			starts := time.Now().UTC()
			if restart {
				w.serve(t, "--handlers", "none")
				w.post(t, traceGiven, starts, time.Time{})
				if code := w.server.end(); code != 0 {
					t.Fatalf("the first process ended with %d", code)
				}
				if _, acted := w.service.sent(http.MethodPost); acted || len(spansOf(c, traceID)["receive"]) != 1 {
					t.Fatalf("the first process acted, or has told nothing of what it took: %v", spansOf(c, traceID))
				}
				w.serve(t)
			} else {
				w.serve(t)
				w.post(t, traceGiven, starts, time.Time{})
			}
			w.resolve(t, "", starts)
			testbed.Await(t, time.Minute, "the desk being told of the end, in the trace", func() bool {
				return slices.ContainsFunc(spansOf(c, traceID)["tell"], func(s fakecollector.Span) bool { return s.Texts["firebreak.event"] == "closed" })
			})
			if code := w.server.end(); code != 0 {
				t.Errorf("serve ended with %d", code)
			}
			checkTrace(t, c, w)
			checkNoSecrets(t, c, w)
		})
	}
}

// checkTrace holds what hangs below what, and that the target was given the span of its command.
func checkTrace(t *testing.T, c *fakecollector.Collector, w *traceWorld) {
	t.Helper()
	spans := spansOf(c, traceID)
	for child, parent := range map[string]string{"journal": "receive", "take": "receive", "look": "", "decide": "receive", "reserve": "decide", "issue": "receive",
		"apply": "issue", "verify": "receive", "revert": "receive", "close": "receive", "tell": "receive"} {
		if len(spans[child]) == 0 {
			t.Errorf("there is no span %q in the trace: %v", child, spans)
			continue
		}
		for _, s := range spans[child] {
			if parent != "" && !slices.ContainsFunc(spans[parent], func(p fakecollector.Span) bool { return p.ID == s.Parent }) {
				t.Errorf("%q hangs below %s, want it below %q", child, s.Parent, parent)
			}
			if child != "journal" && (s.Texts["firebreak.target"] != "checkout/payments" || s.Texts["firebreak.handler"] != "retrystorm" ||
				!strings.HasPrefix(s.Texts["firebreak.incident"], "retrystorm-")) {
				t.Errorf("%q says %v, want its incident, handler and target", child, s.Texts)
			}
			if s.Failed != "" || s.Ended.Before(s.Begun) {
				t.Errorf("%q failed with %q, from %s to %s", child, s.Failed, s.Begun, s.Ended)
			}
		}
	}
	if t.Failed() {
		return
	}
	receive, apply, revert := spans["receive"], spans["apply"], spans["revert"]
	if len(receive) != 1 || receive[0].Parent != spanGiven || receive[0].Counts["firebreak.alerts"] != 1 || receive[0].Counts["firebreak.bytes"] == 0 {
		t.Errorf("got %+v, want one span below the one that was given, with its sizes", receive)
	}
	for method, s := range map[string][]fakecollector.Span{http.MethodPost: apply, http.MethodDelete: revert} {
		if got, _ := w.service.sent(method); len(s) != 1 || got != "00-"+traceID+"-"+s[0].ID+"-01" {
			t.Errorf("%s came with %q, want the span of the command: %+v", method, got, s)
		}
	}
	last := spans["decide"][len(spans["decide"])-1]
	if last.Texts["firebreak.cause"] == "" || last.Texts["firebreak.verdict"] == "" || apply[0].Texts["firebreak.fix"] != "open" ||
		!slices.ContainsFunc(spans["verify"], func(s fakecollector.Span) bool { return s.Texts["firebreak.effect"] == "improved" }) ||
		spans["close"][0].Texts["firebreak.outcome"] != "fixed" || spans["take"][0].Texts["firebreak.joining"] != "opens" {
		t.Errorf("the spans do not say what happened: %v", spans)
	}
	for _, s := range c.Spans() {
		// The resolve was posted without a trace: it has one of its own, which begins here.
		if s.Trace != traceID && s.Name == "receive" && s.Parent == "" {
			return
		}
	}
	t.Error("the resolve, which came without a trace, began none")
}

// checkNoSecrets looks for what must not have left, in the bytes that did, and in the log.
func checkNoSecrets(t *testing.T, c *fakecollector.Collector, w *traceWorld) {
	t.Helper()
	headers, bodies := c.Requests()
	all := bytes.Join(bodies, nil)
	for _, secret := range []string{tracingToken, tracingPassword, tracingAdmin, outcomeSecret} {
		if bytes.Contains(all, []byte(secret)) || strings.Contains(w.server.stderr.String(), secret) {
			t.Errorf("%s is in the spans or in the log", secret)
		}
	}
	if wrong := c.Wrong(); len(wrong) > 0 || headers[0].Get("Authorization") != "Bearer "+tracingToken {
		t.Errorf("the collector complains of %v, and was shown %q", wrong, headers[0].Get("Authorization"))
	}
}

// Whoever posts the alert and does not sample his trace gets no spans of it, whatever the policy's share is; the incident goes its way.
func TestTraceThatIsNotSampled(t *testing.T) {
	t.Parallel()
	c := fakecollector.New(t)
	w := newTraceWorld(t, c.URL)
	w.serve(t)
	starts, parent := time.Now().UTC(), strings.TrimSuffix(traceGiven, "01")+"00"
	w.post(t, parent, starts, time.Time{})
	w.resolve(t, parent, starts)
	if code := w.server.end(); code != 0 {
		t.Errorf("serve ended with %d", code)
	}
	if spans := c.Spans(); len(spans) > 0 {
		t.Errorf("got %d spans, want none: %+v", len(spans), spans[0])
	}
	for _, method := range []string{http.MethodPost, http.MethodDelete} {
		if got, ok := w.service.sent(method); !ok || got != "" {
			t.Errorf("%s came with %q, want no trace", method, got)
		}
	}
}

// A collector that is not there costs its spans, which are counted, and nothing else.
func TestTraceWithoutACollector(t *testing.T) {
	t.Parallel()
	w := newTraceWorld(t, "http://"+testbed.Addr(t))
	w.serve(t)
	starts := time.Now().UTC()
	w.post(t, traceGiven, starts, time.Time{})
	w.resolve(t, traceGiven, starts)
	dropped := regexp.MustCompile(`(?m)^firebreak_trace_spans_dropped_total\{reason="export"\} (\d+)$`)
	testbed.Await(t, time.Minute, "the lost spans being counted", func() bool {
		resp, err := http.Get(w.server.url + "/metrics")
		if err != nil {
			return false
		}
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		m := dropped.FindSubmatch(text)
		if err != nil || m == nil {
			return false
		}
		n, err := strconv.Atoi(string(m[1]))
		return err == nil && n > 5
	})
	if code := w.server.end(); code != 0 {
		t.Errorf("serve ended with %d", code)
	}
	if n := strings.Count(w.server.stderr.String(), "spans of traces are dropped"); n != 1 {
		t.Errorf("it was said %d times that spans are dropped, want once in the first minute", n)
	}
}
