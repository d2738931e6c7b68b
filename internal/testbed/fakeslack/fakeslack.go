// Package fakeslack is a Slack workspace in one process: its Web API, its Socket Mode, its signed interaction requests and
// its response URLs, on a port of the loopback interface. It keeps what was posted, refuses what Slack's documentation says
// Slack refuses, and breaks on demand. Tests use it, and so does the demo.
//
// # A press
//
//	app ── chat.postMessage ──▶ fake            the message and its buttons are kept
//	                            fake ◀── Press  a person presses a button
//	app ◀── block_actions ───── fake            over HTTP, signed; or as an envelope over one socket
//	app ── 200, or ack ───────▶ fake            within 3 s, or the person sees a warning
//	app ── chat.update ───────▶ fake            another version of the message; the old ones are kept too
//
// # What is not promised
//
// Where Slack documents no number, this fake takes the strict side of what people have observed, and says so at the
// constant. It never retries a press by itself, and like Slack it does not remove duplicates by client_msg_id.
package fakeslack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Server is a running workspace. Its methods may be called from any number of goroutines.
type Server struct {
	config  Config
	base    string
	methods map[string]method
	http    *http.Server

	// done is closed by Close; work are the goroutines that Close waits for.
	done chan struct{}
	work sync.WaitGroup

	mu sync.Mutex
	// The rest is guarded by mu. changed is closed and replaced whenever any of it changes.
	changed    chan struct{}
	closed     bool
	workspace  Workspace
	requestURL string
	revoked    string
	board      board
	brakes     brakes
	faults     faults
	calls      []Call
	exchange   exchange
	sockets    sockets
}

// New starts a workspace.
func New(c Config) (*Server, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for slack: %w", err)
	}
	s := &Server{
		config:     c,
		base:       listener.Addr().String(),
		methods:    methods(),
		done:       make(chan struct{}),
		changed:    make(chan struct{}),
		workspace:  c.Workspace,
		requestURL: c.Interaction.RequestURL,
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/api/{method}", s.serveAPI)
	mux.HandleFunc("POST /actions/{team}/{id}/{secret}", s.serveResponseURL)
	mux.HandleFunc("GET /link/", s.serveSocket)
	s.http = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	s.work.Go(func() {
		// It ends with ErrServerClosed, when Close says so.
		_ = s.http.Serve(listener)
	})
	return s, nil
}

// Close stops it and waits until nothing of it runs. Requests that hang are cut.
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
	s.cutSockets()
	s.work.Wait()
	if err != nil {
		return fmt.Errorf("close slack: %w", err)
	}
	return nil
}

// APIURL is the base of the Web API as slack.OptionAPIURL wants it, with a slash at its end.
func (s *Server) APIURL() string { return "http://" + s.base + "/api/" }

// App is the app with its defaults filled in: tokens, secret, ids.
func (s *Server) App() App { return s.config.App }

// SetRequestURL sends interactions to a URL from now on; an empty one sends them over Socket Mode.
func (s *Server) SetRequestURL(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requestURL = url
}

// Revoke makes every token fail with the given error from now on, e.g. "token_revoked" or "account_inactive". Empty: they
// work again.
func (s *Server) Revoke(code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoked = code
}

// ErrClosed is the end of a wait for something that can no longer happen.
var ErrClosed = errors.New("the workspace is closed")

// Wait returns when cond is true, looking at it again after every change. It must not hold locks that cond takes.
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
