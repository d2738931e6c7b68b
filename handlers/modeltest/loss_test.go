package modeltest

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/handlers"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/prometheus/client_golang/prometheus"
)

// one is a world with one target that is sick, and one replica.
func one(t *testing.T, k kind) (*world, *target) {
	t.Helper()
	w := newWorld(1, handlers.NewMetrics(prometheus.NewRegistry()), filepath.Join(t.TempDir(), "stop"))
	w.lanes = 2
	target := w.add(string(k)+"0", "domain", remediations.ClassA)
	w.open(2)
	w.replicas[1].paused, w.replicas[1].wake = w.now, w.now.Add(24*time.Hour)
	target.sick = true
	return w, target
}

// C0, C1b: the webhook never arrives, or the broker loses what it had taken. The alert is found at Alertmanager, and handled once; so is its end.
func TestLostDeliveriesAreFound(t *testing.T) {
	t.Parallel()
	for _, k := range kinds() {
		w, target := one(t, k)
		w.fire(target, 0)
		w.later(5*time.Minute, func() { target.sick = false; w.resolve(target, 0) })
		w.later(20*time.Minute, func() {})
		w.drive(crashes, -1)
		w.verdict()
		w.end()
		if w.broken != "" || w.count.incidents != 1 || w.count.closed != 1 || w.count.effects == 0 {
			t.Errorf("kind %s: %d incidents, %d closed, %d effects, want one incident with its change; %s", k,
				w.count.incidents, w.count.closed, w.count.effects, w.broken)
		}
	}
}

// forget loses all that is kept.
func (w *world) forget() {
	w.records = records{by: map[string][]bus.Msg{}, newest: map[string]bus.Msg{}}
	w.agenda = entries{items: map[string]entry{}, claims: map[string]claim{}}
	w.book, w.bookRev, w.truth = nil, 0, newTruth()
}

// C18: the disk with all records is lost while a change stands. What the target can end by itself it ends; what it cannot, stands until a person
// looks. Nothing is put over it, nothing is done twice at once.
func TestEverythingIsForgotten(t *testing.T) {
	t.Parallel()
	for _, k := range kinds() {
		if k.once() {
			continue // nothing of it stands
		}
		w, target := one(t, k)
		w.post(w.fire(target, 0), 0)
		if !w.until(0, "append:held") {
			t.Fatalf("kind %s: the change was never held: %s", k, w.broken)
		}
		stood, edits := target.value, target.edits
		w.kill(w.replicas[0])
		w.replicas[0].wake = w.now
		w.forget()
		ends := target.until
		w.post(w.alert(target, 0, "webhook"), time.Second)
		for w.broken == "" && w.now.Before(ends.Add(-time.Second)) {
			w.count.steps++
			w.now = w.now.Add(time.Millisecond)
			w.elapse()
			w.goOn()
			if target.settle(); target.edits != edits && w.now.Before(ends) {
				t.Fatalf("kind %s: what stood was touched by somebody who knows nothing of it", k)
			}
		}
		if w.broken != "" || w.truth.files[incidents.NewID(familyName, target.name, 1)] == nil || w.truth.effects[stood] != 0 {
			t.Errorf("kind %s: the alert was not taken up anew, or acted on: %s", k, w.broken)
		}
		w.now = ends.Add(time.Millisecond)
		if target.settle(); target.ours() == k.expires() {
			t.Errorf("kind %s: stands behind its end: %t", k, target.ours())
		}
		w.end()
	}
}

// The same for a change that happened once: it is not done again, since what it was for has gone.
func TestWhatHappenedOnceIsForgotten(t *testing.T) {
	t.Parallel()
	w, target := one(t, momentary)
	w.post(w.fire(target, 0), 0)
	if !w.until(0, "appended:applied") {
		t.Fatalf("it was never done: %s", w.broken)
	}
	w.kill(w.replicas[0])
	w.replicas[0].wake = w.now
	w.forget()
	w.post(w.alert(target, 0, "webhook"), time.Second)
	if !w.until(0, "appended:decided") {
		t.Fatalf("the alert was not taken up anew: %s", w.broken)
	}
	w.heal()
	w.settle()
	w.verdict()
	w.end()
	if w.broken != "" || w.count.effects != 1 || w.count.outcomes[incidents.OutcomeFalsePositive] != 1 {
		t.Errorf("%d effects, outcomes %v, want one effect and a false positive: %s", w.count.effects, w.count.outcomes, w.broken)
	}
}
