package main

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/bus/backup"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/breaker"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
	"github.com/rs/zerolog"
)

// lostBus is a bus as a server left it: what a backup is taken of.
type lostBus struct {
	*bus.Bus
	store  *incidents.Store
	agenda *bus.Agenda
	ledger *ledger.Ledger
	leases *breaker.Breaker
	policy policy.Policy
}

// openLost opens a bus with everything that keeps something there.
func openLost(t *testing.T, cfg bus.Config, p policy.Policy) *lostBus {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), serveStarts)
	defer cancel()
	cfg.Log = zerolog.Nop()
	b, err := bus.Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sync.OnceFunc(b.Close))
	l := &lostBus{Bus: b, store: incidents.NewStore(b), policy: p}
	if l.agenda, err = b.Agenda(ctx, "agenda"); err != nil {
		t.Fatal(err)
	}
	books, err := b.Cell(ctx, "ledger", "ledger")
	if err != nil {
		t.Fatal(err)
	}
	l.ledger = ledger.New(books, p.Limits)
	if l.leases, err = breaker.Open(ctx, b.JetStream(), 1); err != nil {
		t.Fatal(err)
	}
	return l
}

// backUp writes a backup to a file.
func (l *lostBus) backUp(t *testing.T) (path string, m backup.Manifest) {
	t.Helper()
	var file bytes.Buffer
	m, err := backup.Take(t.Context(), l.Bus, "test", &file)
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, t.TempDir(), "backup.tar.gz", file.String()), m
}

// opens begins the incident of an edge.
func (l *lostBus) opens(t *testing.T, edge string, events ...incidents.Event) *incidents.State {
	t.Helper()
	target := "checkout/" + edge
	id := incidents.NewID("retrystorm", target, 1)
	alert := alerts.Alert{Fingerprint: "f-" + edge, Status: alerts.Firing, StartsAt: time.Now().UTC(),
		Labels:   map[string]string{"alertname": "RetryStorm", "service": "checkout", "edge": edge},
		Delivery: alerts.Delivery{At: time.Now().UTC(), Receiver: "firebreak"}}
	st := incidents.Fold(nil)
	l.append(t, st, append([]incidents.Event{{Kind: incidents.Opened, Opening: &incidents.Opening{ID: id, Handler: "retrystorm", Target: target,
		Domain: "checkout-" + edge, Alert: alert}}}, events...)...)
	if err := l.agenda.Set(t.Context(), id.Key(), st.Due); err != nil {
		t.Fatal(err)
	}
	return st
}

func (l *lostBus) append(t *testing.T, st *incidents.State, events ...incidents.Event) {
	t.Helper()
	for i := range events {
		events[i].V, events[i].At = incidents.Version, time.Now().UTC()
	}
	if err := l.store.Append(t.Context(), st, events...); err != nil {
		t.Fatal(err)
	}
}

// order is a change of an edge, granted by the ledger, that stands for so long.
func (l *lostBus) order(t *testing.T, edge string, stands time.Duration) remediations.Order {
	t.Helper()
	id := incidents.NewID("retrystorm", "checkout/"+edge, 1)
	step := budgetStep()
	step.Edge, step.TTL, step.Limit, step.Ramp = edge, policy.Duration(stands), policy.Duration(stands), nil
	grant, err := l.ledger.Reserve(t.Context(), ledger.Ask{Incident: id.String(), Domain: "checkout-" + edge, Zone: "all",
		Target: "retrystorm:checkout/" + edge, Action: "breaker/retry_budget", Class: remediations.ClassA}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	return remediations.Order{Step: step, Plan: "plan", Action: "action-" + edge, Incident: id.String(), Fence: grant.Fence,
		Deadline: now.Add(time.Second), Until: now.Add(stands), Seen: remediations.Presence{State: remediations.Absent}}
}

// sent is a record up to the wire.
func (l *lostBus) sent(t *testing.T, edge string, o remediations.Order) *incidents.State {
	t.Helper()
	decision := incidents.Decision{Cause: "retry_storm", Verdict: incidents.Act, Reason: "why", Step: &o.Step,
		Verify: &incidents.Verify{Every: policy.Duration(time.Minute), Within: policy.Duration(time.Hour), HoldFor: policy.Duration(time.Hour)}}
	return l.opens(t, edge, incidents.Event{Kind: incidents.Decided, Decision: &decision}, incidents.Event{Kind: incidents.Intended, Order: &o},
		incidents.Event{Kind: incidents.Issuing, Order: &o})
}

// lease makes the change of an order at its target, which is the bus.
func (l *lostBus) lease(t *testing.T, o remediations.Order) remediations.Receipt {
	t.Helper()
	receipt, err := l.leases.Apply(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}

// restorePolicy is a policy whose handler looks at something that is not there, so nothing new comes of a look.
func restorePolicy(t *testing.T, edges ...string) (path, busAddr string) {
	t.Helper()
	dir := t.TempDir()
	busAddr = testbed.Addr(t)
	text := fmt.Sprintf(`
server:
  listen: 127.0.0.1:0
bus: {data: %q, listen: %s, token: %s}
limits:
  per_action: {hour: 20, day: 40, concurrent: 20}
  global: {hour: 20, day: 40, concurrent: 20}
handlers:
  retrystorm:
    mode: auto
    edges:
`, filepath.Join(dir, "data"), busAddr, busToken)
	for _, edge := range edges {
		text += fmt.Sprintf(`      - service: checkout
        edge: %s
        domain: checkout-%s
        probe: {json: {urls: ["http://127.0.0.1:1/"], calls: c, attempts: a, successes: s, failures: f}}
        fix: {breaker: {}, allow: [retry_budget], ttl: 1m, limit: 5m}
`, edge, edge)
	}
	return writeFile(t, dir, "firebreak.yaml", text), busAddr
}

// load reads a policy.
func load(t *testing.T, path string) policy.Policy {
	t.Helper()
	p, err := policy.Load(path, environment{}.lookup)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
