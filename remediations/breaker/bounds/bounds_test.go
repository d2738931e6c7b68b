package bounds_test

import (
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/breaker/bounds"
	"github.com/firebreak-sre/firebreak/remediations/breaker/lease"
)

// What holds an edge open is bounded more tightly than all else, by the very word that the lease has for it.
func TestOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fix  lease.Fix
		want time.Duration
	}{{lease.Open, 5 * time.Minute}, {lease.RetryBudget, 10 * time.Minute}, {lease.Shed, 10 * time.Minute}} {
		got := bounds.Of(remediations.Step{Service: "checkout", Edge: "payments", Fix: string(c.fix)})
		if got.MaxLimit != c.want || bounds.Longest(string(c.fix)) != c.want {
			t.Errorf("%s: got %s, want %s", c.fix, got.MaxLimit, c.want)
		}
		if got.Class != remediations.ClassA || !got.ExpiresItself || !got.Adjusts || got.Once || got.Undo || len(got.Never) == 0 {
			t.Errorf("%s: got %+v", c.fix, got)
		}
	}
}
