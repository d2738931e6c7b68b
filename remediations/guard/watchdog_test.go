package guard_test

import (
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/guard"
)

func watchdog(t *testing.T, maxAge time.Duration) *guard.Watchdog {
	t.Helper()
	w, err := guard.NewWatchdog(&policy.Watchdog{Alert: "Watchdog", MaxAge: policy.Duration(maxAge)}, noon())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// The alert that always fires may be silent for so long, counted from its last delivery or from the start.
func TestWatchdog(t *testing.T) {
	t.Parallel()
	w := watchdog(t, 10*time.Minute)
	at := func(m int) time.Time { return noon().Add(time.Duration(m) * time.Minute) }
	deaf := remediations.ReasonWatchdog
	wantNo(t, "just started", w.Check(at(10)), "")
	wantNo(t, "never heard", w.Check(at(10).Add(1)), deaf, "since the start", "10m0s")
	w.Heard(at(-600)) // read again from what was kept
	wantNo(t, "old news, just started", w.Check(at(10)), "")
	if got := w.LastHeard(); !got.Equal(at(-600)) {
		t.Errorf("got last heard %s", got)
	}
	w.Heard(at(20))
	w.Heard(at(15)) // late
	if got := w.LastHeard(); !got.Equal(at(20)) {
		t.Errorf("got last heard %s, want %s", got, at(20))
	}
	wantNo(t, "heard", w.Check(at(30)), "")
	wantNo(t, "silent", w.Check(at(31)), deaf, "12:20:00")
	wantNo(t, "the clock was put back a little", w.Check(at(10)), "")
	wantNo(t, "the clock was put back far", w.Check(at(9)), deaf, "put back")
	w.Heard(at(40))
	wantNo(t, "heard again", w.Check(at(41)), "")
}

// Nobody watches without a policy, and a policy without an age is refused.
func TestNoWatchdog(t *testing.T) {
	t.Parallel()
	w, err := guard.NewWatchdog(nil, noon())
	if err != nil || w != nil {
		t.Fatalf("got %v and %v", w, err)
	}
	w.Heard(noon())
	wantNo(t, "nil", w.Check(noon().Add(time.Hour)), "")
	if got := w.LastHeard(); !got.IsZero() {
		t.Errorf("got last heard %s", got)
	}
	if _, err := guard.NewWatchdog(&policy.Watchdog{}, noon()); err == nil {
		t.Error("a watchdog without an age was made")
	}
}

// Deliveries and checks come from everywhere at once.
func TestWatchdogConcurrently(t *testing.T) {
	t.Parallel()
	w := watchdog(t, time.Minute)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() { w.Heard(noon().Add(time.Duration(i) * time.Second)) })
		all.Go(func() { wantNo(t, "check", w.Check(noon().Add(50*time.Second)), "") })
	}
	all.Wait()
	if got, want := w.LastHeard(), noon().Add(49*time.Second); !got.Equal(want) {
		t.Errorf("got last heard %s, want %s", got, want)
	}
}
