package replicatest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// serve is one instance as others see it: its counters, and the admin endpoints that hold it off payments. A leased one has no
// endpoints.
func serve(t *testing.T, e *edge, i int) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/edges", func(w http.ResponseWriter, _ *http.Request) { show(w, e, i) })
	if !e.leased {
		mux.HandleFunc("POST /admin/edges/payments/open", func(w http.ResponseWriter, r *http.Request) { command(w, r, e, i, true) })
		mux.HandleFunc("POST /admin/edges/payments/adjust", func(w http.ResponseWriter, r *http.Request) { command(w, r, e, i, false) })
		mux.HandleFunc("DELETE /admin/edges/payments", func(w http.ResponseWriter, r *http.Request) {
			if action := r.URL.Query().Get("action"); action == "" || !e.end(i, action) {
				w.WriteHeader(http.StatusConflict)
				return
			}
			w.WriteHeader(http.StatusNoContent)
		})
	}
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

func show(w http.ResponseWriter, e *edge, i int) {
	c, n := e.look(i)
	state := "closed"
	if c.action != "" {
		state = "open"
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"edges": map[string]any{"payments": struct {
		counters
		State    string `json:"state"`
		Action   string `json:"action"`
		Released int    `json:"released"`
	}{n, state, c.action, c.released}}})
}

// command is apply (fresh) and adjust.
func command(w http.ResponseWriter, r *http.Request, e *edge, i int, fresh bool) {
	var body struct {
		Action   string    `json:"action"`
		Released int       `json:"released"`
		Until    time.Time `json:"until"`
	}
	err := json.NewDecoder(r.Body).Decode(&body)
	if err != nil || body.Action == "" || body.Until.IsZero() || r.Header.Get("Idempotency-Key") == "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if !e.hold(i, change{action: body.Action, released: body.Released, until: body.Until}, fresh) {
		w.WriteHeader(http.StatusConflict)
		return
	}
	w.WriteHeader(http.StatusOK)
}
