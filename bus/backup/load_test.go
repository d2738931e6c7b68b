package backup_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/bus/backup"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// work is a server at work, as far as the order of its writes goes: an alert is stored, then its incident opened, then entered in the agenda,
// and only then is the alert acknowledged; a grant is taken before the record says that it is used, and given back, like the entry in the
// agenda, only behind the record's end.
type work struct {
	bus    *bus.Bus
	agenda *bus.Agenda
	ledger *bus.Cell
	// done counts finished incidents.
	done atomic.Int64
}

// books is the ledger of these tests.
type books struct {
	Fence uint64            `json:"fence"`
	Held  map[string]uint64 `json:"held"`
}

func (w *work) change(ctx context.Context, fn func(*books)) error {
	return w.ledger.Change(ctx, func(doc []byte) ([]byte, error) {
		b := books{Held: map[string]uint64{}}
		if doc != nil {
			if err := json.Unmarshal(doc, &b); err != nil {
				return nil, err
			}
		}
		fn(&b)
		return json.Marshal(b)
	})
}

// carry is the life of one incident.
func (w *work) carry(ctx context.Context, m bus.Msg) error {
	id := strings.TrimSpace(string(m.Data))
	subject := "incidents.test." + id
	seq, err := w.bus.AppendIf(ctx, subject, 0, []byte("opened"))
	if err != nil {
		return nil //nolint:nilerr // it is there already: the alert came again
	}
	if err := w.agenda.Set(ctx, "test."+id, time.Now()); err != nil {
		return err
	}
	var fence uint64
	err = w.change(ctx, func(b *books) { b.Fence++; b.Held[id], fence = b.Fence, b.Fence })
	if err != nil {
		return err
	}
	if seq, err = w.bus.AppendIf(ctx, subject, seq, fmt.Appendf(nil, "fence %d", fence)); err != nil {
		return err
	}
	if _, err = w.bus.AppendIf(ctx, subject, seq, []byte("closed")); err != nil {
		return err
	}
	if err := w.change(ctx, func(b *books) { delete(b.Held, id) }); err != nil {
		return err
	}
	w.done.Add(1)
	return w.agenda.Clear(ctx, "test."+id)
}

// A backup that is taken while a server works, and with it its order: what the records say, the ledger knows; what is open in the records and
// in no agenda had ended by then; what was acknowledged of the alerts is in the records. Nothing is held up by it.
func TestUnderLoad(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{})
	ballast(t, b)
	w := &work{bus: b, agenda: agendaOf(t, b), ledger: cell(t, b, "ledger")}
	j := b.Journal()
	running(t, j.Run)
	stopAlerts := running(t, func(ctx context.Context) error {
		for n := 0; ctx.Err() == nil; n++ {
			if err := j.Append(ctx, fmt.Appendf(nil, "i%d\n", n)); err != nil && ctx.Err() == nil {
				return err
			}
		}
		return nil
	})
	stopWork := running(t, func(ctx context.Context) error {
		return b.Work(ctx, bus.Work{Stream: bus.Alerts, Durable: "handler_test"}, w.carry)
	})
	meanwhile := int64(0)
	for round := range 2 {
		begun := w.done.Load()
		testbed.Await(t, patience, "some more incidents", func() bool { return w.done.Load() > begun+10 })
		begun = w.done.Load()
		file, m := take(t, b)
		meanwhile += w.done.Load() - begun
		t.Logf("round %d: it took %s", round, m.Ended.Sub(m.Begun))
		checkRestored(t, b, file)
	}
	if meanwhile == 0 {
		t.Error("nothing ended while backups were taken: they held the work up, or this test tries nothing")
	}
	stopAlerts()
	stopWork()
}

// ballast makes the stream of incidents large enough that taking it takes a while.
func ballast(t *testing.T, b *bus.Bus) {
	t.Helper()
	text := make([]byte, 1<<20)
	for i := range text {
		text[i] = byte(i * i >> 7)
	}
	for n := range 24 {
		if _, err := b.AppendIf(within(t), fmt.Sprintf("incidents.ballast.%d", n), 0, text); err != nil {
			t.Fatal(err)
		}
	}
}

func checkRestored(t *testing.T, b *bus.Bus, file []byte) {
	t.Helper()
	r := bare(t, bus.Config{})
	restore(t, r, file)
	was, truth := lives(t, r), lives(t, b)
	var known books
	if err := json.Unmarshal([]byte(read(t, r, "ledger")), &known); err != nil {
		t.Fatal(err)
	}
	entered, err := agendaOf(t, r).Open(within(t))
	if err != nil {
		t.Fatal(err)
	}
	for id, life := range was {
		last := life[len(life)-1]
		_, open := entered["test."+id]
		if last != "closed" && !open && truth[id][len(truth[id])-1] != "closed" {
			t.Errorf("incident %s is open, in no agenda, and did not end", id)
		}
		for _, event := range life {
			var fence uint64
			if _, err := fmt.Sscanf(event, "fence %d", &fence); err == nil && fence > known.Fence {
				t.Errorf("incident %s used the grant %d, and the ledger knows only %d", id, fence, known.Fence)
			}
		}
		if _, err := fmt.Sscanf(last, "fence %d", new(uint64)); err == nil && known.Held[id] == 0 && truth[id][len(truth[id])-1] != "closed" {
			t.Errorf("incident %s has a grant in use that the ledger does not hold", id)
		}
	}
	for _, id := range acknowledged(t, r) {
		if was[id] == nil {
			t.Errorf("alert %s was acknowledged, and its incident is in no record", id)
		}
	}
}

// lives are the records, by incident.
func lives(t *testing.T, b *bus.Bus) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, m := range records(t, b, bus.Incidents) {
		if id, ok := strings.CutPrefix(m.Subject, "incidents.test."); ok {
			all[id] = append(all[id], string(bytes.Clone(m.Data)))
		}
	}
	if len(all) == 0 {
		t.Fatal("no incident is in the records")
	}
	return all
}

// acknowledged are the alerts that the reader has acknowledged.
func acknowledged(t *testing.T, b *bus.Bus) []string {
	t.Helper()
	reader, err := b.JetStream().Consumer(within(t), bus.Alerts, "handler_test")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, m := range records(t, b, bus.Alerts) {
		if m.Seq <= reader.CachedInfo().AckFloor.Stream {
			all = append(all, strings.Fields(string(m.Data))...)
		}
	}
	if len(all) == 0 {
		t.Fatal("the reader has acknowledged nothing")
	}
	return all
}

// Whatever happens between two parts, what the parts say of each other holds: a whole incident's life, and one that has only begun.
func TestOrder(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{})
	w := &work{bus: b, agenda: agendaOf(t, b), ledger: cell(t, b, "ledger")}
	j := b.Journal()
	running(t, j.Run)
	running(t, func(ctx context.Context) error {
		return b.Work(ctx, bus.Work{Stream: bus.Alerts, Durable: "handler_test"}, w.carry)
	})
	n := 0
	between := func() {
		n++
		for i := range 3 {
			if err := j.Append(within(t), fmt.Appendf(nil, "i%d-%d\n", n, i)); err != nil {
				t.Fatal(err)
			}
		}
		testbed.Await(t, patience, "the lives of three incidents", func() bool { return w.done.Load() == int64(3*n) })
		w.begin(t, fmt.Sprintf("begun%d", n))
	}
	between()
	var file bytes.Buffer
	if err := backup.TakeSlowly(within(t), b, &file, between); err != nil {
		t.Fatal(err)
	}
	checkRestored(t, b, file.Bytes())
}

// begin is an incident that has a grant in use and does not end.
func (w *work) begin(t *testing.T, id string) {
	t.Helper()
	ctx := within(t)
	seq, err := w.bus.AppendIf(ctx, "incidents.test."+id, 0, []byte("opened"))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.agenda.Set(ctx, "test."+id, time.Now()); err != nil {
		t.Fatal(err)
	}
	var fence uint64
	if err := w.change(ctx, func(b *books) { b.Fence++; b.Held[id], fence = b.Fence, b.Fence }); err != nil {
		t.Fatal(err)
	}
	if _, err := w.bus.AppendIf(ctx, "incidents.test."+id, seq, fmt.Appendf(nil, "fence %d", fence)); err != nil {
		t.Fatal(err)
	}
}
