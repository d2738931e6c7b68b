package client

import (
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Counts are an edge's cumulative counters. They start at zero with the process, and never fall.
type Counts struct {
	Calls     uint64 `json:"calls"`     // unique calls, refused ones included
	Attempts  uint64 `json:"attempts"`  // attempts made at the dependency
	Successes uint64 `json:"successes"` // calls that ended well
	Failures  uint64 `json:"failures"`  // attempts that failed at the dependency
	Rejected  uint64 `json:"rejected"`  // attempts that a lease refused
}

// counts are the counters as they are kept. Attempts are started less shorted: an attempt is counted when it starts, so
// that attempts and calls go together, and taken back if it turns out that the service's own breaker refused it.
type counts struct {
	calls, started, shorted, successes, failures, rejected atomic.Uint64

	mu    sync.Mutex
	shown uint64 // the most attempts that were ever shown, guarded by mu
}

// Record adds what was counted elsewhere.
func (e *Edge) Record(c Counts) {
	e.counts.calls.Add(c.Calls)
	e.counts.started.Add(c.Attempts)
	e.counts.successes.Add(c.Successes)
	e.counts.failures.Add(c.Failures)
	e.counts.rejected.Add(c.Rejected)
}

// Counts are the counters now.
func (e *Edge) Counts() Counts {
	c := &e.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	// An attempt is started before it is shorted: reading in the other order never gives a negative number.
	shorted := c.shorted.Load()
	c.shown = max(c.shown, c.started.Load()-shorted)
	return Counts{Calls: c.calls.Load(), Attempts: c.shown, Successes: c.successes.Load(), Failures: c.failures.Load(),
		Rejected: c.rejected.Load()}
}

// edgeStats is an edge as the stats handler shows it.
type edgeStats struct {
	Counts
	Held     bool       `json:"held"`
	Fix      string     `json:"fix,omitempty"`
	Action   string     `json:"action,omitempty"`
	Released int        `json:"released,omitempty"`
	Until    *time.Time `json:"until,omitempty"`
}

// StatsHandler shows the counters and the leases of all edges as JSON: what the JSON probe of Firebreak reads.
func (c *Client) StatsHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		document := struct {
			Service  string               `json:"service"`
			Instance string               `json:"instance"`
			Edges    map[string]edgeStats `json:"edges"`
		}{c.service, c.instance, map[string]edgeStats{}}
		for _, e := range c.all() {
			s := edgeStats{Counts: e.Counts()}
			if l, held := e.Held(); held {
				ends := l.Ends.Round(0)
				s.Held, s.Fix, s.Action, s.Released, s.Until = true, l.Fix.String(), l.Action, l.Released, &ends
			}
			document.Edges[e.name] = s
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(document)
	})
}
