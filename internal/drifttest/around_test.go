package drifttest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// around is a Prometheus that answers the four questions of the policy, each by its name. How many requests miss their session is what the
// application's nodes miss.
type around struct {
	url string

	mu        sync.Mutex // guards the fields below
	partition []string
	deploying float64
	silent    bool
}

// startAround starts one that knows the application.
func startAround(t *testing.T, missed func() int) *around {
	a := &around{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		results, ok := a.answer(r.FormValue("query"), missed)
		if !ok {
			http.Error(w, "nothing is known", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		// The one who asked may have gone.
		_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": "vector", "result": results}})
	}))
	t.Cleanup(server.Close)
	a.url = server.URL
	return a
}

// answer is a vector.
func (a *around) answer(question string, missed func() int) ([]any, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	one := func(v any, labels map[string]string) any {
		text, _ := json.Marshal(v)
		return map[string]any{"metric": labels, "value": []any{float64(time.Now().UnixMilli()) / 1000, string(text)}}
	}
	results := []any{}
	switch question {
	case "partition":
		for _, name := range a.partition {
			results = append(results, one(1, map[string]string{"alertname": name}))
		}
	case "deploying":
		results = append(results, one(a.deploying, nil))
	case "not_found":
		results = append(results, one(missed(), nil))
	case "orphans_before":
		results = append(results, one(0, nil))
	default:
		return nil, false
	}
	return results, !a.silent
}

// fires makes alerts of a partition fire.
func (a *around) fires(names ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.partition = names
}

// deploys says whether a deploy goes on.
func (a *around) deploys(now bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.deploying = 0
	if now {
		a.deploying = 1
	}
}

// quiet makes it answer nothing.
func (a *around) quiet() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.silent = true
}
