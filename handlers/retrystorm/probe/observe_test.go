package probe_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/retrystorm"
	"github.com/firebreak-sre/firebreak/handlers/retrystorm/probe"
	"github.com/firebreak-sre/firebreak/policy"
)

const token = "s3cr3t-token"

// prometheus is a Prometheus as far as the query API goes. It keeps what it was asked.
type prometheus struct {
	mu      sync.Mutex
	answers map[string]string // by query; the data of the answer, or a whole behaviour
	times   map[string]bool
	inHand  int
	most    int
	gate    chan struct{} // queries wait for it, if it is set
}

func (p *prometheus) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.FormValue("query")
	p.mu.Lock()
	p.times[r.FormValue("time")] = true
	p.inHand++
	p.most = max(p.most, p.inHand)
	if p.gate != nil && p.inHand == cap(p.gate) {
		close(p.gate)
	}
	answer, gate := p.answers[query], p.gate
	p.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-r.Context().Done():
		}
	}
	switch {
	case r.URL.Path != "/prom/api/v1/query" || r.Header.Get("Authorization") != "Bearer "+token:
		http.Error(w, "wrong door", http.StatusUnauthorized)
	default:
		behave(w, r, answer)
	}
}

// behave answers in one of the ways in which servers answer.
func behave(w http.ResponseWriter, r *http.Request, answer string) {
	switch answer {
	case "hang":
		<-r.Context().Done()
	case "500":
		http.Error(w, "boom "+r.Header.Get("Authorization"), http.StatusInternalServerError)
	case "huge":
		fmt.Fprintf(w, `{"status":"success","pad":%q}`, strings.Repeat("x", 2<<20))
	case "bomb":
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		z.Write(make([]byte, 8<<20)) //nolint:errcheck // The client hangs up.
		z.Close()                    //nolint:errcheck // The same.
	case "redirect":
		http.Redirect(w, r, "/elsewhere?token="+token, http.StatusFound)
	case "html":
		io.WriteString(w, "<html>login</html>") //nolint:errcheck // A test server.
	case "422":
		w.WriteHeader(http.StatusUnprocessableEntity)
		io.WriteString(w, `{"status":"error","errorType":"execution","error":"many-to-many \u0007matching"}`) //nolint:errcheck // The same.
	default:
		io.WriteString(w, answer) //nolint:errcheck // The same.
	}
}

func data(resultType, result string, warnings ...string) string {
	list, _ := json.Marshal(warnings) //nolint:errchkjson // Text only.
	return fmt.Sprintf(`{"status":"success","data":{"resultType":%q,"result":%s},"warnings":%s}`, resultType, result, list)
}

func vector(values ...string) string {
	var all []string
	for _, v := range values {
		all = append(all, fmt.Sprintf(`{"metric":{},"value":[1772442000,%q]}`, v))
	}
	return data("vector", "["+strings.Join(all, ",")+"]")
}

// patience is short only where something hangs: a busy machine must not look like a server that does.
func patience(answers ...string) policy.Duration {
	if slices.Contains(answers, "hang") {
		return duration(2 * time.Second)
	}
	return duration(30 * time.Second)
}

// observing starts a Prometheus with these answers and a prober that asks it.
func observing(t *testing.T, p *prometheus) *probe.Prober {
	t.Helper()
	p.times = map[string]bool{}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	own := stormPolicy()
	own.Edges[0].Probe.Timeout = patience(slices.Collect(maps.Values(p.answers))...)
	own.Edges[0].Probe.Prometheus = &policy.PrometheusProbe{
		URL: strings.Replace(server.URL, "http://", "http://user:hunter2@", 1) + "/prom/?x=hunter2", BearerToken: token,
		Calls: "calls", Attempts: "attempts", Successes: "ok", Failures: "rate(failed[10s])",
	}
	if _, ok := p.answers["pool"]; ok {
		own.Edges[0].Probe.Prometheus.PoolWaiting = "pool"
	}
	prober, err := probe.New(own, server.Client())
	if err != nil {
		t.Fatal(err)
	}
	return prober
}

// TestObservePrometheus reads everything at one time, all at once.
func TestObservePrometheus(t *testing.T) {
	t.Parallel()
	p := &prometheus{gate: make(chan struct{}, 5), answers: map[string]string{
		"calls": vector("40"), "attempts": data("scalar", `[1772442000,"1.2e2"]`), "ok": vector("12.5"),
		"rate(failed[10s])": data("vector", `[{"metric":{},"value":[1772442000,"107.5"]}]`, "PromQL info: metric might not be a counter"),
		"pool":              vector("0"),
	}}
	o, err := observing(t, p).Observe(t.Context(), "checkout/payments")
	if err != nil {
		t.Fatal(err)
	}
	want := retrystorm.Observation{At: o.At, Source: retrystorm.SourcePrometheus, Window: duration(10 * time.Second),
		Edge: numbers(row{40, 120, 12.5, 107.5})}
	want.Edge.PoolWaiting = known(0)
	if got, want := asJSON(t, o), asJSON(t, want); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if len(p.times) != 1 || p.most != 5 {
		t.Errorf("asked at %v, %d at once; want one time, 5 at once", p.times, p.most)
	}
}

// TestObservePrometheusParts holds what is said about each answer that is no number, while the others are still read.
func TestObservePrometheusParts(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		"hang": "no answer within 2s", "500": "answered 500", "huge": "larger than 1 MiB", "bomb": "larger than 1 MiB",
		"redirect": "redirects are not followed", "html": "without the query API's JSON", "": "without the query API's JSON",
		"422":         "execution: many-to-many  matching",
		vector():      "no series",
		vector("NaN"): "NaN", vector("+Inf"): "+Inf", vector("-1"): "less than zero", vector("x"): "not a number", vector("1e999"): "not a number",
		vector("1", "2"):                           "2 series, one is needed: aggregate",
		data("matrix", "[]"):                       "matrix",
		data("string", `[0,"1"]`):                  "string",
		data("scalar", `[0]`):                      "no value",
		data("scalar", `[0,1]`):                    "not text",
		data("vector", `{}`):                       "not the query API's",
		data("vector", `[{"histogram":[0,{}]}]`):   "histogram",
		data("scalar", `[0,"1"]`, "store is down"): "may be partial: store is down",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			prober := observing(t, &prometheus{answers: map[string]string{
				"calls": vector("40"), "attempts": answer, "ok": vector("12"), "rate(failed[10s])": vector("1")}})
			o, err := prober.Observe(t.Context(), "checkout/payments")
			if err != nil {
				t.Fatal(err)
			}
			if n := o.Edge.Attempts; n.OK || n.Value != 0 || !strings.Contains(n.Err, want) {
				t.Errorf("got %+v, want %q", n, want)
			}
			if !o.Edge.Calls.OK || !o.Edge.Successes.OK || o.Edge.PoolWaiting != (retrystorm.Number{}) {
				t.Errorf("the other parts: got %+v", o.Edge)
			}
			noSecrets(t, asJSON(t, o))
		})
	}
}

// TestObserveNothing holds that a look which read nothing at all is an error, and still says why in the observation.
func TestObserveNothing(t *testing.T) {
	t.Parallel()
	prober := observing(t, &prometheus{answers: map[string]string{"calls": "hang", "attempts": "500", "ok": "redirect", "rate(failed[10s])": ""}})
	o, err := prober.Observe(t.Context(), "checkout/payments")
	if !errors.Is(err, probe.ErrUnreadable) || o.Edge.Calls.Err == "" {
		t.Fatalf("got %+v, %v", o, err)
	}
	noSecrets(t, err.Error())
	noSecrets(t, asJSON(t, o))
	if _, err := prober.Observe(t.Context(), "a/b"); !errors.Is(err, probe.ErrUnknownTarget) {
		t.Errorf("unknown target: got %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("shutting down"))
	if o, err := prober.Observe(ctx, "checkout/payments"); err == nil || !strings.Contains(o.Edge.Calls.Err, "shutting down") {
		t.Errorf("cancelled: got %+v, %v", o, err)
	}
}

// TestObserveRefused holds that a server which is not there is told by host and path alone.
func TestObserveRefused(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(nil)
	server.Close()
	p := stormPolicy()
	p.Edges[0].Probe.Prometheus.URL = strings.Replace(server.URL, "http://", "http://user:hunter2@", 1) + "/prom?key=hunter2"
	p.Edges[0].Probe.Prometheus.BearerToken = token
	prober, err := probe.New(p, nil)
	if err != nil {
		t.Fatal(err)
	}
	o, err := prober.Observe(t.Context(), "checkout/payments")
	want := "get " + server.URL + "/prom/api/v1/query: dial tcp "
	if !errors.Is(err, probe.ErrUnreadable) || !strings.HasPrefix(o.Edge.Calls.Err, want) {
		t.Errorf("got %q (%v), want %q", o.Edge.Calls.Err, err, want)
	}
	noSecrets(t, asJSON(t, o)+err.Error())
}

func noSecrets(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{token, "hunter2"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is told in %s", secret, text)
		}
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
