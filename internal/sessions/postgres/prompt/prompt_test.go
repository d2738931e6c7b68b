package prompt_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/internal/sessions/postgres/prompt"
)

// servers take each question after a time by their name; "hung" never does. It counts what came to an answer.
type servers struct {
	mu       sync.Mutex // guards the fields below
	after    map[string]time.Duration
	answered int
	looks    int
}

func (s *servers) Look(ctx context.Context, node string, fn func(context.Context, *pgx.Conn) error) error {
	after, ok := s.came(node)
	if !ok {
		<-ctx.Done()
		return ctx.Err()
	}
	select {
	case <-time.After(after):
	case <-ctx.Done():
		return ctx.Err()
	}
	s.count(&s.answered)
	return fn(ctx, nil)
}

func (s *servers) Act(ctx context.Context, node, action string, fn func(context.Context, *pgx.Conn) error) error {
	return s.Look(ctx, node, fn)
}

func (s *servers) came(node string) (time.Duration, bool) {
	s.count(&s.looks)
	s.mu.Lock()
	defer s.mu.Unlock()
	after, ok := s.after[node]
	return after, ok
}

func (s *servers) take(node string, after time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.after[node] = after
}

func (s *servers) count(n *int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*n++
}

var errOwn = errors.New("what the question found")

func ask(context.Context, *pgx.Conn) error { return errOwn }

// TestPasses: a server that hangs costs two seconds once, then nothing for a while, and is asked again after that; others are not held up.
func TestPasses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &servers{after: map[string]time.Duration{"quick": time.Millisecond}}
		s := prompt.New(to)
		defer s.Close()
		start := time.Now()
		look := func(node string, want error, took time.Duration) {
			t.Helper()
			begun := time.Now()
			if err := s.Look(t.Context(), node, ask); !errors.Is(err, want) || time.Since(begun) != took {
				t.Errorf("after %s, %s: got %v after %s, want %v after %s", time.Since(start), node, err, time.Since(begun), want, took)
			}
		}
		look("hung", prompt.ErrSilent, 2*time.Second)
		look("hung", prompt.ErrSilent, 0)
		look("quick", errOwn, time.Millisecond)
		<-time.After(5 * time.Second)
		look("hung", prompt.ErrSilent, 2*time.Second)
		to.take("hung", time.Millisecond)
		<-time.After(5 * time.Second)
		look("hung", errOwn, time.Millisecond)
		if to.looks != 4 {
			t.Errorf("the servers were asked %d times, want 4", to.looks)
		}
	})
}

// TestLate: a server that takes a question late is not asked what nobody waits for, and is not passed over any more.
func TestLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &servers{after: map[string]time.Duration{"slow": 3 * time.Second}}
		s := prompt.New(to)
		called := false
		err := s.Look(t.Context(), "slow", func(context.Context, *pgx.Conn) error {
			called = true
			return nil
		})
		<-time.After(3 * time.Second)
		synctest.Wait()
		if !errors.Is(err, prompt.ErrSilent) || called || to.answered != 1 {
			t.Errorf("got %v, called %t, %d answers, want that it is silent and never called", err, called, to.answered)
		}
		to.take("slow", time.Millisecond)
		if err := s.Look(t.Context(), "slow", ask); !errors.Is(err, errOwn) {
			t.Errorf("once it has answered: %v", err)
		}
		s.Close()
		if err := s.Look(t.Context(), "slow", ask); !errors.Is(err, prompt.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// TestBusyWithUs: a server that answers a long question of ours is not silent to the next one.
func TestBusyWithUs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		turn := make(chan struct{}, 1)
		s := prompt.New(turns{turn})
		defer s.Close()
		long := make(chan error)
		go func() {
			long <- s.Look(t.Context(), "one", func(context.Context, *pgx.Conn) error {
				<-time.After(4500 * time.Millisecond)
				return nil
			})
		}()
		synctest.Wait()
		start := time.Now()
		if err := s.Look(t.Context(), "one", ask); !errors.Is(err, errOwn) || time.Since(start) != 4500*time.Millisecond {
			t.Errorf("got %v after %s, want its turn", err, time.Since(start))
		}
		if err := <-long; err != nil {
			t.Error(err)
		}
	})
}

// turns is a server with one session.
type turns struct{ turn chan struct{} }

func (s turns) Look(ctx context.Context, _ string, fn func(context.Context, *pgx.Conn) error) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.turn }()
	return fn(ctx, nil)
}

func (s turns) Act(ctx context.Context, node, _ string, fn func(context.Context, *pgx.Conn) error) error {
	return s.Look(ctx, node, fn)
}

// TestCallersEnd: who asks is let go when its own time is over, and its question is not asked afterwards; a question that is being answered
// learns of it.
func TestCallersEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := prompt.New(&servers{after: map[string]time.Duration{"quick": time.Millisecond}})
		defer s.Close()
		cause := errors.New("enough")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, cause)
		defer cancel()
		if err := s.Look(ctx, "hung", ask); !errors.Is(err, cause) {
			t.Errorf("while it waits: %v", err)
		}
		ctx, cancel = context.WithTimeoutCause(t.Context(), 300*time.Millisecond, cause)
		defer cancel()
		err := s.Look(ctx, "quick", func(ctx context.Context, _ *pgx.Conn) error {
			<-ctx.Done()
			return context.Cause(ctx)
		})
		if !errors.Is(err, cause) {
			t.Errorf("while it is answered: %v", err)
		}
	})
}
