package modeltest

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/handlers"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/prometheus/client_golang/prometheus"
)

// A replica dies with a change armed, and the fault becomes another one. Whoever goes on does not send what was armed for the first.
func TestAnotherPlanIsNotSent(t *testing.T) {
	t.Parallel()
	w := newWorld(1, handlers.NewMetrics(prometheus.NewRegistry()), filepath.Join(t.TempDir(), "stop"))
	b := w.add("b0", "domain", remediations.ClassA)
	w.open(2)
	w.replicas[1].paused, w.replicas[1].wake = w.now, w.now.Add(24*time.Hour)
	b.sick = true
	w.post(w.fire(b, 0), 0)
	if !w.until(0, "appended:intended") {
		t.Fatal("nothing was armed")
	}
	w.kill(w.replicas[0])
	w.replicas[0].wake = w.now.Add(24 * time.Hour)
	w.replicas[1].paused = time.Time{}
	b.grade = 2
	if !w.until(1, "appended:refused") || w.broken != "" || w.count.reasons[remediations.ReasonPlanChanged] != 1 {
		t.Errorf("it was not refused as another plan: %v; %s", w.count.reasons, w.broken)
	}
	w.end()
}
