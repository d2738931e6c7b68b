// Package fakepagerduty is PagerDuty's Events API in one process, on a port of the loopback interface: alert events with
// their life by dedup key, change events, the limits that the documentation names, and faults on demand. Tests use it, and
// so does the demo.
//
// # One dedup key of one integration
//
//	            trigger                        acknowledge
//	(nothing) ─────────▶ triggered ──────────────────────▶ acknowledged
//	    ▲                  │  ▲ trigger: a log entry          │  trigger: a log entry, it stays acknowledged
//	    │ the next         └──┘                               │
//	    │ trigger opens       │ resolve                       │ resolve
//	    │ another one         ▼                               ▼
//	    └──────────────── resolved ◀──────────────────────────┘
//
// An acknowledge or resolve of what is not open is accepted, answered like any other, and ignored. So is one that comes by
// another integration key.
package fakepagerduty

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Config is one account.
type Config struct {
	// RoutingKeys are the integration keys that exist, 32 characters each. Nil: [DefaultKey] alone.
	RoutingKeys []string
	// PerMinute is how many events a key takes in any minute, default 120. Negative: as many as come.
	PerMinute int
	// Now is the account's clock. Default time.Now.
	Now func() time.Time
}

// DefaultKey is an integration key that nobody has.
const DefaultKey = "0fake0routing0key0for0tests00000"

// Server is a running account. Its methods may be called from any number of goroutines.
type Server struct {
	config Config
	base   string
	http   *http.Server

	// done is closed by Close; work are the goroutines that Close waits for.
	done chan struct{}
	work sync.WaitGroup

	mu sync.Mutex
	// The rest is guarded by mu. changed is closed and replaced whenever any of it changes.
	changed   chan struct{}
	closed    bool
	faults    faults
	recent    map[string][]time.Time
	events    []Event
	incidents []*Incident
	changes   []Change
	calls     []Call
	made      int
}

// New starts an account.
func New(c Config) (*Server, error) {
	if c.RoutingKeys == nil {
		c.RoutingKeys = []string{DefaultKey}
	}
	for _, key := range c.RoutingKeys {
		if len(key) != keyLength {
			return nil, fmt.Errorf("check routing keys: one has %d characters, not %d", len(key), keyLength)
		}
	}
	if c.PerMinute == 0 {
		c.PerMinute = 120
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for pagerduty: %w", err)
	}
	s := &Server{
		config: c, base: listener.Addr().String(), done: make(chan struct{}), changed: make(chan struct{}), recent: map[string][]time.Time{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+Enqueue, s.serve(Enqueue, s.enqueue))
	mux.HandleFunc("POST "+ChangeEnqueue, s.serve(ChangeEnqueue, s.enqueueChange))
	s.http = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	s.work.Go(func() {
		// It ends with ErrServerClosed, when Close says so.
		_ = s.http.Serve(listener)
	})
	return s, nil
}

// URL is the base that clients are given instead of https://events.pagerduty.com, without a slash at its end.
func (s *Server) URL() string { return "http://" + s.base }

// Close stops it. Requests that hang are cut.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	close(s.done)
	s.mu.Unlock()
	err := s.http.Close()
	s.work.Wait()
	if err != nil {
		return fmt.Errorf("close pagerduty: %w", err)
	}
	return nil
}

// ErrClosed is the end of a wait for something that can no longer happen.
var ErrClosed = errors.New("the account is closed")

// Wait returns when cond is true, looking at it again after every change.
func (s *Server) Wait(ctx context.Context, cond func() bool) error {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if cond() {
			return nil
		}
		select {
		case <-changed:
		case <-s.done:
			return ErrClosed
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// touch tells those who wait that something changed. The caller holds mu.
func (s *Server) touch() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// limited counts an event of a key, unless the last minute is full. The caller holds mu.
func (s *Server) limited(key string) bool {
	now := s.config.Now()
	recent := s.recent[key]
	for len(recent) > 0 && now.Sub(recent[0]) >= time.Minute {
		recent = recent[1:]
	}
	if s.config.PerMinute > 0 && len(recent) >= s.config.PerMinute {
		s.recent[key] = recent
		return true
	}
	s.recent[key] = append(recent, now)
	return false
}

// isRuleset says whether a key belongs to a ruleset, which takes no change events.
func isRuleset(key string) bool { return strings.HasPrefix(key, "R") }
