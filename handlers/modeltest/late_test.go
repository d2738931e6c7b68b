package modeltest

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/handlers"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/prometheus/client_golang/prometheus"
)

// until lets one replica go on alone until one of its workers stands at a point; it is false if that never happens.
func (w *world) until(slot int, point string) bool {
	for range 5000 {
		w.count.steps++
		w.now = w.now.Add(time.Millisecond)
		w.elapse()
		w.tellStory()
		if l := w.replicas[slot].busy(); l != nil && l.point == point {
			return true
		}
		w.goOn()
	}
	return false
}

// A command to a target that refuses nothing is held up behind the last gate. Another replica asks the target, which cannot tell, then asks
// again, and is told that nothing stands; before it writes that down, the command takes effect. Whoever of the two writes first, the
// change is known, or is taken back.
func TestLateEffectIsKnownWhoeverWritesFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(1, handlers.NewMetrics(prometheus.NewRegistry()), filepath.Join(t.TempDir(), "stop"))
	d := w.add("d0", "domain", remediations.ClassA)
	w.open(2)
	first, second := w.replicas[0], w.replicas[1]
	far := w.now.Add(24 * time.Hour)
	second.paused, second.wake = w.now, far
	d.sick = true
	w.post(w.fire(d, 0), 0)
	if !w.until(0, "wire:compared") {
		t.Fatal("the command was never about to be sent")
	}
	first.paused, first.wake = w.now, far
	second.paused = time.Time{}
	d.mute = true
	if !w.until(1, "appended:in_doubt") {
		t.Fatal("nobody came to doubt it")
	}
	d.mute = false
	if !w.until(1, "append:not_applied") {
		t.Fatal("nobody was told that nothing stands")
	}
	second.paused, second.wake = w.now, far
	first.paused = time.Time{}
	for first.busy() != nil && w.broken == "" {
		w.goOn()
	}
	if w.count.late[level] != 1 {
		t.Fatalf("got %d late effects, want the one that was held up", w.count.late[level])
	}
	second.paused = time.Time{}
	w.heal()
	w.settle()
	w.verdict()
	w.end()
	if w.broken != "" {
		t.Error(w.broken)
	}
}

// The same, and the command takes effect when the record has given it up already: whoever held it takes it back.
func TestLateEffectOfWhatWasGivenUpIsTakenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(1, handlers.NewMetrics(prometheus.NewRegistry()), filepath.Join(t.TempDir(), "stop"))
	d := w.add("d0", "domain", remediations.ClassA)
	w.open(2)
	first, second := w.replicas[0], w.replicas[1]
	far := w.now.Add(24 * time.Hour)
	second.paused, second.wake = w.now, far
	d.sick = true
	w.post(w.fire(d, 0), 0)
	if !w.until(0, "wire:compared") {
		t.Fatal("the command was never about to be sent")
	}
	first.paused, first.wake = w.now, far
	second.paused = time.Time{}
	if !w.until(1, "appended:not_applied") {
		t.Fatal("nobody gave it up")
	}
	second.paused, second.wake = w.now, far
	first.paused = time.Time{}
	for first.busy() != nil && w.broken == "" {
		w.goOn()
	}
	second.paused = time.Time{}
	if w.broken != "" || w.count.late[level] != 1 || w.count.lateEnded != 1 || d.ours() {
		t.Errorf("%d late effects, %d taken back, %q stands: %s", w.count.late[level], w.count.lateEnded, d.value, w.broken)
	}
	w.end()
}

// A replica stands still while it gives the grant of an ended change back. Another one gives it back, and begins the next change. The first
// one wakes up: what it gives back is not the later grant.
func TestLateReleaseEndsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(1, handlers.NewMetrics(prometheus.NewRegistry()), filepath.Join(t.TempDir(), "stop"))
	b := w.add("b0", "domain", remediations.ClassA)
	w.open(2)
	first, second := w.replicas[0], w.replicas[1]
	far := w.now.Add(24 * time.Hour)
	second.paused, second.wake = w.now, far
	b.sick, b.rejects = true, true
	w.post(w.fire(b, 0), 0)
	if !w.until(0, "appended:not_applied") || !w.until(0, "ledger:read") {
		t.Fatal("the grant was never given back")
	}
	first.paused, first.wake = w.now, far
	second.paused, b.rejects = time.Time{}, false
	if !w.until(1, "append:held") {
		t.Fatal("there was no later change")
	}
	second.paused, second.wake = w.now, far
	first.paused = time.Time{}
	for first.busy() != nil && w.broken == "" {
		w.goOn()
	}
	second.paused = time.Time{}
	if w.broken == "" {
		w.heal()
		w.settle()
		w.verdict()
	}
	w.end()
	if w.broken != "" || w.count.effects != 1 {
		t.Errorf("%d effects: %s", w.count.effects, w.broken)
	}
}

// A replica stands still behind a command that took effect and happens once. Another one is told that what it was for has gone, judges it and
// spends it. The first one wakes up: it has nothing to take back.
func TestSenderWakesBehindWhatIsSpent(t *testing.T) {
	t.Parallel()
	w := newWorld(1, handlers.NewMetrics(prometheus.NewRegistry()), filepath.Join(t.TempDir(), "stop"))
	f := w.add("f0", "domain", remediations.ClassA)
	w.open(2)
	first, second := w.replicas[0], w.replicas[1]
	far := w.now.Add(24 * time.Hour)
	second.paused, second.wake = w.now, far
	f.sick = true
	w.post(w.fire(f, 0), 0)
	if !w.until(0, "wire:delivered") {
		t.Fatal("the command was never sent")
	}
	first.paused, first.wake = w.now, far
	second.paused = time.Time{}
	if !w.until(1, "appended:spent") {
		t.Fatalf("nobody spent it: %s", w.broken)
	}
	second.paused, second.wake = w.now, far
	first.paused = time.Time{}
	for first.busy() != nil && w.broken == "" {
		w.goOn()
	}
	second.paused = time.Time{}
	if w.broken == "" {
		w.heal()
		w.settle()
		w.verdict()
	}
	w.end()
	if w.broken != "" || w.count.effects != 1 || w.count.spent != 1 || w.count.outcomes[incidents.OutcomeFixed] != 1 {
		t.Errorf("%d effects, %d spent, outcomes %v, want one each, fixed: %s", w.count.effects, w.count.spent, w.count.outcomes, w.broken)
	}
}
