package probe

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/poolexhaustion"
	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/policy"
)

// readWith asks about an application by three expressions.
func readWith(t *testing.T, url, waiting, busy, size string) poolexhaustion.App {
	t.Helper()
	prober, err := New(policy.Policy{}, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return prober.readApp(t.Context(), policy.AppPool{App: "checkout", Prometheus: policy.AppPoolMetrics{URL: url, BearerToken: "hunter2",
		Waiting: waiting, Busy: busy, Size: size, Timeout: policy.Duration(500 * time.Millisecond)}})
}

// TestReadApp asks a real Prometheus.
func TestReadApp(t *testing.T) {
	t.Parallel()
	url := testbed.Prometheus(t, testbed.PrometheusConfig{}).URL
	got := readWith(t, url+"/", "vector(7)", "scalar(vector(2.5))", "sum(vector(4)) + 6")
	if want := (poolexhaustion.App{Name: "checkout", Waiting: 7, Busy: 2.5, Size: 10}); got != want {
		t.Errorf("got %s", asJSON(got))
	}
	for expression, want := range map[string]string{
		"nothing_like_it":       "no series: nothing matches the expression",
		"vector(0) / vector(0)": "the value is NaN, which is no number to judge by",
		"vector(1) / vector(0)": "the value is +Inf",
		"vector(-1)":            "the value -1 is less than zero",
		"up[1m]":                `the result is a "matrix"`,
		"sum(":                  "answered 400 bad_data: ",
		`vector(1) or label_replace(vector(2), "a", "b", "", "")`: "2 series, one is needed",
	} {
		got := readWith(t, url, "vector(7)", expression, "vector(10)")
		if got.Waiting+got.Busy+got.Size != 0 || !strings.Contains(got.Problem, "busy: ") || !strings.Contains(got.Problem, want) ||
			strings.Contains(got.Problem, "waiting: ") {
			t.Errorf("%s: got %s, want %q", expression, asJSON(got), want)
		}
	}
}

// TestReadAppBroken asks what is no Prometheus, or does not feel well. No answer makes a number, and none makes our token known.
func TestReadAppBroken(t *testing.T) {
	t.Parallel()
	say := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	ok := func(data string) http.HandlerFunc { return say(http.StatusOK, `{"status":"success","data":`+data+`}`) }
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"a page", say(http.StatusOK, "<html>"), "answered 200 without the query API's JSON"},
		{"refused", say(http.StatusUnauthorized, "who are you?"), "answered 401 without"},
		{"fails", say(http.StatusUnprocessableEntity, `{"status":"error","errorType":"execution","error":"hunter2\nis not liked"}`),
			"answered 422 execution: [redacted] is not liked"},
		{"partial", say(http.StatusOK, `{"status":"success","warnings":["a store is away"],"data":{"resultType":"scalar","result":[1,"1"]}}`),
			"the answer may be partial: a store is away"},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		},
			"answered 302: redirects are not followed"},
		{"too much", say(http.StatusOK, strings.Repeat(" ", maxAnswer+1)), "larger than 1 MiB"},
		{"hangs", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "no answer within 500ms"},
		{"no vector", ok(`{"resultType":"vector","result":7}`), "the vector is not the query API's"},
		{"histogram", ok(`{"resultType":"vector","result":[{"histogram":[1,{}]}]}`), "no value is in the answer"},
		{"no number", ok(`{"resultType":"scalar","result":[1,"many"]}`), `the value "many" is not a number`},
		{"half a point", ok(`{"resultType":"scalar","result":[1]}`), "no value is in the answer"},
		{"a string", ok(`{"resultType":"string","result":[1,"1"]}`), `the result is a "string"`},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer hunter2" || r.URL.Path != "/prom/api/v1/query" || r.URL.Query().Get("time") == "" {
				t.Errorf("%s: asked by %s with %v", c.name, r.URL, r.Header)
			}
			c.answer(w, r)
		}))
		got := readWith(t, strings.Replace(server.URL, "http://", "http://us:hunter2@", 1)+"/prom", "a", "b", "c")
		server.Close()
		if got.Waiting+got.Busy+got.Size != 0 || !strings.Contains(got.Problem, c.want) || strings.Contains(got.Problem, "hunter2") {
			t.Errorf("%s: got %s, want %q", c.name, asJSON(got), c.want)
		}
	}
	for _, url := range []string{"http://" + testbed.Addr(t), "http://\x7f", "gopher://x"} {
		if got := readWith(t, url, "a", "b", "c"); !strings.Contains(got.Problem, "waiting: ") || !strings.Contains(got.Problem, "size: ") {
			t.Errorf("%q: got %s", url, asJSON(got))
		}
	}
}
