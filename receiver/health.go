package receiver

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// Check is one thing that must work before this replica can do its job.
type Check struct {
	Name string
	Ask  func(context.Context) error
}

// Healthy answers that the process lives. It asks nothing: a restart would not mend what it could ask.
func Healthy() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n"))
	})
}

// Ready answers 200 when every check passes, else 503, and says which do not.
func Ready(checks []Check) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		answer := struct {
			Ready    bool              `json:"ready"`
			NotReady map[string]string `json:"not_ready,omitempty"`
		}{Ready: true, NotReady: map[string]string{}}
		for _, c := range checks {
			if err := c.Ask(ctx); err != nil {
				answer.Ready = false
				answer.NotReady[c.Name] = err.Error()
			}
		}
		w.Header().Set("Content-Type", "application/json")
		if !answer.Ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(answer)
	})
}
