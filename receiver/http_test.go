package receiver_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/receiver"
)

// However the path is written, a notification is taken and never redirected: a redirect would turn it into a GET.
func TestPaths(t *testing.T) {
	t.Parallel()
	be := newBench(t, bus.Config{}, nil)
	for path, want := range map[string]int{
		"/webhook": 200, "/webhook/": 200, "//webhook": 200, "/webhook//": 200, "///webhook": 200, "/webhook?token=x": 200, "//webhook/?a=b": 200,
		"/webhook/other": 404, "/Webhook": 404, "/": 404, "/api": 404, "/a/../webhook": 404, "/api/v1/incidents": 404,
	} {
		got := be.post(t, path, strings.NewReader(one("")))
		if got.status != want || got.header.Get("Location") != "" {
			t.Errorf("%s: got %d to %q, want %d", path, got.status, got.header.Get("Location"), want)
		}
	}
	if got := len(be.stored(t)); got != 7 {
		t.Errorf("got %d alerts in the journal, want 7", got)
	}
}

// Only POST is taken, and what else comes is told so.
func TestMethods(t *testing.T) {
	t.Parallel()
	be := newBench(t, bus.Config{}, nil)
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		req, err := http.NewRequestWithContext(within(t), method, be.url+"/webhook/", strings.NewReader(one("")))
		if err != nil {
			t.Fatal(err)
		}
		if got := be.do(t, req); got.status != http.StatusMethodNotAllowed || got.code != "method_not_allowed" || got.header.Get("Allow") != http.MethodPost {
			t.Errorf("%s: got %+v, want 405", method, got)
		}
	}
	if got := len(be.stored(t)); got != 0 {
		t.Errorf("got %d alerts in the journal, want none", got)
	}
}

// Only who has one of the tokens, or the name and the password, comes in.
func TestAuth(t *testing.T) {
	t.Parallel()
	basic := func(user, password string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	}
	both := receiver.Auth{Tokens: hashed("old-token", "new-token"), Username: "am", Password: sha256.Sum256([]byte("secret"))}
	for _, c := range []struct {
		name, header string
		auth         receiver.Auth
		want         int
	}{
		{"nobody is asked", "", receiver.Auth{}, 200},
		{"nothing is given", "", both, 401},
		{"the old token", "Bearer old-token", both, 200},
		{"the new token", "Bearer new-token", both, 200},
		{"in another case", "bearer new-token", both, 200},
		{"a wrong token", "Bearer new-tokem", both, 401},
		{"half a token", "Bearer new", both, 401},
		{"both tokens", "Bearer old-token new-token", both, 401},
		{"an empty token", "Bearer ", both, 401},
		{"no scheme", "new-token", both, 401},
		{"another scheme", "Token new-token", both, 401},
		{"name and password", basic("am", "secret"), both, 200},
		{"a wrong password", basic("am", "wrong"), both, 401},
		{"a wrong name", basic("pm", "secret"), both, 401},
		{"an empty password", basic("am", ""), both, 401},
		{"the token as a password", basic("am", "new-token"), both, 401},
		{"name and password where tokens are wanted", basic("", ""), receiver.Auth{Tokens: hashed("t")}, 401},
		{"a token where a name is wanted", "Bearer secret", receiver.Auth{Username: "am", Password: sha256.Sum256([]byte("secret"))}, 401},
	} {
		r := httptest.NewRequest(http.MethodPost, "/webhook", nil)
		if c.header != "" {
			r.Header.Set("Authorization", c.header)
		}
		if got := c.auth.Allows(r); got != (c.want == 200) {
			t.Errorf("%s: got %t, want %d", c.name, got, c.want)
		}
	}
	be := newBench(t, bus.Config{}, func(_ *bench, cfg *receiver.Config) { cfg.Auth = both })
	if got := be.post(t, "/webhook", strings.NewReader(one(""))); got.status != 401 || got.code != "unauthorized" || !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Bearer") {
		t.Errorf("got %+v, want 401", got)
	}
	for _, header := range []string{"Bearer old-token", "Bearer new-token", basic("am", "secret")} {
		if got := be.post(t, "/webhook", strings.NewReader(one("")), "Authorization", header); got.status != 200 {
			t.Errorf("got %+v, want 200", got)
		}
	}
	if got := len(be.stored(t)); got != 3 {
		t.Errorf("got %d alerts in the journal, want 3", got)
	}
}

// Health asks nothing; readiness says by name what is not ready.
func TestHealth(t *testing.T) {
	t.Parallel()
	be := newBench(t, bus.Config{}, nil)
	get := func(path string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(within(t), http.MethodGet, be.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		var body strings.Builder
		if _, err := readAll(&body, resp); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, body.String()
	}
	for path, want := range map[string]string{"/healthz": "ok\n", "/readyz": `{"ready":true}` + "\n"} {
		if status, body := get(path); status != 200 || body != want {
			t.Errorf("%s: got %d %q, want %q", path, status, body, want)
		}
	}
	be.stopJournal()
	be.bus.Close()
	if status, _ := get("/healthz"); status != 200 {
		t.Errorf("got %d from a living process, want 200", status)
	}
	if status, body := get("/readyz"); status != 503 || !strings.Contains(body, `"ready":false`) || !strings.Contains(body, `"bus":"ask the bus`) {
		t.Errorf("got %d %q without a bus, want 503 with its name", status, body)
	}

	rec := httptest.NewRecorder()
	receiver.Ready([]receiver.Check{
		{Name: "fine", Ask: func(context.Context) error { return nil }},
		{Name: "one", Ask: func(context.Context) error { return errors.New("gone") }},
		{Name: "two", Ask: func(context.Context) error { return errors.New("late") }},
	}).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	var got struct {
		NotReady map[string]string `json:"not_ready"`
	}
	if err := json.NewDecoder(rec.Body).Decode(&got); err != nil || rec.Code != 503 || len(got.NotReady) != 2 || got.NotReady["two"] != "late" {
		t.Errorf("got %d %+v, %v, want both that are not ready", rec.Code, got, err)
	}
}
