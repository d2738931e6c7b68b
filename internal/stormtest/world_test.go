package stormtest

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// endWithin is how long it may take until the last incident has ended, counted from the last alert's acknowledgement, for each ten thousand
// alerts. All alerts are read one after the other, each that is news costs a sync of the disk, and so does each look at what it is about:
// that is some seconds on a disk of one's own, and many times more on one that others use as well.
const endWithin = 3 * time.Minute

// fixWithin is how long an edge that falls sick in calm may wait for its fix and its end. A storm that is just over is calm for four
// seconds first, and who was refused asks again after ten.
const fixWithin = 60 * time.Second

// build builds Firebreak as it is.
func build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "firebreak")
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-o", bin, "./cmd/firebreak")
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build firebreak: %v\n%s", err, out)
	}
	return bin
}

// world is one Firebreak and everything around it.
type world struct {
	t      *testing.T
	ctx    context.Context //nolint:containedctx // it lives exactly as long as one test
	town   *town
	am     *alertmanager
	api    api
	pid    int
	alerts int // of one storm
}

func newWorld(t *testing.T, alerts int) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), scaled(alerts, 8*time.Minute))
	t.Cleanup(cancel)
	bin, listen, dir := build(t), testbed.Addr(t), t.TempDir()
	w := &world{t: t, ctx: ctx, town: newTown(), am: newAlertmanager("http://" + listen), alerts: alerts}
	t.Cleanup(w.am.client.CloseIdleConnections)
	w.api = api{url: "http://" + listen, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}}
	t.Cleanup(w.api.client.CloseIdleConnections)
	config := filepath.Join(dir, "policy.yaml")
	text := policyFor(listen, filepath.Join(dir, "data"), serve(t, w.town), w.town.edges)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatalf("write the policy: %v", err)
	}
	p := testbed.Start(t, testbed.Command{Name: "firebreak", Path: bin, Args: []string{"serve", "--config", config}})
	testbed.Await(t, 60*time.Second, "the line that says that firebreak is ready", func() bool {
		select {
		case <-p.Ended():
			t.Fatal("firebreak ended")
		default:
		}
		return strings.Contains(p.Log(), "firebreak is ready")
	})
	w.pid = p.PID()
	return w
}

// scaled is how long it may take with so many alerts what may take d with ten thousand, or with fewer.
func scaled(alerts int, d time.Duration) time.Duration {
	return max(d, d*time.Duration(alerts)/10_000)
}

// must ends the test if err is not nil, and tells what happened.
func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("%v\n%s", err, w.story())
	}
}

// until waits for a condition.
func (w *world) until(within time.Duration, what string, cond func() (bool, error)) {
	w.t.Helper()
	w.must(until(w.ctx, within, what, cond))
}

// story is what happened, for people: the incidents' lines, and what the services saw.
func (w *world) story() string {
	var b strings.Builder
	all, err := w.api.incidents(w.ctx)
	if err != nil {
		return "no incidents: " + err.Error()
	}
	for _, s := range all {
		fmt.Fprintf(&b, "%s %s (%s %s %s: %s)\n", s.ID, s.Target, s.Stage, s.Outcome, s.Refused, s.Words)
	}
	effects, wrongs := w.town.testimony()
	for _, f := range effects {
		fmt.Fprintf(&b, "%s at %s from %s to %s\n", f.action, f.edge.target(), f.from.Format("15:04:05.000"), f.to.Format("15:04:05.000"))
	}
	fmt.Fprintf(&b, "wrongs: %q\n", wrongs)
	return b.String()
}

// handled says that every alert of an edge that was acknowledged until now has been read, and what it was to its incident is known.
func (w *world) handled() (bool, error) {
	want := 0
	for _, n := range w.am.acknowledged() {
		if n.target() != "" {
			want++
		}
	}
	got, err := w.api.metric(w.ctx, "firebreak_alerts_joined_total", "joining")
	if err != nil {
		return false, err
	}
	if sum(got) < want {
		return false, fmt.Errorf("%d alerts of edges were acknowledged, and %d were handled: %v", want, sum(got), got)
	}
	return true, nil
}

// ended says that no incident is open, and that no lock is held.
func (w *world) ended() (bool, error) {
	all, err := w.api.incidents(w.ctx)
	if err != nil {
		return false, err
	}
	for _, s := range all {
		if s.Stage != "closed" {
			return false, fmt.Errorf("incident %s of %s is %s", s.ID, s.Target, s.Stage)
		}
	}
	budgets, err := list[budget](w.ctx, w.api, "/api/v1/budget")
	for _, b := range budgets {
		if b.Standing != 0 {
			return false, fmt.Errorf("%d fixes stand in the budget of %s %s", b.Standing, b.Scope, b.Name)
		}
	}
	return err == nil, err
}
