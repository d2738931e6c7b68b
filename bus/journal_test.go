package bus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
)

// appendAll appends n entries at once and waits until all of them wait. The results come when the journal runs.
func appendAll(t *testing.T, j *bus.Journal, n int) (results <-chan error) {
	t.Helper()
	out := make(chan error, n)
	for i := range n {
		go func() { out <- j.Append(within(t), fmt.Appendf(nil, "entry %d\n", i)) }()
	}
	eventually(t, "all entries wait", func() bool { return j.Waiting() == n })
	return out
}

// One alert alone is stored at once, as one message.
func TestJournalLone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, bus.Config{Dir: dir})
	j := b.Journal()
	running(t, j.Run)
	if err := j.Append(within(t), []byte("alone\n")); err != nil {
		t.Fatal(err)
	}
	// The copy is what a power cut right now would leave.
	got, messages := lines(t, open(t, bus.Config{Dir: copyDir(t, dir)}))
	if want := []string{"alone"}; !slices.Equal(got, want) || messages != 1 {
		t.Errorf("got %q in %d messages, want %q in one", got, messages, want)
	}
}

// Entries that wait together share messages, and so one sync of the disk; none is lost.
func TestJournalShares(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, bus.Config{Dir: dir})
	j := b.Journal()
	const n = 200
	results := appendAll(t, j, n)
	stop := running(t, j.Run)
	for range n {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	stop()
	b.Close()
	got, messages := lines(t, open(t, bus.Config{Dir: dir}))
	if messages >= n/10 {
		t.Errorf("got %d messages for %d entries that waited together, want few", messages, n)
	}
	want := make([]string, n)
	for i := range want {
		want[i] = fmt.Sprintf("entry %d", i)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got %d entries, want each of %d once", len(got), n)
	}
}

// Entries of one caller keep their order, however many callers there are.
func TestJournalOrder(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{})
	j := b.Journal()
	stop := running(t, j.Run)
	const callers, each = 8, 25
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				if err := j.Append(within(t), fmt.Appendf(nil, "%d %d\n", c, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	stop()
	got, _ := lines(t, b)
	next := [callers]int{}
	for _, l := range got {
		var c, i int
		if _, err := fmt.Sscanf(l, "%d %d", &c, &i); err != nil {
			t.Fatal(err)
		}
		if i != next[c] {
			t.Errorf("caller %d: got entry %d, want %d", c, i, next[c])
		}
		next[c] = i + 1
	}
	if len(got) != callers*each {
		t.Errorf("got %d entries, want %d", len(got), callers*each)
	}
}

// Large entries are cut into as many messages as they need, and one that fits nowhere is refused by name.
func TestJournalLarge(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{})
	j := b.Journal()
	stop := running(t, j.Run)
	if err := j.Append(within(t), make([]byte, j.MaxEntry()+1)); !errors.Is(err, bus.ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
	entry := append([]byte(strings.Repeat("x", j.MaxEntry()-1)), '\n')
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := j.Append(within(t), entry); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	stop()
	if got, messages := lines(t, b); len(got) != 3 || messages != 3 {
		t.Errorf("got %d entries in %d messages, want three in three", len(got), messages)
	}
}

// A journal that does not store says so when the caller's patience ends, not later, with the caller's own reason.
func TestJournalTimeout(t *testing.T) {
	t.Parallel()
	j := open(t, bus.Config{}).Journal()
	reason := errors.New("the caller's reason")
	ctx, cancel := context.WithTimeoutCause(context.Background(), 20*time.Millisecond, reason)
	defer cancel()
	if err := j.Append(ctx, []byte("x\n")); !errors.Is(err, reason) {
		t.Errorf("got %v, want %v", err, reason)
	}
}

// A stop stores what was handed in before it, and the journal can run again.
func TestJournalDrains(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{})
	j := b.Journal()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for round := range 3 {
		results := appendAll(t, j, 50)
		if err := j.Run(ctx); err != nil {
			t.Fatal(err)
		}
		for range 50 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if got, _ := lines(t, b); len(got) != 50*(round+1) {
			t.Errorf("got %d entries after round %d, want %d", len(got), round, 50*(round+1))
		}
	}
}

// A full journal refuses what is new; it never forgets what it acknowledged.
func TestJournalFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, bus.Config{Dir: dir, MaxBytes: 64 << 10})
	j := b.Journal()
	stop := running(t, j.Run)
	var want []string
	for i := 0; ; i++ {
		text := fmt.Sprintf("%04d %s", i, strings.Repeat("x", 2000))
		if err := j.Append(within(t), []byte(text+"\n")); err != nil {
			break
		}
		if want = append(want, text); i > 64 {
			t.Fatal("got more than 64 KiB stored, want an error")
		}
	}
	if err := j.Append(within(t), []byte(strings.Repeat("y", 4000)+"\n")); err == nil {
		t.Error("got a full journal that takes more, want an error")
	}
	stop()
	b.Close()
	got, _ := lines(t, open(t, bus.Config{Dir: dir, MaxBytes: 64 << 10}))
	if len(want) < 20 || !slices.Equal(got, want) {
		t.Errorf("got %d entries, want the %d that were acknowledged", len(got), len(want))
	}
}
