package bus_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
)

// When the incidents' stream is full no new incident is opened, by name; one that is open goes on to its end, since what it changed must be
// taken back, and other documents are not concerned. Nothing that is there is dropped for it. With room, opening goes on.
func TestIncidentsFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const limit = 64 << 10
	b := open(t, bus.Config{Dir: dir, IncidentsMaxBytes: limit})
	text := make([]byte, 4<<10)
	first, err := b.AppendIf(within(t), "incidents.test.open", 0, text)
	if err != nil {
		t.Fatal(err)
	}
	opened := 0
	eventually(t, "no new incident is opened", func() bool {
		_, err := b.AppendIf(within(t), fmt.Sprintf("incidents.test.%d", opened), 0, text)
		switch {
		case err == nil:
			opened++
		case !errors.Is(err, bus.ErrFull):
			t.Fatalf("got %v, want %v", err, bus.ErrFull)
		}
		return err != nil
	})
	bytes, max, err := b.IncidentsUsage(within(t))
	if err != nil || max != limit || bytes < limit {
		t.Errorf("usage: got %d of %d (%v), want it full", bytes, max, err)
	}
	for last := first; last < first+20; {
		if last, err = b.AppendIf(within(t), "incidents.test.open", last, text); err != nil {
			t.Fatalf("an open incident could not go on: %v", err)
		}
	}
	if msgs, err := b.Load(within(t), bus.Incidents, "incidents.test.open"); err != nil || len(msgs) < 2 || msgs[0].Seq != first {
		t.Errorf("got %d messages (%v), want the whole record from %d on", len(msgs), err, first)
	}
	cell, err := b.Cell(within(t), "ledger", "ledger")
	if err != nil {
		t.Fatal(err)
	}
	if err := cell.Change(within(t), func([]byte) ([]byte, error) { return text, nil }); err != nil {
		t.Errorf("the ledger: %v", err)
	}
	b.Close()
	again := open(t, bus.Config{Dir: dir, IncidentsMaxBytes: 1 << 20, MaxAge: time.Hour})
	if _, err := again.AppendIf(within(t), "incidents.test.new", 0, text); err != nil {
		t.Errorf("with a higher limit: %v", err)
	}
}
