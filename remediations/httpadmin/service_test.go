package httpadmin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/httpadmin"
)

// service is one instance of a real service with admin endpoints: it keeps state, and remembers idempotency keys.
type service struct {
	server *httptest.Server

	mu        sync.Mutex
	action    string // whose change stands, "" if none
	effects   int    // how often a change came to stand
	commands  int    // commands that arrived
	keys      map[string]bool
	auth      string
	ownerless bool // it does not keep the action

	// mute answers commands only when the client is gone; delay waits before it obeys; status is answered instead of
	// obeying, broken after it.
	mute   bool
	delay  chan struct{}
	status int
	broken bool
}

func newService(t *testing.T) *service {
	t.Helper()
	s := &service{keys: map[string]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /admin/edges", s.read)
	mux.HandleFunc("POST /admin/edges/payments/open", s.command(s.open))
	mux.HandleFunc("POST /admin/edges/payments/release", s.command(s.release))
	mux.HandleFunc("DELETE /admin/edges/payments", s.command(s.remove))
	s.server = httptest.NewServer(mux)
	t.Cleanup(s.server.Close)
	return s
}

func (s *service) read(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	state, action := "closed", s.action
	if s.action != "" {
		state = "open"
	}
	if s.ownerless {
		action = ""
	}
	_, _ = fmt.Fprintf(w, `{"edges":{"payments":{"state":%q,"action":%q}}}`, state, action)
}

type body struct {
	Action   string         `json:"action"`
	Released int            `json:"released"`
	TTL      int            `json:"ttl_seconds"`
	Until    time.Time      `json:"until"`
	Params   map[string]any `json:"params"`
}

// command is what all commands have in common: the key, and the ways to misbehave.
func (s *service) command(obey func(b body, r *http.Request) int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var b body
		_ = json.NewDecoder(r.Body).Decode(&b)
		s.mu.Lock()
		mute, delay := s.mute, s.delay
		s.mu.Unlock()
		if delay != nil {
			<-delay
		}
		status := s.once(r, b, obey)
		if mute {
			<-r.Context().Done()
			return
		}
		w.WriteHeader(status)
	}
}

func (s *service) once(r *http.Request, b body, obey func(b body, r *http.Request) int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commands++
	s.auth = r.Header.Get("Authorization")
	key := r.Header.Get("Idempotency-Key")
	switch {
	case key == "":
		return http.StatusBadRequest
	case s.status != 0:
		return s.status
	case s.keys[key]:
		return http.StatusOK
	}
	status := obey(b, r)
	if status < 300 {
		s.keys[key] = true
	}
	if s.broken {
		return http.StatusInternalServerError
	}
	return status
}

func (s *service) open(b body, _ *http.Request) int {
	if s.action != "" && s.action != b.Action || b.Action == "" || b.TTL == 0 {
		return http.StatusConflict
	}
	if s.action == "" {
		s.effects++
	}
	s.action = b.Action
	return http.StatusOK
}

func (s *service) release(b body, _ *http.Request) int {
	if s.action != b.Action {
		return http.StatusConflict
	}
	return http.StatusOK
}

func (s *service) remove(_ body, r *http.Request) int {
	if s.action != r.URL.Query().Get("action") {
		return http.StatusConflict
	}
	s.action = ""
	return http.StatusNoContent
}

// set changes the service behind everybody's back.
func (s *service) set(f func(s *service)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

func get[T any](s *service, f func(s *service) T) T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return f(s)
}

// endpoints describes the services as a policy does.
func endpoints(services ...*service) policy.HTTPFix {
	fix := policy.HTTPFix{
		BearerToken: "s3cret",
		Controls: map[string]policy.HTTPControl{"open": {
			Apply: policy.HTTPRequest{
				Path: "/admin/edges/{{.Edge}}/open",
				Body: `{"action":{{.Action}},"released":{{.Released}},"ttl_seconds":{{.TTLSeconds}},"until":{{.Until}}}`,
			},
			Adjust: &policy.HTTPRequest{
				Path: "/admin/edges/{{.Edge}}/release",
				Body: `{"action":{{.Action}},"released":{{.Released}}}`,
			},
			Revert: policy.HTTPRequest{Method: "DELETE", Path: "/admin/edges/{{.Edge}}?action={{.Action}}"},
			Read: policy.HTTPRead{Path: "/admin/edges", State: "edges.payments.state", On: "open", Off: "closed",
				Action: "edges.payments.action"},
			SelfExpiring: true,
		}},
	}
	for _, s := range services {
		fix.Instances = append(fix.Instances, s.server.URL)
	}
	return fix
}

func admin(t *testing.T, fix policy.HTTPFix) *httpadmin.Admin {
	t.Helper()
	a, err := httpadmin.New(httpadmin.Config{Edges: map[string]policy.HTTPFix{"checkout/payments": fix}})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func step() remediations.Step {
	return remediations.Step{Remediation: httpadmin.Name, Service: "checkout", Edge: "payments", Fix: "open",
		TTL: policy.Duration(time.Minute), Limit: policy.Duration(5 * time.Minute), Timeout: policy.Duration(10 * time.Second)}
}

// order is an order that was seen absent.
func order(action string) remediations.Order {
	now := time.Now()
	return remediations.Order{Step: step(), Action: action, Incident: "i1", Fence: 1, Deadline: now.Add(time.Minute),
		Until: now.Add(time.Minute), Seen: remediations.Presence{State: remediations.Absent}}
}

// words fails the test if the text has not all of them.
func words(t *testing.T, text string, all ...string) {
	t.Helper()
	for _, w := range all {
		if !strings.Contains(text, w) {
			t.Errorf("%q does not say %q", text, w)
		}
	}
}
