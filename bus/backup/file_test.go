package backup_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/bus/backup"
	"github.com/nats-io/nats.go/jetstream"
)

// A file that is cut off anywhere, or in which anything has changed, is refused, and nothing was written for it.
func TestDamagedFile(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{})
	fill(t, b)
	file, whole := take(t, b)
	target := bare(t, bus.Config{})
	refused := func(what string, damaged []byte) {
		t.Helper()
		_, err := backup.Restore(within(t), target, bytes.NewReader(damaged), func(context.Context, backup.Manifest) error { return nil })
		if !errors.Is(err, backup.ErrDamaged) && !errors.Is(err, backup.ErrForeign) {
			t.Errorf("%s: got %v, want it to be refused as damaged or foreign", what, err)
		}
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		refused("cut off", file[:rnd.IntN(len(file))])
		changed := bytes.Clone(file)
		at := 10 + rnd.IntN(len(file)-10) // before it is gzip's own head, which says nothing
		changed[at] ^= 1 << rnd.IntN(8)
		if m, err := backup.Verify(bytes.NewReader(changed)); err == nil {
			// Some bits of a compressed file mean nothing. Then everything in it is as it was.
			if got, want := jsonOf(t, m), jsonOf(t, whole); got != want {
				t.Errorf("byte %d was changed: it was not noticed, and there is another manifest:\ngot  %s\nwant %s", at, got, want)
			}
			continue
		}
		refused("changed", changed)
	}
	refused("twice", append(bytes.Clone(file), file...))
	refused("empty", nil)
	refused("foreign", []byte(strings.Repeat("not a backup at all\n", 100)))
	if names := streams(t, target); len(names) != 0 {
		t.Errorf("got streams %v, want none: nothing may be written for a file that is not good", names)
	}
	restore(t, target, file)
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func streams(t *testing.T, b *bus.Bus) []string {
	t.Helper()
	var names []string
	list := b.JetStream().StreamNames(within(t))
	for name := range list.Name() {
		names = append(names, name)
	}
	if err := list.Err(); err != nil {
		t.Fatal(err)
	}
	return names
}

// Onto a bus that has anything of ours nothing is restored, and what is there stays as it is.
func TestNotEmpty(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{})
	fill(t, b)
	file, _ := take(t, b)
	other := open(t, bus.Config{})
	write(t, other, "ledger", "other books")
	_, err := backup.Restore(within(t), other, bytes.NewReader(file), func(context.Context, backup.Manifest) error { return nil })
	if !errors.Is(err, backup.ErrNotEmpty) || !strings.Contains(err.Error(), "KV_ledger") {
		t.Errorf("got %v, want it refused, and what is there named", err)
	}
	if got := read(t, other, "ledger"); got != "other books" {
		t.Errorf("the ledger: got %q, want it untouched", got)
	}
}

// While a restore is under way, and after one that did not come to its end, nobody serves on that bus. One that failed takes everything away
// again; one that was killed is taken away by the next.
func TestUnfinished(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{})
	fill(t, b)
	file, _ := take(t, b)
	target := bare(t, bus.Config{Listen: "127.0.0.1:0", Token: "token-of-the-test"})
	serve := func() error {
		s, err := bus.Open(within(t), bus.Config{URL: target.ClientURL(), Token: "token-of-the-test"})
		if err == nil {
			s.Close()
		}
		return err
	}
	broken := errors.New("broken")
	_, err := backup.Restore(within(t), target, bytes.NewReader(file), func(context.Context, backup.Manifest) error {
		if err := serve(); !errors.Is(err, bus.ErrUnfinished) {
			t.Errorf("a server in the middle of a restore: got %v, want %v", err, bus.ErrUnfinished)
		}
		return broken
	})
	if !errors.Is(err, broken) || len(streams(t, target)) != 0 {
		t.Fatalf("got %v and %v, want why it failed, and no streams", err, streams(t, target))
	}

	// What a crash leaves: the mark, and half of the streams.
	for _, name := range []string{bus.Unfinished, bus.Incidents, "KV_ledger"} {
		if _, err := target.JetStream().CreateStream(within(t), jetstream.StreamConfig{Name: name, Subjects: []string{"left." + name}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := serve(); !errors.Is(err, bus.ErrUnfinished) {
		t.Errorf("a server on half a restore: got %v, want %v", err, bus.ErrUnfinished)
	}
	restore(t, target, file)
	if err := serve(); err != nil {
		t.Errorf("a server after the restore: %v", err)
	}
	same(t, "incidents", records(t, target, bus.Incidents), records(t, b, bus.Incidents))
}

// A restore that another one has taken for broken off finds that out at its end, and leaves the other's streams alone.
func TestTwoRestores(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{})
	fill(t, b)
	file, _ := take(t, b)
	target := bare(t, bus.Config{})
	_, err := backup.Restore(within(t), target, bytes.NewReader(file), func(context.Context, backup.Manifest) error {
		restore(t, target, file)
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "another restore was begun") {
		t.Errorf("the first: got %v, want it to say that another one was begun", err)
	}
	same(t, "incidents", records(t, target, bus.Incidents), records(t, b, bus.Incidents))
}
