package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/bus/backup"
	"github.com/rs/zerolog"
)

// patience bounds every wait of these tests.
const patience = 2 * time.Minute

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// open opens a bus as a server does.
func open(t *testing.T, cfg bus.Config) *bus.Bus {
	t.Helper()
	return opened(t, bus.Open, cfg)
}

// bare opens a bus without streams.
func bare(t *testing.T, cfg bus.Config) *bus.Bus {
	t.Helper()
	return opened(t, bus.OpenBare, cfg)
}

func opened(t *testing.T, how func(context.Context, bus.Config) (*bus.Bus, error), cfg bus.Config) *bus.Bus {
	t.Helper()
	cfg.Log = zerolog.Nop()
	if cfg.Dir == "" && cfg.URL == "" {
		cfg.Dir = t.TempDir()
	}
	b, err := how(within(t), cfg)
	if err != nil {
		t.Fatalf("open the bus: %v", err)
	}
	t.Cleanup(sync.OnceFunc(b.Close))
	return b
}

// take is a backup of a bus.
func take(t *testing.T, b *bus.Bus) ([]byte, backup.Manifest) {
	t.Helper()
	var file bytes.Buffer
	m, err := backup.Take(within(t), b, "test", &file)
	if err != nil {
		t.Fatalf("take the backup: %v", err)
	}
	return file.Bytes(), m
}

// restore makes a backup's streams on a bus.
func restore(t *testing.T, b *bus.Bus, file []byte) {
	t.Helper()
	_, err := backup.Restore(within(t), b, bytes.NewReader(file), func(ctx context.Context, _ backup.Manifest) error { return b.Prepare(ctx) })
	if err != nil {
		t.Fatalf("restore: %v", err)
	}
}

// records is what a stream holds, message by message.
func records(t *testing.T, b *bus.Bus, stream string) []bus.Msg {
	t.Helper()
	var all []bus.Msg
	err := b.Follow(within(t), bus.Past{Stream: stream}, func(m bus.Msg) error {
		all = append(all, m)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func same(t *testing.T, what string, got, want []bus.Msg) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: got %d messages, want %d", what, len(got), len(want))
	}
	for i := range got {
		g, w := got[i], want[i]
		if g.Seq != w.Seq || g.Subject != w.Subject || !bytes.Equal(g.Data, w.Data) || !g.At.Equal(w.At) {
			t.Fatalf("%s: message %d: got %+v, want %+v", what, i, g, w)
		}
	}
}

// running runs a part until the test ends.
func running(t *testing.T, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// fill stores a little of everything.
func fill(t *testing.T, b *bus.Bus) {
	t.Helper()
	ctx := within(t)
	j := b.Journal()
	running(t, j.Run)
	for n := range 20 {
		if err := j.Append(ctx, fmt.Appendf(nil, "alert %d\n", n)); err != nil {
			t.Fatal(err)
		}
		if _, err := b.AppendIf(ctx, fmt.Sprintf("incidents.test.%d", n), 0, fmt.Appendf(nil, "opened %d", n)); err != nil {
			t.Fatal(err)
		}
	}
	agenda := agendaOf(t, b)
	for n := range 5 {
		if err := agenda.Set(ctx, fmt.Sprintf("test.%d", n), time.Unix(int64(n), 0)); err != nil {
			t.Fatal(err)
		}
	}
	if err := agenda.Clear(ctx, "test.4"); err != nil {
		t.Fatal(err)
	}
	write(t, b, "ledger", "the books")
	write(t, b, "switch", "on")
	shelf, err := b.Shelf(ctx, "slack", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shelf.Put(ctx, "one", []byte("message"), 0); err != nil {
		t.Fatal(err)
	}
}

func agendaOf(t *testing.T, b *bus.Bus) *bus.Agenda {
	t.Helper()
	agenda, err := b.Agenda(within(t), "agenda")
	if err != nil {
		t.Fatal(err)
	}
	return agenda
}

func cell(t *testing.T, b *bus.Bus, name string) *bus.Cell {
	t.Helper()
	c, err := b.Cell(within(t), name, name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func write(t *testing.T, b *bus.Bus, name, text string) {
	t.Helper()
	if err := cell(t, b, name).Change(within(t), func([]byte) ([]byte, error) { return []byte(text), nil }); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, b *bus.Bus, name string) string {
	t.Helper()
	doc, err := cell(t, b, name).Get(within(t))
	if err != nil {
		t.Fatal(err)
	}
	return string(doc)
}

// What was backed up is there again: every message with its sequence and its time, every document, every reader where it was. Only what is
// stored from then on has sequences that nobody has seen.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{})
	fill(t, b)
	readOnce(t, b, 7)
	file, m := take(t, b)
	if again, err := backup.Verify(bytes.NewReader(file)); err != nil || len(again.Parts) != len(m.Parts) {
		t.Fatalf("verify: got %v with %d parts, want %d", err, len(again.Parts), len(m.Parts))
	}

	r := bare(t, bus.Config{})
	restore(t, r, file)
	same(t, "alerts", records(t, r, bus.Alerts), records(t, b, bus.Alerts))
	same(t, "incidents", records(t, r, bus.Incidents), records(t, b, bus.Incidents))
	if got := read(t, r, "ledger") + ", " + read(t, r, "switch"); got != "the books, on" {
		t.Errorf("the documents: got %q", got)
	}
	open, err := agendaOf(t, r).Open(within(t))
	if err != nil || len(open) != 4 || !open["test.3"].Equal(time.Unix(3, 0)) {
		t.Errorf("the agenda: got %v (%v), want test.0 to test.3", open, err)
	}
	if got, want := readOnce(t, r, 1)[0], "alert 7\n"; got != want {
		t.Errorf("the reader goes on at %q, want %q", got, want)
	}
	seq, err := r.AppendIf(within(t), "incidents.test.0", 1, []byte("more"))
	if err != nil || seq <= m.Last(bus.Incidents)+backup.Ahead-1 {
		t.Errorf("the next record has sequence %d (%v), want it beyond %d", seq, err, m.Last(bus.Incidents)+backup.Ahead)
	}
}

// readOnce reads so many alerts as a handler does, and acknowledges them.
func readOnce(t *testing.T, b *bus.Bus, n int) []string {
	t.Helper()
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	var got []string
	err := b.Work(ctx, bus.Work{Stream: bus.Alerts, Durable: "handler_test"}, func(_ context.Context, m bus.Msg) error {
		if len(got) == n {
			return errors.New("enough")
		}
		if got = append(got, string(m.Data)); len(got) == n {
			cancel()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}
