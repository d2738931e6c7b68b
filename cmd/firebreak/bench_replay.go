package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"text/tabwriter"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/bus/stored"
	"github.com/firebreak-sre/firebreak/drills/history"
	"github.com/firebreak-sre/firebreak/handlers/replay"
	"github.com/firebreak-sre/firebreak/handlers/replay/families"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
)

type benchReplayCmd struct {
	Incidents int    `help:"How many incidents the past has." default:"2000"`
	Edges     int    `help:"How many edges they are about." default:"200"`
	Days      int    `help:"Over how many days." default:"365"`
	Dir       string `help:"Folder for the store; it is removed at the end." default:"." type:"path"`
}

// reader is one way to go through the past.
type reader struct {
	name string
	// open gives what is done with each message.
	open func() (func(stored.Msg) error, error)
}

// reading is what one way took, up to so many events.
type reading struct {
	events int
	took   time.Duration
	heap   uint64
}

// Run makes a past with the real loop in simulated time, stores it on an embedded bus, and reads it in each way.
func (c *benchReplayCmd) Run(a *app) error {
	dir, err := os.MkdirTemp(c.Dir, "firebreak-bench-")
	if err != nil {
		return fmt.Errorf("make a folder for the store: %w", err)
	}
	defer os.RemoveAll(dir)
	b, err := bus.Open(a.ctx, bus.Config{Dir: dir, Log: zerolog.Nop()})
	if err != nil {
		return err
	}
	defer b.Close()
	p, err := history.Policy(c.Edges, policy.Auto)
	if err != nil {
		return err
	}
	rules, err := families.Rules(p, buildVersion())
	if err != nil {
		return err
	}
	began := time.Now()
	far := a.progress("making the past", "messages", 0, false)
	defer far.end()
	made, err := c.fill(a.ctx, far, b, p, rules)
	if err != nil {
		return err
	}
	far.next("reading it in each way", "", 0)
	fmt.Fprintf(a.stdout, "a past of %d days: %d incidents, %d messages, %d events, made in %s\n\n", c.Days, made.Incidents, made.Messages, made.Events,
		time.Since(began).Round(time.Second))
	return c.measure(a, b, made.Events, rules)
}

// fill makes the past and stores it.
func (c *benchReplayCmd) fill(ctx context.Context, far *progress, b *bus.Bus, p policy.Policy, rules replay.Rules) (history.Made, error) {
	js := b.JetStream()
	made, err := history.Make(ctx, history.Options{Policy: p, Bounds: rules.Bounds, Incidents: c.Incidents, From: time.Now().AddDate(0, 0, -c.Days).UTC(),
		Every: time.Duration(c.Days) * 24 * time.Hour / time.Duration(max(1, c.Incidents)), Seed: 1, Build: buildVersion()}, func(m stored.Msg) error {
		far.add(1)
		_, err := js.PublishMsgAsync(&nats.Msg{Subject: m.Subject, Data: m.Data}, jetstream.WithStallWait(time.Minute))
		return err
	})
	if err != nil {
		return made, err
	}
	select {
	case <-js.PublishAsyncComplete():
		return made, nil
	case <-ctx.Done():
		return made, context.Cause(ctx)
	}
}

// readers are the ways, the floor first.
func readers(rules replay.Rules) ([]reader, error) {
	candidate := rules
	p, err := history.Policy(len(rules.Thinkers["retrystorm"].Targets()), policy.Auto, "thresholds: {sample_every: 10s, verify_within: 60s, hold_for: 20s, ramp_every: 10s, error_share: 0.95}")
	if err != nil {
		return nil, err
	}
	if candidate, err = families.Rules(p, buildVersion()); err != nil {
		return nil, err
	}
	each := func(fn func(replay.Message)) func() (func(stored.Msg) error, error) {
		return func() (func(stored.Msg) error, error) {
			return func(m stored.Msg) error {
				read, err := replay.Read(m)
				if err != nil {
					return err
				}
				fn(read)
				return nil
			}, nil
		}
	}
	return []reader{
		{"floor: read the stream raw", func() (func(stored.Msg) error, error) { return func(stored.Msg) error { return nil }, nil }},
		{"decode every event", each(func(replay.Message) {})},
		{"derive every decision again", each(replay.NewChecker(rules).Next)},
		{"under another policy", each(replay.New(candidate, nil).Next)},
	}, nil
}

func (c *benchReplayCmd) measure(a *app, b *bus.Bus, events int, rules replay.Rules) error {
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "events\tway\tevents/s\tof the floor\theap, MB\t")
	for size := 10_000; ; size *= 10 {
		size = min(size, events)
		ways, err := readers(rules)
		if err != nil {
			return err
		}
		floor := 0.0
		for _, way := range ways {
			r, err := c.read(a.ctx, b, way, size)
			if err != nil {
				return fmt.Errorf("%s: %w", way.name, err)
			}
			rate := float64(r.events) / r.took.Seconds()
			if floor == 0 {
				floor = rate
			}
			fmt.Fprintf(w, "%d\t%s\t%.0f\t%.2f\t%d\t\n", r.events, way.name, rate, rate/floor, r.heap>>20)
		}
		if size == events {
			return w.Flush()
		}
	}
}

// read goes through the past in one way, up to so many events. How many events a message has is known from the way itself only where it
// decodes, so they are counted by what stands in each.
func (c *benchReplayCmd) read(ctx context.Context, b *bus.Bus, way reader, size int) (reading, error) {
	fn, err := way.open()
	if err != nil {
		return reading{}, err
	}
	runtime.GC()
	var r reading
	var mem runtime.MemStats
	began := time.Now()
	err = b.Follow(ctx, bus.Past{Stream: bus.Incidents}, func(m bus.Msg) error {
		if err := fn(m); err != nil {
			return err
		}
		r.events += history.Events(m.Data)
		if m.Seq%20_000 == 0 {
			runtime.ReadMemStats(&mem)
			r.heap = max(r.heap, mem.HeapAlloc)
		}
		if r.events >= size {
			return bus.ErrStop
		}
		return nil
	})
	r.took = time.Since(began)
	runtime.ReadMemStats(&mem)
	r.heap = max(r.heap, mem.HeapAlloc)
	return r, err
}
