package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/console"
	"github.com/firebreak-sre/firebreak/drills/storm"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
	"github.com/rs/zerolog"
)

// demoTime is how long the demo may take; it ends by itself long before, unless something is wrong.
const demoTime = 55 * time.Second

// slowTime is how long payments is slow; the storm needs no more to go on by itself.
const slowTime = 3 * time.Second

type demoCmd struct {
	Keep     bool `help:"Go on running afterwards, until interrupted."`
	Approval bool `help:"Ask a person first: the fix waits for a button in a Slack that lives in this process."`
	// slow is how long payments is really slow, default slowTime. A test makes it so long that no fix can help.
	slow time.Duration
}

// demo is one showing: the two services, the server, and what was measured of them.
type demo struct {
	app    *app
	screen *screen
	system *storm.System
	daemon *daemon
	slow   time.Duration
	// healthy and stormy are what was measured before and in the storm, healed after it.
	healthy, stormy, healed storm.Rates
	// desktop is where a person is asked; nil if nobody is.
	desktop *desktop
	events  chan console.Line
}

// Run shows the whole way once. It fails if the storm did not come, or if the fix did not help.
func (c *demoCmd) Run(a *app) error {
	dir, err := os.MkdirTemp("", "firebreak-demo-")
	if err != nil {
		return fmt.Errorf("make a folder for the demo: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	d := &demo{app: a, screen: newScreen(a.stdout), slow: cmp.Or(c.slow, slowTime), events: make(chan console.Line, 64)}
	if c.Approval {
		if d.desktop, err = openDesktop(); err != nil {
			return err
		}
		defer func() { _ = d.desktop.slack.Close() }()
	}
	g := newGroup(a.ctx)
	err = d.show(g, dir)
	if err != nil && a.ctx.Err() == nil {
		fmt.Fprintf(a.stdout, "\nThe demo did not show what it should: %v\n", err)
		err = exitError{code: 1}
	}
	if err == nil && c.Keep {
		fmt.Fprintf(a.stdout, "\nStill running at %s. Interrupt to end.\n", d.daemon.URL())
		d.screen.rates(a.ctx, d.system)
	}
	g.cancel(context.Canceled)
	if stopErr := g.wait(); stopErr != nil && err == nil {
		err = stopErr
	}
	d.close()
	if a.ctx.Err() != nil {
		return nil // interrupted by who watched it
	}
	return err
}

func (d *demo) close() {
	if d.system != nil {
		d.system.Close()
	}
	if d.daemon != nil {
		d.daemon.Close()
	}
}

// scene is one act.
type scene struct {
	title string
	play  func(context.Context) error
}

// show goes through the acts. Nothing in it is scripted but their order: each waits for what is measured.
func (d *demo) show(g *group, dir string) error {
	ctx, cancel := context.WithTimeoutCause(g.ctx, demoTime, errDemoTime)
	defer cancel()
	if err := d.start(g, dir); err != nil {
		return err
	}
	acts := []scene{
		{"two services: checkout calls payments, users call checkout 80 times a second", d.showHealth},
		{"payments becomes 10 times slower for 3 seconds; checkout retries", d.showStorm},
		{"Alertmanager's notification is posted to the webhook", d.postFiring},
		{"Firebreak looks, decides, opens the breaker of this one edge, verifies, and gives the calls back", d.showFix},
		{"the alert resolves", d.showEnd},
	}
	if d.desktop != nil {
		acts = slices.Insert(acts, 3, scene{"a person is asked first: Slack shows the plan with its buttons", d.showApproval})
	}
	for i, act := range acts {
		d.screen.act(i+1, len(acts), act.title)
		if err := act.play(ctx); err != nil {
			if cause := context.Cause(ctx); cause != nil {
				err = fmt.Errorf("act %d (%s): %w", i+1, act.title, cause)
			}
			return err
		}
	}
	return d.report()
}

var errDemoTime = fmt.Errorf("it was not done after %s", demoTime)

// start runs the two services first, since they need no Firebreak to run, and then the server.
func (d *demo) start(g *group, dir string) error {
	addr, err := freeAddr()
	if err != nil {
		return err
	}
	token := nuid.Next()
	nc, err := nats.Connect("nats://"+addr, nats.Token(token), nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		return fmt.Errorf("connect checkout to the bus: %w", err)
	}
	g.run("bus connection of checkout", func(ctx context.Context) error { <-ctx.Done(); nc.Close(); return nil })
	if d.system, err = storm.Start(g.ctx, storm.Config{Conn: nc}); err != nil {
		return err
	}
	p := demoPolicy(d.system.StatsURL())
	p.SetData(dir)
	p.Bus.Listen, p.Bus.Token = addr, policy.Secret(token)
	if d.desktop != nil {
		d.desktop.allow(&p)
	}
	if d.daemon, err = newDaemon(g.ctx, settings{Policy: p, name: "of the demo"}, zerolog.Nop()); err != nil {
		return err
	}
	g.run("firebreak", d.daemon.Run)
	g.run("watch", d.watch)
	return nil
}

// freeAddr is an address that was free a moment ago.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}

// demoPolicy is an ordinary policy with short times.
func demoPolicy(stats string) policy.Policy {
	p := policy.Default()
	p.Server.Listen = "127.0.0.1:0"
	seconds := func(n int) policy.Duration { return policy.Duration(time.Duration(n) * time.Second) }
	storm := &p.Handlers.RetryStorm
	storm.Mode = policy.Auto
	storm.Thresholds.MinCalls = 40
	storm.Thresholds.SampleEvery, storm.Thresholds.ConfirmAfter = seconds(1), seconds(1)
	storm.Thresholds.VerifyWithin = seconds(15)
	storm.Thresholds.HoldFor = seconds(3)
	storm.Thresholds.RampEvery = seconds(2)
	path := func(name string) string { return "edges.payments." + name }
	storm.Edges = []policy.Edge{{
		Service: "checkout", Edge: "payments", Domain: "checkout", Mode: policy.Auto,
		Match: map[string]string{"service": "checkout", "edge": "payments"},
		Probe: policy.EdgeProbe{Timeout: seconds(2), JSON: &policy.JSONProbe{URLs: []string{stats},
			Calls: path("calls"), Attempts: path("attempts"), Successes: path("successes"), Failures: path("failures")}},
		Fix: policy.EdgeFix{Breaker: &policy.BreakerFix{}, Allow: []string{"open", "retry_budget"}, BudgetPercent: 10,
			TTL: seconds(10), Limit: seconds(45), Ramp: []int{50, 75, 90}, Timeout: seconds(2)},
	}}
	return p
}

// report says what was measured, prints the record, and judges.
func (d *demo) report() error {
	rec, err := d.record()
	if err != nil {
		return err
	}
	fmt.Fprintf(d.app.stdout, "\nThe record of the incident, as \"firebreak incidents show\" prints it:\n\n")
	if err := printRecord(d.app.stdout, rec); err != nil {
		return err
	}
	fmt.Fprintf(d.app.stdout, "\n%-22s %14s %14s\n", "measured at the users", "good answers/s", "attempts/call")
	for _, row := range []struct {
		name string
		r    storm.Rates
	}{{"before", d.healthy}, {"in the storm", d.stormy}, {"after the fix", d.healed}} {
		fmt.Fprintf(d.app.stdout, "%-22s %14.0f %14.2f\n", row.name, row.r.Goodput, row.r.Ratio)
	}
	switch {
	case rec.Summary.Outcome != incidents.OutcomeFixed:
		return fmt.Errorf("the incident ended as %q: %s", rec.Summary.Outcome, rec.Summary.Words)
	case d.healed.Goodput < 0.8*d.healthy.Goodput:
		return fmt.Errorf("after the fix %.0f good answers a second, before the storm %.0f", d.healed.Goodput, d.healthy.Goodput)
	}
	return nil
}

var errWatchEnded = errors.New("the server ended the watch")
