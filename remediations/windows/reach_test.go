package windows_test

import (
	"testing"

	"github.com/firebreak-sre/firebreak/internal/archcheck"
)

// TestReachesNothing holds that who asks about windows of the past brings nothing along that could reach a system.
func TestReachesNothing(t *testing.T) {
	t.Parallel()
	found, err := archcheck.Reach(t.Context(), ".", archcheck.Clients()...)
	if err != nil {
		t.Fatal(err)
	}
	for _, way := range found {
		t.Errorf("it can reach a system: %s", way)
	}
}
