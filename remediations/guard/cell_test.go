package guard_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/guard"
)

var _ guard.Document = (*bus.Cell)(nil)

func openBus(t *testing.T, dir string) *bus.Bus {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	b, err := bus.Open(ctx, bus.Config{Dir: dir, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sync.OnceFunc(b.Close))
	return b
}

func openCell(t *testing.T, b *bus.Bus) *bus.Cell {
	t.Helper()
	cell, err := b.Cell(t.Context(), "brake", "brake")
	if err != nil {
		t.Fatal(err)
	}
	return cell
}

// On the real bus what one replica says the other one sees at once; many at a time lose nothing; it outlives a restart; and
// damage, or a bus that is gone, is off.
func TestBrakeOnTheBus(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := openBus(t, dir)
	one, other := newBrake(t, openCell(t, first)), newBrake(t, openCell(t, first))
	ctx := t.Context()
	wantNo(t, "fresh", other.Check(ctx, "h", "d", noon()), "")

	var all sync.WaitGroup
	for range 10 {
		for _, b := range []*guard.Brake{one, other} {
			all.Go(func() {
				if _, err := b.Pause(ctx, guard.Pause{By: "alice", Reason: "r"}, noon()); err != nil {
					t.Error(err)
				}
				wantNo(t, "paused", b.Check(ctx, "h", "d", noon()), remediations.ReasonPaused)
			})
		}
	}
	all.Wait()
	names := map[string]bool{}
	for _, p := range other.Read(ctx, noon()).Pauses {
		names[p.ID] = true
	}
	if len(names) != 20 {
		t.Errorf("got %d pauses of 20", len(names))
	}
	if got, err := one.Resume(ctx, "", "bob", noon()); err != nil || len(got) != 20 {
		t.Errorf("resumed %d of 20: %v", len(got), err)
	}
	wantNo(t, "resumed", other.Check(ctx, "h", "d", noon()), "")
	if err := one.SwitchOff(ctx, guard.Order{By: "bob", Reason: "r"}, noon()); err != nil {
		t.Fatal(err)
	}
	wantNo(t, "off at the other", other.Check(ctx, "h", "d", noon()), remediations.ReasonKillSwitch, "bob")

	first.Close()
	wantNo(t, "bus gone", one.Check(ctx, "h", "d", noon()), remediations.ReasonKillSwitch, "could not be read")
	if err := one.SwitchOn(ctx, guard.Order{By: "bob", Reason: "r"}, noon()); err == nil {
		t.Error("switched on without a bus")
	}

	cell := openCell(t, openBus(t, dir))
	again := newBrake(t, cell)
	wantNo(t, "after a restart", again.Check(ctx, "h", "d", noon()), remediations.ReasonKillSwitch, "bob")
	if err := again.SwitchOn(ctx, guard.Order{By: "bob", Reason: "r"}, noon()); err != nil {
		t.Fatal(err)
	}
	wantNo(t, "on", again.Check(ctx, "h", "d", noon()), "")
	for _, damage := range []string{"", "{", `{"v":3}`} {
		if err := cell.Change(ctx, func([]byte) ([]byte, error) { return []byte(damage), nil }); err != nil {
			t.Fatal(err)
		}
		wantNo(t, "damaged "+damage, again.Check(ctx, "h", "d", noon()), remediations.ReasonKillSwitch, "could not be read")
	}
}
