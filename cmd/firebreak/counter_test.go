package main

import (
	"context"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/console"
	"github.com/firebreak-sre/firebreak/console/operate"
	"github.com/firebreak-sre/firebreak/incidents"
	orders "github.com/firebreak-sre/firebreak/incidents/desk" // the tests have a desk of their own
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/guard"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
	"github.com/rs/zerolog"
)

const (
	aliceToken = "token-of-alice-who-approves"
	bobToken   = "token-of-bob-who-approves"
)

// counter is where people give orders: the real API on a real bus, without the loop that carries incidents.
type counter struct {
	url    string
	store  *incidents.Store
	agenda *bus.Agenda
	ledger *ledger.Ledger
	brake  *guard.Brake
}

// newCounter builds it. Without operators it is open to this machine.
func newCounter(t *testing.T, operators ...policy.Operator) *counter {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), serveStarts)
	defer cancel()
	b, err := bus.Open(ctx, bus.Config{Dir: t.TempDir(), Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	c := &counter{store: incidents.NewStore(b)}
	books, err := b.Cell(ctx, "ledger", "ledger")
	if err != nil {
		t.Fatal(err)
	}
	budget := policy.Budget{Hour: 3, Day: 10, Concurrent: 3}
	c.ledger = ledger.New(books, policy.Limits{PerDomain: budget, PerAction: budget, Global: budget})
	switches, err := b.Cell(ctx, "switch", "switch")
	if err != nil {
		t.Fatal(err)
	}
	if c.brake, err = guard.NewBrake(switches, filepath.Join(t.TempDir(), "STOP")); err != nil {
		t.Fatal(err)
	}
	if c.agenda, err = b.Agenda(ctx, "agenda"); err != nil {
		t.Fatal(err)
	}
	h, err := operate.New(operate.Config{
		Desk: orders.New(c.store, c.agenda, c.ledger, "r1", time.Now), Brake: c.brake, Ledger: c.ledger, Agenda: c.agenda, Records: c.store,
		Targets:    []policy.TargetName{{Handler: "retrystorm", Name: "checkout/payments", Domain: "checkout", Zone: "all"}},
		Who:        operate.Identify(policy.APIAuth{Operators: operators}, false),
		MayApprove: func(incidents.Person, string, string, string) error { return nil },
		Next:       console.NewAPI(b), Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	c.url = srv.URL
	return c
}

// people are two operators who may do everything.
func people() []policy.Operator {
	all := []string{"operate", "approve"}
	return []policy.Operator{{Name: "alice", Token: aliceToken, May: all}, {Name: "bob", Token: bobToken, May: all}}
}

// as is the environment of somebody who gives orders here.
func (c *counter) as(token string) environment {
	return environment{"FIREBREAK_SERVER": c.url, "FIREBREAK_TOKEN": token, "USER": "erin"}
}

// opens begins an incident with events that follow each other by a second.
func (c *counter) opens(t *testing.T, target string, events ...incidents.Event) *incidents.State {
	t.Helper()
	st := incidents.Fold(nil)
	id := incidents.NewID("retrystorm", target, 1)
	all := append([]incidents.Event{{Kind: incidents.Opened, Opening: &incidents.Opening{ID: id, Handler: "retrystorm", Target: target, Domain: "checkout",
		Alert: alerts.Alert{Fingerprint: "f1", Status: alerts.Firing, Labels: map[string]string{"alertname": "RetryStorm", "service": "checkout"}}}}}, events...)
	c.append(t, st, all...)
	if err := c.agenda.Set(t.Context(), id.Key(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	return st
}

func (c *counter) append(t *testing.T, st *incidents.State, events ...incidents.Event) {
	t.Helper()
	start := time.Now().UTC()
	for i := range events {
		events[i].V, events[i].At = incidents.Version, start.Add(time.Duration(i)*time.Second)
	}
	if err := c.store.Append(t.Context(), st, events...); err != nil {
		t.Fatal(err)
	}
}

// budgetStep is a change as these tests ask for it.
func budgetStep() remediations.Step {
	return remediations.Step{Remediation: "breaker", Service: "checkout", Edge: "payments", Fix: "retry_budget", Params: []byte(`{"budget_percent":10}`),
		TTL: policy.Duration(time.Minute), Limit: policy.Duration(5 * time.Minute), Timeout: policy.Duration(5 * time.Second), Ramp: []int{50, 75}}
}

const (
	firstPlan  = "1f0c9a52d7e3b846aa00"
	secondPlan = "2e1d8b63c8f4a957bb11"
)

// askedFor is the event that asks for a plan.
func askedFor(id, plan string, need int) incidents.Event {
	return incidents.Event{Kind: incidents.Asked, Plan: plan, Asking: &incidents.Asking{ID: id, Plan: plan, Class: remediations.ClassP,
		Cause: "retry_storm", Step: budgetStep(), Why: "3.00 attempts per call, and 42 % of the calls end well: the retries are the load",
		Evidence: []incidents.Evidence{{Name: "ratio", Value: 3, Words: "3.00 attempts per call"}},
		Need:     need, Until: time.Now().Add(10 * time.Minute)}}
}

// fits checks that text fits on a terminal and cannot steer it: no line is wider than 80 columns, unless it is one long word.
func fits(t *testing.T, what, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if n := utf8.RuneCountInString(line); n > 80 && strings.Contains(strings.TrimSpace(line), " ") {
			t.Errorf("%s: a line is %d columns wide: %s", what, n, line)
		}
		if bad := regexp.MustCompile(`[\x00-\x1f\x7f\x{202a}-\x{202e}]`).FindString(line); bad != "" {
			t.Errorf("%s: the line %q holds %q", what, line, bad)
		}
	}
}

// says checks an answer's exit code, and that it says all of these.
func says(t *testing.T, env environment, code int, args []string, texts ...string) (stdout string) {
	t.Helper()
	got, stdout, stderr := firebreak(t, env, args...)
	what := "firebreak " + strings.Join(args, " ")
	if got != code {
		t.Fatalf("%s: got exit %d, want %d\nstdout: %s\nstderr: %s", what, got, code, stdout, stderr)
	}
	words := strings.Join(strings.Fields(stdout+" "+stderr), " ")
	for _, text := range texts {
		if !strings.Contains(words, text) {
			t.Errorf("%s: does not say %q:\n%s%s", what, text, stdout, stderr)
		}
	}
	if code != 0 && stderr == "" {
		t.Errorf("%s: failed without a word on stderr", what)
	}
	if !slices.Contains(args, "--json") {
		fits(t, what, stdout)
	}
	return stdout
}
