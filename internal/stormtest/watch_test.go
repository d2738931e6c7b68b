package stormtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// watch is what is seen from outside while a storm lasts.
type watch struct {
	api api
	pid int

	mu       sync.Mutex // guards the fields below
	rss      int        // the largest, in bytes
	took     map[string][]time.Duration
	problems []string
	// since is when Firebreak says that it stopped all changes, until is until when, by its last word. lapses is how often it began
	// anew.
	since, until time.Time
	lapses       int
}

// paths are what people and tools read during a storm. What happened in the last minute is as much in a second storm as in a first.
func paths() []string { return []string{"/readyz", "/metrics", "/api/v1/incidents?since=1m"} }

// begin watches until the function that it returns is called, which waits for the end.
func (w *watch) begin(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	w.took = map[string][]time.Duration{}
	var wg sync.WaitGroup
	every := func(d time.Duration, f func()) {
		wg.Go(func() {
			for f(); pause(ctx, d); {
				f()
			}
		})
	}
	every(20*time.Millisecond, w.weigh)
	every(100*time.Millisecond, func() { w.sight(ctx) })
	for _, path := range paths() {
		every(300*time.Millisecond, func() { w.ask(ctx, path) })
	}
	return func() { cancel(); wg.Wait() }
}

func (w *watch) problem(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.problems = append(w.problems, err.Error())
}

// weigh measures the process's memory.
func (w *watch) weigh() {
	n, err := residentBytes(w.pid)
	if err != nil {
		w.problem(err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rss = max(w.rss, n)
}

// sight asks whether all changes are stopped by a storm.
func (w *watch) sight(ctx context.Context) {
	all, err := list[block](ctx, w.api, "/api/v1/blocked")
	if err != nil {
		if ctx.Err() == nil {
			w.problem(err)
		}
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, b := range all {
		if b.What != "limit" || b.Reason != "storm" || b.Where != "everything" {
			continue
		}
		switch {
		case w.since.IsZero():
			w.since = b.Since
		case b.Since.After(w.until):
			w.lapses++
		}
		w.until = b.Until
	}
}

func (w *watch) ask(ctx context.Context, path string) {
	begun := time.Now()
	err := w.api.get(ctx, path, func([]byte) error { return nil })
	switch {
	case ctx.Err() != nil:
	case err != nil:
		w.problem(err)
	default:
		w.mu.Lock()
		defer w.mu.Unlock()
		w.took[path] = append(w.took[path], time.Since(begun))
	}
}

// times are how long a path took to answer, in words.
func (w *watch) times(path string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := slices.Sorted(slices.Values(w.took[path]))
	if len(all) == 0 {
		return "never answered"
	}
	ms := func(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }
	return fmt.Sprintf("%d answers, half within %s, the slowest %s", len(all), ms(all[len(all)/2]), ms(all[len(all)-1]))
}

// residentBytes is how much of a process is in memory, as Linux tells it.
func residentBytes(pid int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read the memory of the process: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			return kb << 10, err
		}
	}
	return 0, errors.New("read the memory of the process: there is no VmRSS; this test needs Linux")
}
