package httpadmin_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/httpadmin"
)

// What an instance answers is not believed when it is not what the policy described, nor without end.
func TestUnreadableAnswers(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"login page":    func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"another state": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"state":"half"}`)) },
		"no state":      func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{}`)) },
		"401":           func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) },
		"redirect":      func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"too long": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"state":"off","x":"` + strings.Repeat("x", 1<<20) + `"}`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(answer)
			t.Cleanup(server.Close)
			fix := endpoints()
			fix.Instances = []string{strings.Replace(server.URL, "http://", "http://user:hunter2@", 1)}
			c := fix.Controls["open"]
			c.Read = policy.HTTPRead{Path: "/", State: "state", On: "on", Off: "off"}
			fix.Controls["open"] = c
			p, err := admin(t, fix).Check(t.Context(), order("a1"))
			if err == nil || p.State != remediations.Unknown {
				t.Fatalf("got %+v, %v, want unknown", p, err)
			}
			if text := err.Error() + p.Detail; strings.Contains(text, "hunter2") || strings.Contains(text, "user") {
				t.Errorf("%q tells the password", text)
			}
		})
	}
}

// The token is sent, from a file as it is now, and never printed; a password in the URL is not printed when the instance is
// down.
func TestSecrets(t *testing.T) {
	t.Parallel()
	s := newService(t)
	file := filepath.Join(t.TempDir(), "token")
	fix := endpoints(s)
	fix.BearerToken, fix.BearerTokenFile = "", file
	r := admin(t, fix)
	if _, err := r.Apply(t.Context(), order("a1")); !errors.Is(err, remediations.ErrRefused) {
		t.Errorf("without the file: got %v, want ErrRefused", err)
	}
	if err := os.WriteFile(file, []byte("rotated\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Apply(t.Context(), order("a1")); err != nil {
		t.Fatal(err)
	}
	if got := get(s, func(s *service) string { return s.auth }); got != "Bearer rotated" {
		t.Errorf("got %q", got)
	}
	s.server.Close()
	fix = endpoints()
	fix.Instances = []string{strings.Replace(s.server.URL, "http://", "http://user:hunter2@", 1)}
	if _, err := admin(t, fix).Check(t.Context(), order("a1")); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

// A command whose connection breaks is not sent again, not even by Go's transport, which repeats what carries an
// Idempotency-Key on a connection that it had kept.
func TestSentOnce(t *testing.T) {
	t.Parallel()
	var commands atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = w.Write([]byte(`{"edges":{"payments":{"state":"closed"}}}`))
			return
		}
		commands.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	fix := endpoints()
	fix.Instances = []string{server.URL}
	if _, err := admin(t, fix).Apply(t.Context(), order("a1")); err == nil || errors.Is(err, remediations.ErrRefused) {
		t.Errorf("apply: got %v, want doubt", err)
	}
	if n := commands.Load(); n != 1 {
		t.Errorf("sent %d times, want once", n)
	}
}

// Values cannot leave their place: not a path by a slash, not a query by an ampersand, not a body by a quote.
func TestEscaping(t *testing.T) {
	t.Parallel()
	var uri, sent string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = w.Write([]byte(`{"state":"off"}`))
			return
		}
		var b json.RawMessage
		_ = json.NewDecoder(r.Body).Decode(&b)
		uri, sent = r.RequestURI, string(b)
	}))
	defer server.Close()
	fix := policy.HTTPFix{Instances: []string{server.URL + "/base/"}, Controls: map[string]policy.HTTPControl{"shed": {
		Apply: policy.HTTPRequest{Method: "PUT", Path: "/edges/{{.Edge}}?by={{.Action}}&n={{.Params.shed_percent}}",
			Body: `{"by":{{.Action}},"held":{{.Held}},"n":{{.Params.shed_percent}},"all":{{.Params}}}`},
		Revert: policy.HTTPRequest{Path: "/x"},
		Read:   policy.HTTPRead{Path: "/x", State: "state", On: "on", Off: "off"},
	}}}
	o := order(`a/b&c"d`)
	o.Fix, o.Params, o.Released = "shed", json.RawMessage(`{"shed_percent":50}`), 25
	if _, err := admin(t, fix).Apply(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if want := "/base/edges/payments?by=a%2Fb%26c%22d&n=50"; uri != want {
		t.Errorf("got %s, want %s", uri, want)
	}
	if want := `{"by":"a/b\u0026c\"d","held":75,"n":50,"all":{"shed_percent":50}}`; sent != want {
		t.Errorf("got %s, want %s", sent, want)
	}
}

// A policy that cannot work is refused before any alert comes.
func TestNewRefuses(t *testing.T) {
	t.Parallel()
	s := newService(t)
	for name, spoil := range map[string]func(f *policy.HTTPFix, c *policy.HTTPControl){
		"no instances":       func(f *policy.HTTPFix, _ *policy.HTTPControl) { f.Instances = nil },
		"not a URL":          func(f *policy.HTTPFix, _ *policy.HTTPControl) { f.Instances = []string{"checkout:8080"} },
		"same twice":         func(f *policy.HTTPFix, _ *policy.HTTPControl) { f.Instances = append(f.Instances, f.Instances[0]) },
		"unknown value":      func(_ *policy.HTTPFix, c *policy.HTTPControl) { c.Apply.Body = `{{.Actoin}}` },
		"unknown param":      func(_ *policy.HTTPFix, c *policy.HTTPControl) { c.Apply.Body = `{{.Params.budget_percent}}` },
		"double quotes":      func(_ *policy.HTTPFix, c *policy.HTTPControl) { c.Apply.Body = `{"a":"{{.Action}}"}` },
		"broken template":    func(_ *policy.HTTPFix, c *policy.HTTPControl) { c.Apply.Path = `/{{.Edge` },
		"no path":            func(_ *policy.HTTPFix, c *policy.HTTPControl) { c.Revert.Path = "" },
		"nothing to read":    func(_ *policy.HTTPFix, c *policy.HTTPControl) { c.Read.Path = "" },
		"on is off":          func(_ *policy.HTTPFix, c *policy.HTTPControl) { c.Read.Off = c.Read.On },
		"path to other host": func(_ *policy.HTTPFix, c *policy.HTTPControl) { c.Apply.Path = "@evil/x" },
	} {
		fix := endpoints(s)
		c := fix.Controls["open"]
		spoil(&fix, &c)
		fix.Controls["open"] = c
		if _, err := httpadmin.New(httpadmin.Config{Edges: map[string]policy.HTTPFix{"checkout/payments": fix}}); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
	fix := endpoints(s)
	fix.Controls["explode"] = fix.Controls["open"]
	if _, err := httpadmin.New(httpadmin.Config{Edges: map[string]policy.HTTPFix{"a/b": fix, "../x": endpoints(s)}}); err == nil {
		t.Error("unknown fix: got no error")
	}
}

// Bounds and Adjust are what the controls can do.
func TestCapabilities(t *testing.T) {
	t.Parallel()
	s := newService(t)
	fix := endpoints(s)
	c := fix.Controls["open"]
	open := admin(t, fix).Bounds(step())
	if !open.ExpiresItself || !open.Adjusts || open.MaxLimit != httpadmin.MaxOpen {
		t.Errorf("open: got %+v, want five minutes, expiring and adjustable as its control says", open)
	}
	c.Adjust, c.SelfExpiring = nil, false
	fix.Controls["retry_budget"] = c
	r := admin(t, fix)
	o := order("a1")
	o.Fix, o.Params = "retry_budget", json.RawMessage(`{"budget_percent":10}`)
	if got := r.Bounds(o.Step); got.ExpiresItself || got.Adjusts || got.MaxLimit != httpadmin.MaxLimit {
		t.Errorf("retry_budget: got %+v, want ten minutes, neither expiring nor adjustable", got)
	}
	if got := r.Bounds(step()); got.Class != open.Class || !got.ExpiresItself || !got.Adjusts {
		t.Errorf("open, beside another control: got %+v, want what it was alone, %+v", got, open)
	}
	if _, err := r.Adjust(t.Context(), o, remediations.Receipt{}); !errors.Is(err, httpadmin.ErrCannotAdjust) {
		t.Errorf("got %v, want ErrCannotAdjust", err)
	}
	elsewhere := step()
	elsewhere.Edge = "unnamed"
	if got := r.Bounds(elsewhere); got.Class != remediations.ClassN {
		t.Errorf("an edge without endpoints: class %s, want N", got.Class)
	}
	o = order("a1")
	o.Limit = policy.Duration(6 * time.Minute)
	if _, err := admin(t, endpoints(s)).Apply(t.Context(), o); !errors.Is(err, remediations.ErrRefused) {
		t.Errorf("open for six minutes: got %v, want ErrRefused", err)
	}
}
