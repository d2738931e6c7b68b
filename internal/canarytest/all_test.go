package canarytest

import (
	"sync"
	"testing"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
)

// No secret of the policy gets out, on good days and bad, and no place in the policy that may hold a secret is left out of this.
func TestNoSecretGetsOut(t *testing.T) {
	t.Parallel()
	bin := blackbox.Build(t)
	var mu sync.Mutex // guards planted
	var planted []planting
	add := func(more ...planting) {
		mu.Lock()
		defer mu.Unlock()
		planted = append(planted, more...)
	}
	t.Run("days", func(t *testing.T) {
		t.Run("good day", func(t *testing.T) { t.Parallel(); add(testGoodDay(t, bin)) })
		t.Run("bad day", func(t *testing.T) { t.Parallel(); add(testBadDay(t, bin, 0, plant)) })
		t.Run("bad day, from files", func(t *testing.T) { t.Parallel(); add(testBadDay(t, bin, 2, plantFiles)) })
		t.Run("lost", func(t *testing.T) { t.Parallel(); add(testLost(t, bin)...) })
	})
	if !t.Failed() { // a day that was cut short planted nothing
		requirePlanted(t, planted)
	}
}
