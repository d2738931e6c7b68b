package replicationlag_test

import (
	"testing"

	"github.com/firebreak-sre/firebreak/internal/archcheck"
)

// TestThinksWithoutClients holds that a replay which decides again brings nothing along that could reach a system.
func TestThinksWithoutClients(t *testing.T) {
	t.Parallel()
	found, err := archcheck.Reach(t.Context(), ".", archcheck.Clients()...)
	if err != nil {
		t.Fatal(err)
	}
	for _, way := range found {
		t.Errorf("it can reach a system: %s", way)
	}
}
