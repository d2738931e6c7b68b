package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/bus/backup"
	"github.com/rs/zerolog"
)

type restoreCmd struct {
	File   string `arg:"" help:"The backup." type:"existingfile"`
	Config string `help:"Policy file, which says where to (bus)." type:"path" placeholder:"FILE"`
	Data   string `help:"Folder of the embedded bus, instead of the policy's (default ./firebreak-data)." type:"path" placeholder:"DIR"`
}

// Help is what "firebreak restore --help" teaches.
func (c *restoreCmd) Help() string {
	return `Restores a backup into the bus of a policy, while no server runs on it: into a data folder that holds nothing, or onto a NATS
that has none of our streams. Anything else is refused, and a file that is damaged, cut off or foreign is refused before anything is written.

What happened between the backup and the loss is in no backup. So everything is paused afterwards: incidents that are open are looked at,
reverted and ended, and nothing new is changed until a person has looked at the targets and says "firebreak resume".`
}

// Run restores.
func (c *restoreCmd) Run(a *app) error {
	s, err := (&serveCmd{Config: c.Config, Data: c.Data}).policy(a)
	if err != nil {
		return err
	}
	f, err := os.Open(c.File)
	if err != nil {
		return fmt.Errorf("open the backup: %w", err)
	}
	defer func() { _ = f.Close() }()
	log := newLog(a.stderr, false).Level(zerolog.WarnLevel)
	to, err := openTrust(s.Policy, log)
	if err != nil {
		return err
	}
	cfg, err := busConfig(s.Bus, to, log)
	if err != nil {
		return err
	}
	cfg.Listen = "" // services must not see half of it
	// The folder is touched only for a file that is good. Restore reads it again: it may be anybody's by then.
	far := a.progress("reading the backup", "bytes", sizeOf(f), false)
	defer far.end()
	if _, err := backup.Verify(far.reading(f)); err != nil {
		return err
	}
	far.next("restoring", "", 0)
	if _, err := f.Seek(0, 0); err != nil {
		return fmt.Errorf("read the backup again: %w", err)
	}
	b, err := openEmpty(a.ctx, cfg, s.Guard.StopFile)
	if err != nil {
		return err
	}
	defer b.Close()
	left := &leftover{bus: b, policy: s.Policy, now: time.Now}
	m, err := backup.Restore(a.ctx, b, f, left.settle)
	if err != nil {
		return err
	}
	far.end()
	item(a.stdout, "", fmt.Sprintf("restored from the backup of %s, as it was at %s:", m.Name, stamp(m.Begun)))
	fmt.Fprintf(a.stdout, "  %d incidents are open and will be carried on\n", left.open)
	if left.dropped > 0 {
		fmt.Fprintf(a.stdout, "  %d locks were let go, of incidents that the backup does not hold\n", left.dropped)
	}
	item(a.stdout, "", left.brake+" What happened after the backup is not known here. Start the server, look at what stands at the targets "+
		"(firebreak blocked, firebreak incidents list), and then let go with:")
	command(a.stdout, "firebreak resume")
	return nil
}

// sizeOf is how large a file is, 0 if it does not say.
func sizeOf(f *os.File) int64 {
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

// openEmpty opens the bus without streams. What an unfinished restore has left in a folder is removed with all that the server keeps there;
// a folder with anything else in it is refused.
func openEmpty(ctx context.Context, cfg bus.Config, stopFile string) (*bus.Bus, error) {
	if cfg.URL != "" {
		return bus.OpenBare(ctx, cfg)
	}
	if err := checkFolder(cfg.Dir, stopFile); err != nil {
		return nil, err
	}
	b, err := bus.OpenBare(ctx, cfg)
	if err != nil {
		return nil, err
	}
	known, err := streamsOf(ctx, b)
	if err != nil {
		b.Close()
		return nil, err
	}
	if !slices.Contains(known, bus.Unfinished) {
		if err := checkStreams(cfg.Dir, known); err != nil {
			b.Close()
			return nil, err
		}
		return b, nil
	}
	// What was half written need not be readable, so the server is not asked to remove it.
	b.Close()
	if err := os.RemoveAll(filepath.Join(cfg.Dir, "jetstream")); err != nil {
		return nil, fmt.Errorf("remove what an unfinished restore left: %w", err)
	}
	return bus.OpenBare(ctx, cfg)
}

func streamsOf(ctx context.Context, b *bus.Bus) ([]string, error) {
	list := b.JetStream().StreamNames(ctx)
	var names []string
	for name := range list.Name() {
		names = append(names, name)
	}
	if err := list.Err(); err != nil {
		return nil, fmt.Errorf("list the streams of the bus: %w", err)
	}
	return names, nil
}

// checkFolder refuses a folder with anything in it but what a server that never ran leaves there, and the stop file.
func checkFolder(dir, stopFile string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look into %s: %w", dir, err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if e.Name() != "firebreak.lock" && e.Name() != "jetstream" && filepath.Clean(stopFile) != path {
			return fmt.Errorf("restore into %s: %w: it holds %s", dir, backup.ErrNotEmpty, e.Name())
		}
	}
	return nil
}

// checkStreams refuses a folder with a stream in it, also one that the server could not read.
func checkStreams(dir string, known []string) error {
	found, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", "*"))
	if err != nil {
		return fmt.Errorf("look into %s: %w", dir, err)
	}
	if len(found) > 0 {
		return fmt.Errorf("restore into %s: %w: it holds %d streams (the server can read %d of them)", dir, backup.ErrNotEmpty, len(found), len(known))
	}
	return nil
}
