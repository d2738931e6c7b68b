package retrystorm_test

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/retrystorm"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
)

type look = think.Look[retrystorm.Observation]

// settings is what a case may change about the policy; the zero value allows every fix over the breaker.
type settings struct {
	Allow     []string `json:"allow"`
	Via       string   `json:"via"` // breaker (default), http or none
	Controls  []string `json:"controls"`
	Samples   int      `json:"samples"`
	Probe     string   `json:"probe"` // prometheus (default) or json
	Instances int      `json:"instances"`
}

// decideCase is one file of testdata/decide.
type decideCase struct {
	Intent string     `json:"intent"`
	Policy settings   `json:"policy"`
	Busy   int        `json:"busy"`
	Now    time.Time  `json:"now"`
	Want   decideWant `json:"want"`
	Looks  []look     `json:"looks"`
}

type decideWant struct {
	Cause       string            `json:"cause"`
	Verdict     incidents.Verdict `json:"verdict"`
	Fix         string            `json:"fix"`
	Remediation string            `json:"remediation"`
	Until       time.Time         `json:"until"`
	// Has are texts that the reason or the evidence must say.
	Has []string `json:"has"`
}

// TestDecide derives the decision of every recorded case again. A real incident that is worth a review becomes one more file.
func TestDecide(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "decide", "*.json"))
	if err != nil || len(files) < 40 {
		t.Fatalf("cases: got %d (%v), want at least 40", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			var c decideCase
			readJSON(t, file, &c)
			t.Log(c.Intent)
			checkDecision(t, c, newHandler(t, c.Policy).Decide(c.handed()))
		})
	}
}

// handed is the case as a handler gets it. Without a time of its own it is decided at once after the last look.
func (c decideCase) handed() think.Case[retrystorm.Observation] {
	now := c.Now
	if now.IsZero() {
		now = c.Looks[len(c.Looks)-1].At
	}
	return think.Case[retrystorm.Observation]{
		Target: think.Target{Name: "checkout/payments", Domain: "checkout", Mode: policy.Auto},
		Before: c.Looks, Busy: c.Busy, Now: now,
	}
}

func checkDecision(t *testing.T, c decideCase, got incidents.Decision) {
	t.Helper()
	want := c.Want
	if got.Cause != want.Cause || got.Verdict != want.Verdict {
		t.Fatalf("got %s, %s (%s), want %s, %s", got.Cause, got.Verdict, got.Reason, want.Cause, want.Verdict)
	}
	if got.Reason == "" {
		t.Error("a decision must say why")
	}
	if !want.Until.IsZero() && !got.Until.Equal(want.Until) {
		t.Errorf("until: got %s, want %s", got.Until, want.Until)
	}
	if (got.Verdict == incidents.Wait || got.Verdict == incidents.Act) == got.Until.IsZero() {
		t.Errorf("until %v does not fit the verdict %s", got.Until, got.Verdict)
	}
	said := got.Reason
	for _, e := range got.Evidence {
		said += "\n" + e.Words
	}
	for _, text := range want.Has {
		if !strings.Contains(said, text) {
			t.Errorf("%q is not said in:\n%s", text, said)
		}
	}
	if (got.Verdict == incidents.Act) != (got.Step != nil && got.Verify != nil) {
		t.Fatalf("%s with step %+v and verify %+v", got.Verdict, got.Step, got.Verify)
	}
	if got.Step == nil {
		return
	}
	remediation := want.Remediation
	if remediation == "" {
		remediation = "breaker"
	}
	if got.Step.Fix != want.Fix || got.Step.Remediation != remediation {
		t.Errorf("got %s by %s, want %s by %s", got.Step.Fix, got.Step.Remediation, want.Fix, remediation)
	}
}

// TestStep shows a whole decision, so that a changed default is seen.
func TestStep(t *testing.T) {
	t.Parallel()
	for file, params := range map[string]string{
		"storm-budget": `{"budget_percent":10}`, "down": ``, "metastable": `{"shed_percent":50}`,
	} {
		var c decideCase
		readJSON(t, filepath.Join("testdata", "decide", file+".json"), &c)
		d := newHandler(t, c.Policy).Decide(c.handed())
		if got := string(d.Step.Params); got != params {
			t.Errorf("%s: params: got %s, want %s", file, got, params)
		}
		s := *d.Step
		s.Params, s.Fix, s.Reason = nil, "", ""
		want := s
		want.Service, want.Edge, want.Remediation = "checkout", "payments", "breaker"
		want.TTL, want.Limit, want.Timeout = duration(time.Minute), duration(5*time.Minute), duration(5*time.Second)
		want.Ramp = []int{50, 75, 90}
		if !reflect.DeepEqual(s, want) {
			t.Errorf("%s: got %+v, want %+v", file, s, want)
		}
		if got, want := *d.Verify, (incidents.Verify{Every: duration(5 * time.Second), Within: duration(time.Minute),
			HoldFor: duration(time.Minute), RampEvery: duration(30 * time.Second)}); got != want {
			t.Errorf("%s: verify: got %+v, want %+v", file, got, want)
		}
	}
}

// TestStepIsStable holds that the last digit of a measurement does not change the plan that people approve.
func TestStepIsStable(t *testing.T) {
	t.Parallel()
	var c decideCase
	readJSON(t, filepath.Join("testdata", "decide", "storm-budget.json"), &c)
	h := newHandler(t, c.Policy)
	first := h.Decide(c.handed()).Step
	c.Looks[1].Seen.Edge.Attempts.Value += 0.37
	if second := h.Decide(c.handed()).Step; !reflect.DeepEqual(first, second) {
		t.Errorf("got %+v, then %+v", first, second)
	}
}

// TestDecideUnknownTarget holds that an edge which left the policy is for a person.
func TestDecideUnknownTarget(t *testing.T) {
	t.Parallel()
	d := newHandler(t, settings{}).Decide(think.Case[retrystorm.Observation]{Target: think.Target{Name: "a/b"}})
	if d.Verdict != incidents.Page || !strings.Contains(d.Reason, "a/b") {
		t.Errorf("got %+v", d)
	}
}

// newHandler builds a handler of the edge checkout/payments.
func newHandler(t *testing.T, s settings) *retrystorm.Handler {
	t.Helper()
	h, err := retrystorm.New(stormPolicy(s))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func stormPolicy(s settings) policy.RetryStorm {
	e := policy.Edge{Service: "checkout", Edge: "payments"}
	if e.Fix.Allow = s.Allow; s.Allow == nil {
		e.Fix.Allow = []string{"open", "retry_budget", "shed"}
	}
	switch s.Via {
	case "none":
	case "http":
		e.Fix.HTTP = &policy.HTTPFix{Controls: map[string]policy.HTTPControl{}}
		for _, fix := range []string{"open", "retry_budget", "shed"} {
			if s.Controls == nil || slices.Contains(s.Controls, fix) {
				e.Fix.HTTP.Controls[fix] = policy.HTTPControl{}
			}
		}
	default:
		e.Fix.Breaker = &policy.BreakerFix{}
	}
	if s.Probe == "json" {
		e.Probe.JSON = &policy.JSONProbe{Calls: "calls", Attempts: "attempts", Successes: "ok", Failures: "failed",
			URLs: slices.Repeat([]string{"http://checkout:8080/metrics.json"}, max(1, s.Instances))}
	} else {
		e.Probe.Prometheus = &policy.PrometheusProbe{URL: "http://prometheus:9090", Calls: "sum(rate(calls[10s]))",
			Attempts: "sum(rate(attempts[10s]))", Successes: "sum(rate(ok[10s]))", Failures: "sum(rate(failed[10s]))"}
	}
	return policy.RetryStorm{Mode: policy.Auto, Thresholds: policy.StormThresholds{Samples: cmp.Or(s.Samples, 2)}, Edges: []policy.Edge{e}}
}

func readJSON(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("read %s: %v", file, err)
	}
}

func duration(d time.Duration) policy.Duration { return policy.Duration(d) }
