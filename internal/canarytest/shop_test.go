package canarytest

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// cure is how long calls must be held off before the storm is over.
const cure = 150 * time.Millisecond

// shop is a service in a retry storm that ends when its calls are held off. It lets nobody in without the right token.
type shop struct {
	readToken, adminToken string

	mu       sync.Mutex // guards the fields below
	at       time.Time
	sick     bool
	action   string
	held     time.Time // since when; counts only while nothing was released
	counters struct {
		Calls     float64 `json:"calls"`
		Attempts  float64 `json:"attempts"`
		Successes float64 `json:"successes"`
		Failures  float64 `json:"failures"`
	}
}

// move moves the shop on to now. The caller holds mu.
func (s *shop) move() {
	now := time.Now()
	if !s.at.IsZero() {
		n := 2000 * now.Sub(s.at).Seconds()
		s.counters.Calls += n
		switch {
		case s.action != "" && s.sick:
		case s.sick:
			s.counters.Attempts, s.counters.Successes, s.counters.Failures = s.counters.Attempts+3*n, s.counters.Successes+n/5, s.counters.Failures+2.8*n
		default:
			s.counters.Attempts, s.counters.Successes = s.counters.Attempts+n, s.counters.Successes+n
		}
	}
	s.at = now
	if s.action != "" && now.Sub(s.held) > cure {
		s.sick = false
	}
}

func (s *shop) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/edges", s.show)
	mux.HandleFunc("POST /admin/hold", s.hold)
	mux.HandleFunc("DELETE /admin/hold", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.move()
		if s.admin(r) && s.action == r.URL.Query().Get("action") {
			s.action = ""
			return
		}
		w.WriteHeader(http.StatusConflict)
	})
	return mux
}

func (s *shop) admin(r *http.Request) bool {
	return r.Header.Get("Authorization") == "Bearer "+s.adminToken
}

func (s *shop) show(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.admin(r) && r.Header.Get("Authorization") != "Bearer "+s.readToken {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	s.move()
	state := "closed"
	if s.action != "" {
		state = "open"
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"payments": s.counters, "state": state, "action": s.action}) // the reader may be gone
}

func (s *shop) hold(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Action string `json:"action"`
	}
	err := json.NewDecoder(r.Body).Decode(&body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.move()
	if err != nil || !s.admin(r) || s.action != "" && s.action != body.Action {
		w.WriteHeader(http.StatusConflict)
		return
	}
	if s.action == "" {
		s.held = time.Now()
	}
	s.action = body.Action
}
