package httpapi_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/sessions/httpapi"
	"github.com/firebreak-sre/firebreak/internal/sessions/sessionstest"
)

// serve is a client of an endpoint that answers by a function.
func serve(t *testing.T, f http.HandlerFunc) *httpapi.Client {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	c, err := httpapi.New(httpapi.Config{URL: server.URL + "/base/", Bearer: "the-token"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func says(status int, kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func restore() sessions.Restore {
	return sessions.Restore{Order: sessions.Order{Action: "a", Epoch: 1, Max: 2, Deadline: time.Unix(1, 0)}, Undo: "b"}
}

func TestNewRefusesAddresses(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "ftp://x", "http://", "http://user:word@x", "http://x?y=1", "http://x#y", "http://x:y z", "x:80"} {
		_, err := httpapi.New(httpapi.Config{URL: address})
		if err == nil || strings.Contains(err.Error(), "word") {
			t.Errorf("%q: got %v", address, err)
		}
	}
}

// A request has the token and the action, and goes below the address.
func TestRequest(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/base"+httpapi.PathRestore || r.Header.Get("Authorization") != "Bearer the-token" || r.Header.Get("Idempotency-Key") != "a" {
			t.Errorf("got %s %s with %v", r.Method, r.URL, r.Header)
		}
		says(http.StatusOK, "application/json; charset=utf-8", `{"action":"a","at":"2026-01-01T00:00:00Z","items":[]}`)(w, r)
	})
	if _, err := c.Restore(t.Context(), restore()); err != nil {
		t.Error(err)
	}
	if text := fmt.Sprintf("%v %+v %#v %x %v", c, c, c, c, httpapi.Config{Bearer: "the-token"}); strings.Contains(text, "the-token") {
		t.Errorf("the token is printed: %s", text)
	}
}

// Only the contract's own refusals prove that nothing was changed. Whatever else comes is in doubt.
func TestAnswers(t *testing.T) {
	t.Parallel()
	const fine = `{"action":"a","at":"2026-01-01T00:00:00Z","items":[]}`
	const item = `{"id":"x","outcome":"done"}`
	const three = "[" + item + "," + item + "," + item + "]"
	for name, tc := range map[string]struct {
		status     int
		kind, body string
		refusal    error
		words      string
	}{
		"a refusal":           {409, "application/json", `{"code":"epoch","detail":"it is 8"}`, sessions.ErrEpoch, "it is 8"},
		"unknown action":      {404, "application/json", `{"code":"unknown_action"}`, sessions.ErrUnknownAction, ""},
		"busy":                {503, "application/json", `{"code":"busy"}`, sessions.ErrBusy, ""},
		"wrong status":        {500, "application/json", `{"code":"epoch"}`, nil, "500"},
		"refusal in a 200":    {200, "application/json", `{"code":"epoch"}`, nil, "about action"},
		"a proxy":             {503, "text/html", "<h1>no backend</h1>", nil, "no backend"},
		"a proxy without":     {404, "", "", nil, "404"},
		"unknown code":        {409, "application/json", `{"code":"tuesday"}`, nil, "409"},
		"too many requests":   {429, "application/json", `{"code":"busy"}`, nil, "429"},
		"unauthorized":        {401, "", "", nil, "401"},
		"accepted":            {202, "application/json", fine, nil, "202"},
		"nothing":             {204, "", "", nil, "204"},
		"not JSON":            {200, "text/plain", fine, nil, "not JSON"},
		"half":                {200, "application/json", fine[:20], nil, "read the answer"},
		"another action":      {200, "application/json", strings.Replace(fine, `"a"`, `"b"`, 1), nil, "about action"},
		"no time":             {200, "application/json", `{"action":"a","items":[]}`, nil, "about action"},
		"more than was order": {200, "application/json", strings.Replace(fine, "[]", three, 1), nil, "max was 2"},
		"too long":            {200, "application/json", strings.Repeat(" ", httpapi.MaxAnswer+1), nil, "longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := serve(t, says(tc.status, tc.kind, tc.body)).Restore(t.Context(), restore())
			if err == nil || errors.Is(err, sessions.ErrRefused) != (tc.refusal != nil) || (tc.refusal != nil && !errors.Is(err, tc.refusal)) {
				t.Fatalf("got %v, want %v", err, tc.refusal)
			}
			if !strings.Contains(err.Error(), tc.words) || len(err.Error()) > 600 {
				t.Errorf("got %v, want it to say %q", err, tc.words)
			}
		})
	}
}

// A redirect is not followed, and an order is never sent twice, also when the connection dies under it.
func TestSentOnce(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(elsewhere.Close)
	for _, status := range []int{301, 302, 307, 308} {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, status) })
		if _, err := c.Restore(t.Context(), restore()); !errors.Is(err, httpapi.ErrRedirect) || errors.Is(err, sessions.ErrRefused) {
			t.Errorf("%d: got %v", status, err)
		}
	}
	if asked.Load() != 0 {
		t.Error("a redirect was followed")
	}
	var got atomic.Int32
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			says(http.StatusOK, "application/json", `{"history":"h","position":1}`)(w, r)
			return
		}
		got.Add(1)
		panic(http.ErrAbortHandler)
	})
	if _, err := c.Cut(t.Context()); err != nil { // so that there is a connection to be used again
		t.Fatal(err)
	}
	if _, err := c.Restore(t.Context(), restore()); err == nil || errors.Is(err, sessions.ErrRefused) || got.Load() != 1 {
		t.Errorf("got %v after %d requests", err, got.Load())
	}
}

// What contradicts itself is not believed.
func TestReadsAreChecked(t *testing.T) {
	t.Parallel()
	const at = `"at":"2026-01-01T00:00:00Z"`
	const alive = `{"name":"b","state":"alive","vouched":[]},{"name":"c","state":"alive","vouched":[]}`
	for name, body := range map[string]string{
		"quorum of the dead":  `{"epoch":1,"members":[{"name":"a","state":"gone","vouched":[]}],"quorum":true,` + at + `,"ttl_seconds":60,"total":1}`,
		"gone and vouched":    `{"epoch":1,"members":[{"name":"a","state":"gone","vouched":["b"]},` + alive + `],"quorum":true,` + at + `,"ttl_seconds":60,"total":1}`,
		"gone without quorum": `{"epoch":1,"members":[{"name":"a","state":"gone","vouched":[]}],"quorum":false,` + at + `,"ttl_seconds":60,"total":1}`,
		"no time":             `{"epoch":1,"members":[],"quorum":false,"ttl_seconds":60,"total":1}`,
		"no ttl":              `{"epoch":1,"members":[],"quorum":false,` + at + `,"total":1}`,
		"unknown state":       `{"epoch":1,"members":[{"name":"a","state":"dead","vouched":[]}],"quorum":false,` + at + `,"ttl_seconds":60,"total":1}`,
	} {
		if m, err := serve(t, says(200, "application/json", body)).Membership(t.Context()); err == nil {
			t.Errorf("%s is believed: %+v", name, m)
		}
	}
	bad := `{"sessions":[{"id":"x","owner":"","epoch":1,"version":1,"lease_until":"2026-01-01T00:00:00Z","priority":"low"}],` +
		at + `,"cut":{"history":"h","position":1}}`
	if _, err := serve(t, says(200, "application/json", bad)).List(t.Context(), sessions.Query{}); err == nil {
		t.Error("a session without an owner is believed")
	}
	if _, err := serve(t, says(200, "application/json", `{"node":"","buckets":[]}`)).Digest(t.Context(), "", sessions.Cut{}); err == nil {
		t.Error("a digest without buckets is believed")
	}
}

// Whether a sync is complete is judged by positions, not by what the endpoint says of it.
func TestSyncIsJudged(t *testing.T) {
	t.Parallel()
	body := `{"action":"a","at":"2026-01-01T00:00:00Z","items":[],` +
		`"cut":{"history":"h","position":9},"replicas":[{"name":"r","position":8,"has":true}],"complete":true}`
	s := sessions.Sync{Order: restore().Order, IDs: []string{"x"}}
	if got, err := serve(t, says(200, "application/json", body)).Sync(t.Context(), s); err != nil || got.Complete || got.Replicas[0].Has {
		t.Errorf("got %+v, %v", got, err)
	}
}

// Without the token nobody is let in.
func TestServerAsksForTheToken(t *testing.T) {
	t.Parallel()
	m := sessionstest.NewMemory(time.Now, time.Minute)
	server := httptest.NewServer(sessionstest.NewServer(m, m, "right"))
	t.Cleanup(server.Close)
	c, err := httpapi.New(httpapi.Config{URL: server.URL, Bearer: "wrong"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Membership(t.Context()); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("got %v", err)
	}
}
