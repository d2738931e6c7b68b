package blackbox

import (
	"sync"
	"testing"

	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// Lane is one place where runs follow each other, with servers that outlive many runs. It is the testbed's test: what is started for the
// lane ends with the lane, and what fails does so in the run that is under way.
type Lane struct {
	root *testing.T

	mu       sync.Mutex // guards the fields below
	current  *testing.T
	failed   bool
	cleanups []func()
}

var _ testbed.TB = (*Lane)(nil)

// NewLane is a lane of a test that has several runs. Somebody has to end it.
func NewLane(root *testing.T) *Lane { return &Lane{root: root, current: root} }

func (l *Lane) now() *testing.T {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current
}

// Enter makes a run's test the one that fails, and returns what ends that.
func (l *Lane) Enter(t *testing.T) func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current = t
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.failed = l.failed || t.Failed()
		l.current = l.root
	}
}

// Helper does nothing: a lane has no lines of its own.
func (l *Lane) Helper() {}

// Cleanup is called when the lane ends, the last first.
func (l *Lane) Cleanup(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cleanups = append(l.cleanups, f)
}

// Failed says that some run of the lane has failed.
func (l *Lane) Failed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed || l.current.Failed()
}

// Fatalf ends the run that is under way.
func (l *Lane) Fatalf(format string, args ...any) {
	t := l.now()
	t.Helper()
	t.Fatalf(format, args...)
}

// Logf logs in the run that is under way.
func (l *Lane) Logf(format string, args ...any) { l.now().Logf(format, args...) }

// TempDir is a folder that outlives the lane.
func (l *Lane) TempDir() string { return l.root.TempDir() }

// End stops everything that was started for the lane, the last first.
func (l *Lane) End() {
	for {
		l.mu.Lock()
		n := len(l.cleanups)
		if n == 0 {
			l.mu.Unlock()
			return
		}
		f := l.cleanups[n-1]
		l.cleanups = l.cleanups[:n-1]
		l.mu.Unlock()
		f()
	}
}
