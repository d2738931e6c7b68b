// Package blackbox is what tests need that hold the whole product against real servers: its real binary as a process of its own, what it says
// of its incidents as a stranger reads it, lanes in which runs follow each other on servers that outlive them, and the table of what all runs
// came to.
//
// It stands outside: it speaks HTTP, reads JSON, and imports nothing of the product.
package blackbox

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Within is how long a thing may take that usually takes a moment, on a machine that has much else to do.
const Within = 60 * time.Second

// Build builds Firebreak as it is, but for the crash points.
func Build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "firebreak")
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "failpoint", "-o", bin, "./cmd/firebreak")
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build firebreak with its crash points: %v\n%s", err, out)
	}
	return bin
}

// Long says that every run is made often.
func Long() bool { return os.Getenv("FIREBREAK_LONG") == "1" }

// Pause is false if the context ended before the time was over.
func Pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
