package pooltest

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// appPool is an application with a pool of its own: so many of its workers may use their sessions at a time, and the others wait. At one
// address it answers as Prometheus does about it, and as its own endpoint for the pool's size.
type appPool struct {
	addr string

	mu                  sync.Mutex // guards the fields below
	changed             *sync.Cond
	size, busy, waiting int
	plan                string // of whoever made it larger, "" while nobody has
	stopped             bool
}

// baseSize is the pool's size as the application begins.
const baseSize = 20

// startApp starts the application's endpoints. Its workers come with [run.workers].
func startApp(t *testing.T, b *lab) *appPool {
	t.Helper()
	a := &appPool{addr: testbed.Addr(b), size: baseSize}
	a.changed = sync.NewCond(&a.mu)
	listener, err := net.Listen("tcp", a.addr)
	if err != nil {
		t.Fatalf("listen as the application: %v", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/query", a.query)
	mux.HandleFunc("GET /v1/pool", a.read)
	mux.HandleFunc("PUT /v1/pool", a.raise)
	mux.HandleFunc("DELETE /v1/pool", a.restore)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	var work sync.WaitGroup
	work.Go(func() { _ = server.Serve(listener) }) // it says that it was closed
	t.Cleanup(func() { _ = server.Close(); work.Wait() })
	return a
}

// query answers as Prometheus does, with one number.
func (a *appPool) query(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	numbers := map[string]int{"pool_waiting": a.waiting, "pool_busy": a.busy, "pool_size": a.size}
	a.mu.Unlock()
	vector := []any{}
	if n, known := numbers[r.FormValue("query")]; known {
		now := float64(time.Now().UnixMilli()) / 1000
		vector = append(vector, map[string]any{"metric": map[string]string{}, "value": []any{now, fmt.Sprint(n)}})
	}
	answer(w, map[string]any{"status": "success", "data": map[string]any{"resultType": "vector", "result": vector}})
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // whoever asked may have gone
}

func (a *appPool) read(w http.ResponseWriter, _ *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	state := "base"
	if a.plan != "" {
		state = "raised"
	}
	answer(w, map[string]any{"state": state, "size": a.size, "plan": a.plan})
}

// raise takes a size from whoever comes first.
func (a *appPool) raise(w http.ResponseWriter, r *http.Request) {
	var order struct {
		Size int    `json:"size"`
		Plan string `json:"plan"`
	}
	if err := json.NewDecoder(r.Body).Decode(&order); err != nil || order.Plan == "" || order.Size < 1 {
		http.Error(w, "no order", http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.plan != "" && a.plan != order.Plan {
		http.Error(w, "somebody else has raised it", http.StatusConflict)
		return
	}
	a.size, a.plan = order.Size, order.Plan
	a.changed.Broadcast()
}

func (a *appPool) restore(http.ResponseWriter, *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.size, a.plan = baseSize, ""
}

// shape is what is watched of it.
func (a *appPool) shape() (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return fmt.Sprintf("size %d", a.size), nil
}

// take waits for a place in the pool; false when the application stops.
func (a *appPool) take() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting++
	for a.busy >= a.size && !a.stopped {
		a.changed.Wait()
	}
	a.waiting--
	if !a.stopped {
		a.busy++
	}
	return !a.stopped
}

func (a *appPool) give() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.busy--
	a.changed.Broadcast()
}

// waits says how many do.
func (a *appPool) waits() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.waiting
}

// workers are so many, each with a session at the server that it may use when it has a place in the pool.
func (r *run) workers(n int) (stop func()) {
	r.t.Helper()
	var work sync.WaitGroup
	talk := chat(20)
	for range n {
		conn := r.connect(r.Primary.Addr, listed, "worker")
		work.Go(func() {
			for r.app.take() {
				err := talk(context.Background(), conn) // to its end: who is sent away in the middle loses its session
				r.app.give()
				if err != nil {
					return // that it was ended is found by its pid
				}
			}
		})
	}
	stop = sync.OnceFunc(func() {
		r.app.mu.Lock()
		r.app.stopped = true
		r.app.changed.Broadcast()
		r.app.mu.Unlock()
		work.Wait()
	})
	r.t.Cleanup(stop)
	return stop
}

// appTooSmall: the pool inside of an application is a little too small, and its own endpoint makes it larger.
func appTooSmall(r *run) {
	r.watch(expected{cause: "pool_too_small", verdict: "act", outcome: "fixed", changes: []string{"grow_pool checkout"},
		shapes: []string{"size 20", "size 23", "size 20"}})
	stop := r.workers(23)
	r.await("workers to wait", func() bool { return r.app.waits() == 3 })
	r.fire("AppPoolExhausted")
	r.looks("size 23")
	r.await("nobody to wait", func() bool { return r.app.waits() == 0 })
	r.healed()
	r.until("the effect", func(got blackbox.Record) bool { return got.Has("verified") })
	r.mend()
	stop()
	r.looks("size 20")
	r.until("the end of the change", func(got blackbox.Record) bool { return got.Has("reverted") })
	r.over()
}
