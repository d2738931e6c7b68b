package bus_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/rs/zerolog"
)

// patience bounds every wait of these tests.
const patience = 30 * time.Second

// open opens a bus that is closed when the test ends.
func open(t *testing.T, cfg bus.Config) *bus.Bus {
	t.Helper()
	b, err := tryOpen(t, cfg)
	if err != nil {
		t.Fatalf("open the bus: %v", err)
	}
	t.Cleanup(sync.OnceFunc(b.Close))
	return b
}

func tryOpen(t *testing.T, cfg bus.Config) (*bus.Bus, error) {
	t.Helper()
	if cfg.Dir == "" && cfg.URL == "" {
		cfg.Dir = t.TempDir()
	}
	cfg.Log = zerolog.Nop()
	return bus.Open(within(t), cfg)
}

// within is a context that ends with the test's patience.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// running starts a service and returns what stops it and waits for it. The test's end stops it as well.
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

// lines is what the journal holds, line by line, and in how many messages.
func lines(t *testing.T, b *bus.Bus) (all []string, messages int) {
	t.Helper()
	err := b.Follow(within(t), bus.Past{Stream: bus.Alerts}, func(m bus.Msg) error {
		messages++
		all = append(all, strings.Split(strings.TrimSuffix(string(m.Data), "\n"), "\n")...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, messages
}

// A second process on the same folder would destroy it, so it is refused, and told what to do.
func TestOpenTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := open(t, bus.Config{Dir: dir})
	if second, err := tryOpen(t, bus.Config{Dir: dir}); err == nil {
		second.Close()
		t.Fatal("got a second bus on the same folder, want an error")
	} else if !strings.Contains(err.Error(), "--data") || !strings.Contains(err.Error(), dir) {
		t.Errorf("got error %q, want it to name the folder and --data", err)
	}
	if err := first.Ready(within(t)); err != nil {
		t.Errorf("the first bus does not answer any more: %v", err)
	}
}

// What cannot work is refused at once, with the reason, and leaves nothing behind.
func TestOpenRefused(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	dir := t.TempDir()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, want string
		cfg        bus.Config
	}{
		{"a listener that is taken", "address already in use", bus.Config{Dir: dir, Listen: taken.Addr().String(), Token: "0123456789abcdef"}},
		{"no port", "listen address", bus.Config{Dir: dir, Listen: "127.0.0.1"}},
		{"a port that is no number", "listen port", bus.Config{Dir: dir, Listen: "127.0.0.1:nats"}},
		{"a file as folder", "data folder", bus.Config{Dir: file}},
		{"nobody at the URL", "connect to nats", bus.Config{URL: "nats://127.0.0.1:1"}},
	} {
		b, err := tryOpen(t, c.cfg)
		if err == nil {
			b.Close()
			t.Errorf("%s: got a bus, want an error", c.name)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %q, want %q in it", c.name, err, c.want)
		}
	}
	if _, err := bus.Open(within(t), bus.Config{}); err == nil {
		t.Error("got a bus without a folder and a URL, want an error")
	}
	open(t, bus.Config{Dir: dir}) // the refused ones gave the lock back
}

// A stop and a start in the same folder lose nothing of any kind.
func TestReopenKeepsEverything(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx := within(t)
	b := open(t, bus.Config{Dir: dir})
	j := b.Journal()
	stop := running(t, j.Run)
	if err := j.Append(ctx, []byte("alert\n")); err != nil {
		t.Fatal(err)
	}
	stop()
	seq, err := b.AppendIf(ctx, "incidents.storm.a.1", 0, []byte("opened"))
	if err != nil {
		t.Fatal(err)
	}
	due := time.Date(2030, 1, 2, 3, 4, 5, 6, time.UTC)
	if err := agenda(t, b).Set(ctx, "storm.a.1", due); err != nil {
		t.Fatal(err)
	}
	if err := put(ctx, cell(t, b), "doc"); err != nil {
		t.Fatal(err)
	}
	b.Close()

	b = open(t, bus.Config{Dir: dir})
	if got, _ := lines(t, b); !slices.Equal(got, []string{"alert"}) {
		t.Errorf("got journal %q, want the alert", got)
	}
	if got, err := b.Last(ctx, bus.Incidents, "incidents.storm.a.1"); err != nil || got.Seq != seq || string(got.Data) != "opened" {
		t.Errorf("got record %+v, %v, want sequence %d", got, err, seq)
	}
	if got, err := agenda(t, b).Open(ctx); err != nil || len(got) != 1 || !got["storm.a.1"].Equal(due) {
		t.Errorf("got agenda %v, %v, want the key at %s", got, err, due)
	}
	if got, err := cell(t, b).Get(ctx); err != nil || string(got) != "doc" {
		t.Errorf("got document %q, %v, want doc", got, err)
	}
}

// A folder that is copied while the bus is at work holds every append that was acknowledged before: what the disk has is enough.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx := within(t)
	b := open(t, bus.Config{Dir: dir})
	j := b.Journal()
	running(t, j.Run)

	var mu sync.Mutex
	var acked []string
	busy, halt := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := 0; busy.Err() == nil; i++ {
				text := fmt.Sprintf("w%d-%d", w, i)
				if err := j.Append(ctx, []byte(text+"\n")); err != nil {
					t.Errorf("append: %v", err)
					return
				}
				mu.Lock()
				acked = append(acked, text)
				mu.Unlock()
			}
		})
	}
	eventually(t, "some appends", func() bool { mu.Lock(); defer mu.Unlock(); return len(acked) >= 200 })
	mu.Lock()
	want := slices.Clone(acked)
	mu.Unlock()
	copied := copyDir(t, dir)
	halt()
	wg.Wait()

	got, _ := lines(t, open(t, bus.Config{Dir: copied}))
	kept := make(map[string]bool, len(got))
	for _, l := range got {
		kept[l] = true
	}
	for _, l := range want {
		if !kept[l] {
			t.Errorf("%s was acknowledged and is not in the copy", l)
		}
	}
}

// copyDir copies a folder that may be written to meanwhile.
func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the server's own temporary file
		}
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), data, 0o600)
	})
	if err != nil {
		t.Fatalf("copy the folder: %v", err)
	}
	return to
}

// Clients come in with the token, and only with it.
func TestListen(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{Listen: "127.0.0.1:0", Token: "0123456789abcdef"})
	url := b.ClientURL()
	second := open(t, bus.Config{URL: strings.Replace(url, "nats://", "nats://0123456789abcdef@", 1), Name: "second"})
	if _, err := second.AppendIf(within(t), "incidents.x", 0, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Last(within(t), bus.Incidents, "incidents.x"); err != nil || string(got.Data) != "hello" {
		t.Errorf("got %q, %v, want what the second wrote", got.Data, err)
	}
	if second.Name() != "second" || second.Replicas() != 1 || b.Name() == "" {
		t.Errorf("got names %q and %q with %d replicas", b.Name(), second.Name(), second.Replicas())
	}
	for _, wrong := range []string{url, strings.Replace(url, "nats://", "nats://wrong@", 1)} {
		if other, err := tryOpen(t, bus.Config{URL: wrong}); err == nil {
			other.Close()
			t.Errorf("got in without the token")
		}
	}
	if got := open(t, bus.Config{}).ClientURL(); got != "" {
		t.Errorf("got client URL %q of a bus that does not listen, want none", got)
	}
}

// How full the journal is can be read, and a bus that is gone is not ready.
func TestUsageAndReady(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{MaxBytes: 1 << 20})
	j := b.Journal()
	stop := running(t, j.Run)
	if err := j.Append(within(t), make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	stop()
	if used, limit, err := b.Usage(within(t)); err != nil || used < 1000 || limit != 1<<20 {
		t.Errorf("got %d of %d bytes, %v, want at least 1000 of %d", used, limit, err, 1<<20)
	}
	b.Close()
	if err := b.Ready(within(t)); err == nil {
		t.Error("got a closed bus that is ready, want an error")
	}
	if _, _, err := b.Usage(within(t)); err == nil {
		t.Error("got the usage of a closed bus, want an error")
	}
}
