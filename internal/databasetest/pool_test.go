package databasetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// poolWatch writes down each change of a server in the read pool, as HAProxy's runtime API shows it.
type poolWatch struct {
	pool *testbed.HAProxy

	mu    sync.Mutex // guards the fields below
	last  map[string]string
	moves []string // "pg2 drain", in their order
	err   error
}

// watchPool looks twenty times a second until the run ends.
func (r *run) watchPool() *poolWatch {
	r.t.Helper()
	w := &poolWatch{pool: r.pool}
	w.look()
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		for blackbox.Pause(ctx, 50*time.Millisecond) {
			w.look()
		}
	})
	r.t.Cleanup(func() { cancel(); work.Wait() })
	return w
}

func (w *poolWatch) look() {
	now, err := stateOf(w.pool)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.err = err
		return
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if w.last != nil && w.last[name] != now[name] {
			w.moves = append(w.moves, name+" "+now[name])
		}
	}
	w.last = now
}

// seen is every move so far, and how it is now.
func (w *poolWatch) seen() (moves []string, now map[string]string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.moves), w.last, w.err
}

// is says that a server is in a state now.
func (w *poolWatch) is(server, state string) bool {
	_, now, _ := w.seen()
	return now[server] == state
}

// stateOf is what each server was told to be: ready, drain or maint.
func stateOf(h *testbed.HAProxy) (map[string]string, error) {
	text, err := h.Command("show servers state " + h.Backend)
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 7 || f[1] != h.Backend {
			continue
		}
		switch f[6] {
		case "0":
			all[f[3]] = "ready"
		case "8":
			all[f[3]] = "drain"
		default:
			all[f[3]] = "state " + f[6]
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no servers in %q", text)
	}
	return all, nil
}

// marks are what Firebreak has left in HAProxy's variables about a server, "" if there is nothing.
func marks(h *testbed.HAProxy, server string) string {
	var left []string
	for _, kind := range []string{"held", "claim"} {
		name := "proc.firebreak." + kind + "." + h.Backend + "." + server
		text, err := h.Command("get var " + name)
		if err != nil {
			left = append(left, err.Error())
		} else if strings.Contains(text, "value=<") && !strings.Contains(text, "value=<>") {
			left = append(left, text)
		}
	}
	return strings.Join(left, "; ")
}

// judgePool: the servers moved as they should and no more, and at the end they are as they should be, without a mark of ours.
func (r *run) judgePool() {
	r.moves.look()
	moves, now, err := r.moves.seen()
	if err != nil {
		r.wrongly("look at the pool: %v", err)
	}
	if !slices.Equal(moves, r.want.moves) {
		r.harm("the pool moved %q, want %q", moves, r.want.moves)
	}
	for server, state := range now {
		if state != "ready" && !slices.Contains(r.want.out, server) {
			r.harm("%s is left in the state %s", server, state)
		}
		if left := marks(r.pool, server); left != "" {
			r.harm("a mark of ours is left at %s: %s", server, left)
		}
	}
}
