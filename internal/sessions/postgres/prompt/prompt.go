// Package prompt reaches the servers of a cluster for those who ask all of them: which one is the primary, how far is each. A server that
// does not take a question soon is passed over for a while, so that one that hangs costs little now and then, and not each question as
// long as a connection may take to be given up.
//
// It does not give a connection up itself: a slow server that is full would not let in another one. Who waits for it waits on, apart from
// the one who asked.
package prompt

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/internal/sessions/postgres"
)

var (
	// ErrSilent is a server that did not take a question soon.
	ErrSilent = errors.New("the server does not answer")
	// ErrClosed is a use after Close.
	ErrClosed = errors.New("the servers are closed")
)

const (
	// takes is how long a server may take until it takes a question, passed how long it is then passed over.
	takes  = 2 * time.Second
	passed = 5 * time.Second
	// waits is how long a question that nobody waits for any more may still wait.
	waits = 10 * time.Second
)

// Servers passes over servers that are silent. Its methods may be called from any goroutine. The servers must be used through it alone: one
// that somebody else uses at length would look silent.
type Servers struct {
	to postgres.Servers

	mu sync.Mutex // guards the fields below
	// until is when a server is asked again, inUse how many questions it is answering.
	until map[string]time.Time
	inUse map[string]int
	// under are the questions under way, with what ends their waiting. Some of them nobody waits for any more.
	under  map[*question]context.CancelFunc
	closed bool

	all sync.WaitGroup
}

var _ postgres.Servers = (*Servers)(nil)

// New makes servers prompt.
func New(to postgres.Servers) *Servers {
	return &Servers{to: to, until: map[string]time.Time{}, inUse: map[string]int{}, under: map[*question]context.CancelFunc{}}
}

// Close ends all waiting, and waits for those that are being answered. It leaves the servers as they are.
func (s *Servers) Close() {
	s.mu.Lock()
	s.closed = true
	for _, end := range s.under {
		end()
	}
	s.mu.Unlock()
	s.all.Wait()
}

// Act goes straight to the server: what is to be changed is worth waiting for.
func (s *Servers) Act(ctx context.Context, node, action string, fn func(context.Context, *pgx.Conn) error) error {
	return s.to.Act(ctx, node, action, fn)
}

// question is one Look on its way.
type question struct {
	mu sync.Mutex // guards state
	// state begins as waiting, and changes once.
	state state
	begun chan struct{}
	done  chan error
}

type state int

const (
	waiting state = iota
	asked
	dropped
)

// become ends the waiting, unless something else did.
func (q *question) become(next state) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.state != waiting {
		return false
	}
	q.state = next
	return true
}

// Look lets fn read from a node, if that is ready to be read from soon. fn is called at most once, and never after Look has returned.
func (s *Servers) Look(ctx context.Context, node string, fn func(context.Context, *pgx.Conn) error) error {
	q := &question{begun: make(chan struct{}), done: make(chan error, 1)}
	if err := s.begin(ctx, node, q, fn); err != nil {
		return fmt.Errorf("look at %s: %w", node, err)
	}
	timer := time.NewTimer(takes)
	defer timer.Stop()
	for {
		select {
		case <-q.begun:
			return <-q.done
		case err := <-q.done: // it never came to fn
			return err
		case <-ctx.Done():
			if q.become(dropped) {
				return fmt.Errorf("look at %s: %w", node, context.Cause(ctx))
			}
			return <-q.done
		case <-timer.C:
			if s.isAnswering(node) { // it is us who keep it busy
				timer.Reset(takes)
				continue
			}
			if q.become(dropped) {
				s.pass(node)
				return fmt.Errorf("look at %s: %w", node, ErrSilent)
			}
			return <-q.done
		}
	}
}

// begin asks the server, whether somebody will wait for the answer or not.
func (s *Servers) begin(ctx context.Context, node string, q *question, fn func(context.Context, *pgx.Conn) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrClosed
	case s.until[node].After(time.Now()):
		return ErrSilent
	}
	patient, cancel := context.WithTimeout(context.WithoutCancel(ctx), waits)
	s.under[q] = cancel
	s.all.Go(func() {
		defer s.end(q, cancel)
		q.done <- s.to.Look(patient, node, func(_ context.Context, conn *pgx.Conn) error {
			s.heard(node)
			if !q.become(asked) {
				return nil
			}
			s.use(node, 1)
			defer s.use(node, -1)
			close(q.begun)
			return fn(ctx, conn)
		})
	})
	return nil
}

func (s *Servers) end(q *question, cancel context.CancelFunc) {
	cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.under, q)
}

// heard notes that a server answers, though perhaps late.
func (s *Servers) heard(node string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.until, node)
}

func (s *Servers) use(node string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inUse[node] += n
}

func (s *Servers) isAnswering(node string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inUse[node] > 0
}

func (s *Servers) pass(node string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until[node] = time.Now().Add(passed)
}
