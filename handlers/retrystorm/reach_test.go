package retrystorm_test

import (
	"testing"

	"github.com/firebreak-sre/firebreak/internal/archcheck"
)

// TestThinksWithoutClients holds that nothing which this package brings along can reach a system: a replay is built of it.
func TestThinksWithoutClients(t *testing.T) {
	t.Parallel()
	ways, err := archcheck.Reach(t.Context(), ".", archcheck.Clients()...)
	if err != nil {
		t.Fatal(err)
	}
	for _, way := range ways {
		t.Errorf("a client is reached: %s", way)
	}
}
