package stormtest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// serve is the town as others see it: the pages with the counters of each edge, and the admin endpoints that hold it off.
func serve(t *testing.T, town *town) string {
	t.Helper()
	mux := http.NewServeMux()
	handle := func(pattern string, f func(w http.ResponseWriter, r *http.Request, e *edge)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			for _, e := range town.edges {
				if e.service == r.PathValue("service") && e.name == r.PathValue("edge") {
					f(w, r, e)
					return
				}
			}
			w.WriteHeader(http.StatusNotFound)
		})
	}
	handle("GET /{service}/debug/{edge}", town.show)
	handle("POST /{service}/open/{edge}", func(w http.ResponseWriter, r *http.Request, e *edge) { town.command(w, r, e, true) })
	handle("POST /{service}/adjust/{edge}", func(w http.ResponseWriter, r *http.Request, e *edge) { town.command(w, r, e, false) })
	handle("DELETE /{service}/open/{edge}", func(w http.ResponseWriter, r *http.Request, e *edge) {
		if !town.end(e, r.URL.Query().Get("action")) {
			w.WriteHeader(http.StatusConflict)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

func (t *town) show(w http.ResponseWriter, _ *http.Request, e *edge) {
	n, c := t.look(e)
	state := "closed"
	if c.action != "" {
		state = "open"
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(struct { // the reader may be gone
		counters
		State  string `json:"state"`
		Action string `json:"action"`
	}{n, state, c.action})
}

// command is open (fresh) and adjust.
func (t *town) command(w http.ResponseWriter, r *http.Request, e *edge, fresh bool) {
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
	if !t.hold(e, change{action: body.Action, released: body.Released, until: body.Until}, fresh) {
		w.WriteHeader(http.StatusConflict)
		return
	}
	w.WriteHeader(http.StatusOK)
}
