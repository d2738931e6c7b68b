package probe_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/retrystorm"
	"github.com/firebreak-sre/firebreak/handlers/retrystorm/probe"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
)

// service is one instance that counts its calls and tells its counters.
type service struct {
	mu                           sync.Mutex
	calls, attempts, ok, failure int
	answer                       string // instead of the counters
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answer != "" {
		answer := s.answer
		s.mu.Unlock()
		behave(w, r, answer)
		s.mu.Lock()
		return
	}
	fmt.Fprintf(w, `{"edges":{"payments":{"calls":%d,"attempts":%d,"ok":%d,"failed":%d,"list":[1],"text":"7","none":null}},"queue":2.5}`,
		s.calls, s.attempts, s.ok, s.failure)
}

func (s *service) run(calls, attempts, ok int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls, s.attempts, s.ok, s.failure = s.calls+calls, s.attempts+attempts, s.ok+ok, s.failure+attempts-ok
}

func (s *service) restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls, s.attempts, s.ok, s.failure = 0, 0, 0, 0
}

func (s *service) say(answer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// counting starts n instances, and a prober that reads their counters by the policy that it returns.
func counting(t *testing.T, n int, timeout policy.Duration, change func(*policy.JSONProbe)) (*probe.Prober, policy.RetryStorm, []*service) {
	t.Helper()
	doc := &policy.JSONProbe{BearerToken: token, Calls: "edges.payments.calls", Attempts: "edges.payments.attempts",
		Successes: "edges.payments.ok", Failures: "edges.payments.failed", QueueAge: "queue"}
	var all []*service
	for range n {
		s := &service{}
		s.run(5000, 5100, 4950)
		server := httptest.NewServer(s)
		t.Cleanup(server.Close)
		all = append(all, s)
		doc.URLs = append(doc.URLs, strings.Replace(server.URL, "http://", "http://user:hunter2@", 1)+"/metrics.json?key=hunter2")
	}
	change(doc)
	p := stormPolicy()
	p.Thresholds.SampleEvery = duration(10 * time.Millisecond)
	p.Edges[0].Probe = policy.EdgeProbe{JSON: doc, Timeout: timeout}
	prober, err := probe.New(p, nil)
	if err != nil {
		t.Fatal(err)
	}
	return prober, p, all
}

// TestObserveJSONStory runs three instances through a storm in which one is restarted and one hangs: the whole way from
// real counters to the decision.
func TestObserveJSONStory(t *testing.T) {
	t.Parallel()
	prober, own, services := counting(t, 3, duration(2*time.Second), func(*policy.JSONProbe) {})
	thinker := thinking(t, own)
	c := think.Case[retrystorm.Observation]{Target: think.Target{Name: "checkout/payments"}}
	step := func(verdict incidents.Verdict, cause retrystorm.Cause) incidents.Decision {
		t.Helper()
		o, err := prober.Observe(t.Context(), "checkout/payments")
		if err != nil {
			t.Fatal(err)
		}
		c.Before = append(c.Before, look{At: o.At, Seen: o})
		c.Now = o.At
		d := thinker.Decide(c)
		if d.Verdict != verdict || d.Cause != string(cause) {
			t.Fatalf("look %d: got %s, %s (%s), want %s, %s", len(c.Before), d.Verdict, d.Cause, d.Reason, verdict, cause)
		}
		noSecrets(t, asJSON(t, o)+asJSON(t, d))
		for _, s := range services {
			s.run(400, 600, 320)
		}
		// Samples must lie half of sample_every apart.
		poll(t, time.Millisecond, func() bool { return time.Since(o.At) > 6*time.Millisecond })
		return d
	}
	step(incidents.Wait, retrystorm.CauseGathering)
	step(incidents.Wait, retrystorm.CauseGathering)
	d := step(incidents.Act, retrystorm.CauseRetryStorm)
	if d.Step.Fix != "retry_budget" {
		t.Errorf("got %+v", d.Step)
	}
	services[0].restart()
	step(incidents.Act, retrystorm.CauseRetryStorm)
	services[1].say("hang")
	d = step(incidents.Act, retrystorm.CauseRetryStorm)
	if text := asJSON(t, d.Evidence); !strings.Contains(text, "2 of 3 instances") || !strings.Contains(text, "no answer within 2s") {
		t.Errorf("the instance that hangs is not told: %s", text)
	}
	services[2].say("500")
	step(incidents.Wait, retrystorm.CauseProbeUnknown)
	step(incidents.Page, retrystorm.CauseProbeUnknown)
}

// TestObserveJSONParts holds what is said about each value that is no number.
func TestObserveJSONParts(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"edges.payments.gone": "no value at path", "edges.payments.text": "String, not a number", "edges.payments.none": "Null, not a number",
		"edges.payments.list": "a list", "edges.payments": "JSON, not a number",
	} {
		prober, _, _ := counting(t, 2, patience(), func(p *policy.JSONProbe) { p.Attempts = path })
		o, err := prober.Observe(t.Context(), "checkout/payments")
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range o.Instances {
			if i.Attempts.OK || !strings.Contains(i.Attempts.Err, want) || i.Calls != known(5000) || i.QueueAge != known(2.5) {
				t.Errorf("%s: got %+v, want %q", path, i, want)
			}
		}
		if o.Read != 0 {
			t.Errorf("%s: read: got %d, want 0", path, o.Read)
		}
	}
}

// TestObserveJSONInstance holds what is said about an instance that gives nothing.
func TestObserveJSONInstance(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		"hang": "no answer within 2s", "500": "answered 500", "huge": "larger than 1 MiB", "redirect": "not followed", "html": "not JSON",
		`{"edges":{"payments":{"calls":1e999}}}`: "+Inf",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			prober, _, services := counting(t, 2, patience(answer), func(*policy.JSONProbe) {})
			services[1].say(answer)
			o, err := prober.Observe(t.Context(), "checkout/payments")
			if err != nil {
				t.Fatal(err)
			}
			bad := o.Instances[1]
			if o.Read != 1 || !strings.Contains(bad.Err+bad.Calls.Err, want) || bad.Calls.OK {
				t.Errorf("got %d read, %+v, want %q", o.Read, bad, want)
			}
			noSecrets(t, asJSON(t, o))
		})
	}
}

var _ http.Handler = (*service)(nil)
