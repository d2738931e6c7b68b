package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
)

// A restore that is killed at any of its steps leaves a folder on which no server starts, and the next restore makes it whole.
func TestRestoreKilled(t *testing.T) {
	t.Parallel()
	bin := filepath.Join(t.TempDir(), "firebreak")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "go", "build", "-tags", "failpoint", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("build firebreak with its crash points: %v\n%s", err, out)
	}
	config, _ := restorePolicy(t, "over")
	p := load(t, config)
	lost := openLost(t, bus.Config{Dir: t.TempDir()}, p)
	over := lost.opens(t, "over", incidents.Event{Kind: incidents.Closed, Closing: &incidents.Closing{Outcome: incidents.OutcomeWithdrawn}})
	file, _ := lost.backUp(t)
	lost.Close()
	data := filepath.Join(t.TempDir(), "data")
	for _, point := range []string{"restore:begun", "restore:ALERTS", "restore:INCIDENTS", "restore:KV_ledger", "restore:before_end"} {
		kill := exec.CommandContext(ctx, bin, "restore", file, "--config", config, "--data", data)
		kill.Env = append(os.Environ(), "FIREBREAK_FAILPOINT="+point)
		out, err := kill.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("%s: got %v, want it killed there:\n%s", point, err, out)
		}
		served, stopped := context.WithTimeout(ctx, serveStarts)
		var said output
		code := run(served, []string{"serve", "--config", config, "--data", data}, environment{}.lookup, &said, &said)
		stopped()
		if code != 1 || !strings.Contains(said.String(), "a restore was begun here and not finished") {
			t.Errorf("%s: serve: got exit %d, want it refused:\n%s", point, code, &said)
		}
	}
	says(t, nil, 0, []string{"restore", file, "--config", config, "--data", data}, "0 incidents are open")
	now := openLost(t, bus.Config{Dir: data}, p)
	st, err := now.store.Load(t.Context(), over.ID)
	if err != nil || st.Seq != over.Seq || st.Open() {
		t.Errorf("got %+v (%v), want the incident that ended", st, err)
	}
}
