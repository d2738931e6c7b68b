package fieldtest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
)

// trail is what something was, one after the other, as often as it became something else.
type trail struct {
	look func() (string, error)
	stop func()

	mu   sync.Mutex // guards the fields below
	been []string
	err  error // of the last look that failed
}

// follow looks twenty times a second until it is stopped, or the test ends.
func follow(t *testing.T, look func() (string, error)) *trail {
	t.Helper()
	f := &trail{look: look}
	f.once()
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		for blackbox.Pause(ctx, 50*time.Millisecond) {
			f.once()
		}
	})
	f.stop = sync.OnceFunc(func() { cancel(); work.Wait() })
	t.Cleanup(f.stop)
	return f
}

func (f *trail) once() {
	now, err := f.look()
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.err = err
		return
	}
	if len(f.been) == 0 || f.been[len(f.been)-1] != now {
		f.been = append(f.been, now)
	}
}

// end stops looking and gives what it was.
func (f *trail) end() ([]string, error) {
	f.once()
	f.stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.been), f.err
}
