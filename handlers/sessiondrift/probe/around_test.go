package probe_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/sessiondrift"
	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/policy"
)

// answers is a Prometheus that answers each expression with a text, and has a status for some.
func answers(t *testing.T, byExpression map[string]string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/query" || r.Header.Get("Authorization") != "Bearer hunter2" || r.FormValue("time") == "" {
			t.Errorf("asked %s as %q", r.URL, r.Header.Get("Authorization"))
		}
		text, ok := byExpression[r.FormValue("query")]
		switch {
		case !ok:
			http.NotFound(w, r)
		case strings.HasPrefix(text, "http"):
			http.Redirect(w, r, text, http.StatusFound)
		default:
			_, _ = w.Write([]byte(text))
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// around asks one Prometheus.
func around(t *testing.T, m policy.DriftMetrics) sessiondrift.Around {
	t.Helper()
	m.BearerToken, m.Timeout = "hunter2", policy.Duration(3*time.Second)
	return look(t, prober(t, memory(t, 1), &m)).Around
}

// vector is an answer with elements, each labels and a value.
func vector(elements ...string) string {
	return `{"status":"success","data":{"resultType":"vector","result":[` + strings.Join(elements, ",") + `]}}`
}

func element(labels, value string) string {
	return fmt.Sprintf(`{"metric":{%s},"value":[1,%q]}`, labels, value)
}

// TestAround: what is asked and answered is told.
func TestAround(t *testing.T) {
	t.Parallel()
	s := answers(t, map[string]string{
		"p": vector(element(`"__name__":"ALERTS","alertname":"NodeUnreachable"`, "1"), element(`"alertname":"Cut","x":"1"`, "1"),
			element(`"alertname":"Cut","x":"2"`, "2"), element(`"alertname":"Over"`, "0"), element(`"job":"x"`, "1")),
		"d": vector(element("", "1")), "n": vector(element("", "0.25")), "o": `{"status":"success","data":{"resultType":"scalar","result":[1,"17"]}}`,
	})
	a := around(t, policy.DriftMetrics{URL: s.URL, Partition: "p", Deploying: "d", NotFound: "n", OrphansBefore: "o"})
	same(t, "signs", a.Partition, []string{"Cut", "NodeUnreachable", `{"job":"x"}`})
	if a.Deploying == nil || !*a.Deploying || a.NotFound == nil || *a.NotFound != 0.25 || a.OrphansBefore == nil || *a.OrphansBefore != 17 {
		t.Errorf("got %+v", a)
	}
}

// TestAroundQuiet: no sign is none, zero is not deploying, and what is not asked is not told and no problem.
func TestAroundQuiet(t *testing.T) {
	t.Parallel()
	s := answers(t, map[string]string{"p": vector(), "d": vector(element("", "0"))})
	a := around(t, policy.DriftMetrics{URL: s.URL, Partition: "p", Deploying: "d"})
	if len(a.Partition) > 0 || a.PartitionProblem != "" || a.Deploying == nil || *a.Deploying || a.NotFound != nil || a.NotFoundProblem != "" {
		t.Errorf("got %+v", a)
	}
}

// TestAroundProblems: what is asked and not answered is said, never guessed, without the token and the expression, and spoils no other answer.
func TestAroundProblems(t *testing.T) {
	t.Parallel()
	const secret = "secret_expression"
	for what, c := range map[string]struct{ text, want string }{
		"nothing":   {vector(), "no series"},
		"two":       {vector(element("", "1"), element("", "2")), "2 series, one is needed"},
		"less":      {vector(element("", "-1")), "the value -1 is less than zero"},
		"no number": {vector(element("", "NaN")), "a value is NaN"},
		"endless":   {vector(element("", "+Inf")), "a value is +Inf"},
		"no value":  {vector(`{"metric":{},"histogram":[1,{}]}`), "no value is in the answer"},
		"matrix":    {`{"status":"success","data":{"resultType":"matrix","result":[]}}`, `the result is a "matrix"`},
		"no result": {`{"status":"success","data":{"resultType":"vector"}}`, "the vector is not the query API's"},
		"an error":  {`{"status":"error","errorType":"bad_data","error":"hunter2 said\nno"}`, "answered 200 bad_data: [redacted] said no"},
		"partial": {`{"status":"success","warnings":["hunter2 is gone"],"data":{"resultType":"vector","result":[]}}`,
			"the answer may be partial: [redacted] is gone"},
		"no JSON":       {"<html>", "answered 200 without the query API's JSON"},
		"redirect":      {"http://elsewhere.example", "redirects are not followed"},
		"large":         {strings.Repeat(" ", 1<<20+1), "the answer is larger than 1 MiB"},
		"not a success": {`{"status":"","data":{"resultType":"vector","result":[]}}`, "answered 200"},
	} {
		s := answers(t, map[string]string{secret: c.text, "n": vector(element("", "1"))})
		a := around(t, policy.DriftMetrics{URL: s.URL, Deploying: secret, NotFound: "n", OrphansBefore: secret})
		said := strings.Contains(a.DeployingProblem, c.want) && strings.Contains(a.OrphansBeforeProblem, c.want)
		if !said || a.Deploying != nil || a.OrphansBefore != nil {
			t.Errorf("%s: got %+v, want %q", what, a, c.want)
		}
		if text, _ := json.Marshal(a); strings.Contains(string(text), "hunter2") || strings.Contains(string(text), secret) {
			t.Errorf("%s: tells too much: %s", what, text)
		}
		if a.NotFound == nil || a.NotFoundProblem != "" {
			t.Errorf("%s: the other answer is spoilt: %+v", what, a)
		}
		if what == "nothing" || what == "two" || what == "less" { // which are fine for signs
			continue
		}
		if a := around(t, policy.DriftMetrics{URL: s.URL, Partition: secret}); !strings.Contains(a.PartitionProblem, c.want) || len(a.Partition) > 0 {
			t.Errorf("%s: signs: got %+v, want %q", what, a, c.want)
		}
	}
}

// TestAroundRealPrometheus: a real alert is a sign while it fires.
func TestAroundRealPrometheus(t *testing.T) {
	t.Parallel()
	prom := testbed.Prometheus(t, testbed.PrometheusConfig{Rules: `
groups:
  - name: test
    rules:
      - {alert: NetworkPartition, expr: vector(1)}
      - {alert: SomethingElse, expr: vector(1)}
      - {alert: NotFiring, expr: vector(1) > 2}
`})
	p := prober(t, memory(t, 1), &policy.DriftMetrics{URL: prom.URL, Timeout: policy.Duration(3 * time.Second), NotFound: "nothing_of_the_kind",
		Partition: `ALERTS{alertstate="firing",alertname=~"NetworkPartition|NotFiring"}`, Deploying: "vector(0)", OrphansBefore: "vector(1) + 2"})
	var a sessiondrift.Around
	testbed.Await(t, patience, "the alert to fire", func() bool {
		a = look(t, p).Around
		return len(a.Partition) > 0
	})
	same(t, "signs", a.Partition, []string{"NetworkPartition"})
	if a.Deploying == nil || *a.Deploying || a.OrphansBefore == nil || *a.OrphansBefore != 3 || !strings.Contains(a.NotFoundProblem, "no series") {
		t.Errorf("got %+v", a)
	}
}
