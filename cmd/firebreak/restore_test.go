package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/bus/backup"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
)

// stages are incidents at every stage, as a server left them.
type stages struct {
	lost *lostBus
	// waits for a yes, holds stands, sent stands and was never answered, unsent was never sent, over has ended.
	waits, holds, sent, unsent, over *incidents.State
	// holding is the order of holds.
	holding remediations.Order
}

func newStages(t *testing.T, config string) stages {
	t.Helper()
	l := openLost(t, bus.Config{Dir: t.TempDir()}, load(t, config))
	s := stages{lost: l, waits: l.opens(t, "waits", askedFor("q1", firstPlan, 1)), holding: l.order(t, "holds", 25*time.Second)}
	s.holds = l.sent(t, "holds", s.holding)
	receipt := l.lease(t, s.holding)
	l.append(t, s.holds, incidents.Event{Kind: incidents.Applied, Receipt: &receipt}, incidents.Event{Kind: incidents.Held, Due: s.holding.Until})
	doubtful := l.order(t, "sent", 2*time.Minute)
	s.sent = l.sent(t, "sent", doubtful)
	l.lease(t, doubtful)
	s.unsent = l.sent(t, "unsent", l.order(t, "unsent", 2*time.Minute))
	s.over = l.opens(t, "over", incidents.Event{Kind: incidents.Closed, Closing: &incidents.Closing{Outcome: incidents.OutcomeWithdrawn}})
	l.order(t, "unknown", time.Minute) // the lock of an incident that the backup does not hold
	// What ended in between is in the agenda no more, whatever its record says.
	for _, st := range []*incidents.State{s.over, s.waits} {
		if err := l.agenda.Clear(t.Context(), st.ID.Key()); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// The incidents of a backup go on where they were, under a pause that a person lifts: what waits for approval still waits, what stands is
// taken back on time, what was sent and not answered is asked about, and what has ended stays as it was. The ledger has its locks and its
// budgets, and its fence does not fall.
func TestRestoredGoesOn(t *testing.T) {
	t.Parallel()
	config, busAddr := restorePolicy(t, "waits", "holds", "sent", "unsent", "over", "unknown")
	s := newStages(t, config)
	before := view(t, s.lost)
	file, m := s.lost.backUp(t)
	s.lost.Close()

	says(t, nil, 0, []string{"restore", file, "--config", config}, "4 incidents are open",
		"1 locks were let go", "Pause p1 stands", "firebreak resume")
	server := serve(t, nil, "--config", config)
	env := environment{"FIREBREAK_SERVER": server.url, "USER": "erin"}
	says(t, env, 0, []string{"blocked"}, "paused everything",
		"restored from a backup of "+m.Begun.Format(time.RFC3339), "lifted by: firebreak resume p1")
	says(t, env, 0, []string{"approvals"}, s.waits.ID.String())
	now := openLost(t, bus.Config{URL: "nats://" + busAddr, Token: busToken}, s.lost.policy)
	checkLedger(t, before, view(t, now))
	s.check(t, now)
}

// checkLedger holds a restored ledger against what it was.
func checkLedger(t *testing.T, before, after ledger.View) {
	t.Helper()
	if after.Fence != before.Fence+backup.Ahead {
		t.Errorf("the fence: got %d, want it %d beyond %d", after.Fence, backup.Ahead, before.Fence)
	}
	if got, want := after.Budgets[0].HourUsed, before.Budgets[0].HourUsed; got != want || want != 4 {
		t.Errorf("the budget: got %d used, was %d, want 4", got, want)
	}
	domains := map[string]bool{}
	for _, held := range after.Standing {
		domains[held.Domain] = true
	}
	if domains["checkout-unknown"] || !domains["checkout-holds"] || !domains["checkout-sent"] {
		t.Errorf("the locks: got those of %v, want those of what stands, and none of what nobody carries", domains)
	}
}

// check waits until everything has come to where it must.
func (s stages) check(t *testing.T, now *lostBus) {
	t.Helper()
	state := func(was *incidents.State) *incidents.State {
		st, err := now.store.Load(t.Context(), was.ID)
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	testbed.Await(t, serveStarts, "what was sent and not answered is settled by the target", func() bool {
		return state(s.sent).Stage == incidents.Standing && !state(s.unsent).Fix().Times.Ended.IsZero()
	})
	if got := state(s.sent).Fix().Receipt.Note; got != "found at the target" {
		t.Errorf("what was sent: got the receipt %q", got)
	}
	if got := state(s.unsent).Fix().Outcome; got != incidents.OutcomeRefusedByFix {
		t.Errorf("what was not sent: got %q, want %q", got, incidents.OutcomeRefusedByFix)
	}
	testbed.Await(t, serveStarts, "what stands is taken back", func() bool { return !state(s.holds).Fix().Times.Ended.IsZero() })
	on := s.holding.Until
	if ended := state(s.holds).Fix().Times.Ended; ended.Before(on.Add(-time.Second)) || ended.After(on.Add(10*time.Second)) {
		t.Errorf("what stands was taken back at %s, want it at %s", ended, on)
	}
	if seen, err := now.leases.Check(t.Context(), s.holding); err != nil || seen.State != remediations.Absent {
		t.Errorf("the target: got %v (%v), want nothing there", seen.State, err)
	}
	if got := state(s.waits); got.Stage != incidents.Waiting || got.Asking == nil || got.Asking.ID != "q1" {
		t.Errorf("what waits: got stage %s and %+v", got.Stage, got.Asking)
	}
	if got := state(s.over); got.Seq != s.over.Seq || got.Stage != incidents.Ended {
		t.Errorf("what was over: got stage %s and message %d, want it as it was, %d", got.Stage, got.Seq, s.over.Seq)
	}
}

func view(t *testing.T, l *lostBus) ledger.View {
	t.Helper()
	v, err := l.ledger.View(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// A backup is taken of a running server, by those who may operate it, and nobody else; what is left of one that failed is no file.
func TestBackupCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := writeFile(t, dir, "firebreak.yaml", `
server:
  listen: 127.0.0.1:0
  api:
    bearer_tokens: [token-of-the-reader]
    operators: [{name: erin, token: token-of-erin-who-operates, may: [operate]}]
`)
	s := serve(t, nil, "--config", config, "--data", filepath.Join(dir, "data"))
	file := filepath.Join(dir, "backup.tar.gz")
	as := func(token string) environment {
		return environment{"FIREBREAK_SERVER": s.url, "FIREBREAK_TOKEN": token}
	}
	says(t, as(""), 1, []string{"backup", "-o", file}, "401")
	says(t, as("token-of-the-reader"), 1, []string{"backup", "-o", file}, "403", "it needs the right operate")
	if resp, err := http.Get(s.url + backupPath); err != nil || resp.StatusCode != http.StatusUnauthorized { //nolint:noctx // on loopback
		t.Errorf("got %v, %v, want 401", resp, err)
	}
	if left, err := filepath.Glob(file + "*"); err != nil || len(left) != 0 {
		t.Errorf("got %v, %v, want no file after refusals", left, err)
	}
	says(t, as("token-of-erin-who-operates"), 0, []string{"backup", "-o", file}, "is a whole backup of", "INCIDENTS 0 messages")
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := backup.Verify(f); err != nil {
		t.Error(err)
	}
	if info, err := f.Stat(); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v (%v), want that only its owner reads it", info.Mode(), err)
	}

	// Onto the running server nothing is restored, nor into a folder that somebody else uses.
	says(t, nil, 1, []string{"restore", file, "--data", filepath.Join(dir, "data")}, "another firebreak is using it")
	foreign := filepath.Join(dir, "foreign")
	if err := os.Mkdir(foreign, 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, foreign, "notes.txt", "mine")
	says(t, nil, 1, []string{"restore", file, "--data", foreign}, "not empty", "notes.txt")
	s.end()
	says(t, nil, 1, []string{"restore", file, "--data", filepath.Join(dir, "data")}, "not empty")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir, "cut.tar.gz", string(whole[:500]))
	says(t, nil, 1, []string{"restore", filepath.Join(dir, "cut.tar.gz"), "--data", filepath.Join(dir, "new")}, "damaged")
	if _, err := os.Stat(filepath.Join(dir, "new")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a damaged file made a folder: %v", err)
	}
}

// Every stream of a server with everything in its policy is either in a backup or known to be left out.
func TestNothingForgotten(t *testing.T) {
	t.Parallel()
	config, busAddr := restorePolicy(t, "one")
	serve(t, nil, "--config", config)
	ctx, cancel := context.WithTimeout(t.Context(), serveStarts)
	defer cancel()
	b, err := bus.Open(ctx, bus.Config{URL: "nats://" + busAddr, Token: busToken})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	names, err := streamsOf(ctx, b)
	if err != nil {
		t.Fatal(err)
	}
	known := strings.Join(append(backup.Streams(), backup.Passing()...), " ") + " "
	for _, name := range names {
		if !strings.Contains(known, name+" ") {
			t.Errorf("stream %s is in no backup, and nobody says why", name)
		}
	}
	if len(names) < 6 {
		t.Errorf("got %v, want a whole server's streams", names)
	}
}
