package crashtest

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// target is what Firebreak changes.
type target string

// The targets: two instances with HTTP admin endpoints that outlive Firebreak, and a lease in the bus inside of Firebreak, which
// one instance reads.
const (
	overHTTP  target = "httpadmin"
	overLease target = "breaker"
)

const (
	// reachWithin is how long a process may live that has to die at its crash point.
	reachWithin = 60 * time.Second
	// closeWithin is how long an incident may take to close after a crash. A message that was in hand in the crash is handed
	// out again after some seconds.
	closeWithin = 90 * time.Second
)

// world is everything around one Firebreak: it outlives every crash.
type world struct {
	t       *testing.T
	ctx     context.Context //nolint:containedctx // it lives exactly as long as one test
	bin     string
	config  string
	url     string
	target  target
	patient *patient
	am      *alertmanager
	leases  *leases // nil over HTTP
}

func newWorld(t *testing.T, bin string, tg target) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	t.Cleanup(cancel)
	listen := testbed.Addr(t)
	w := &world{t: t, ctx: ctx, bin: bin, url: "http://" + listen, target: tg, patient: newPatient(2, nil)}
	w.am = &alertmanager{url: w.url, client: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{}}}
	t.Cleanup(w.am.client.CloseIdleConnections)
	busAddr := ""
	if tg == overLease {
		busAddr = testbed.Addr(t)
		w.leases = openLeases(t, busAddr)
		w.patient = newPatient(1, w.leases)
	}
	urls := make([]string, len(w.patient.instances))
	for i := range urls {
		urls[i] = serve(t, w.patient, i)
	}
	dir := t.TempDir()
	w.config = filepath.Join(dir, "policy.yaml")
	text := policyFor(listen, filepath.Join(dir, "data"), busAddr, urls)
	if err := os.WriteFile(w.config, []byte(text), 0o600); err != nil {
		t.Fatalf("write the policy: %v", err)
	}
	return w
}

// start starts a Firebreak that dies at a crash point; at none if it is empty.
func (w *world) start(point string) *testbed.Process {
	w.t.Helper()
	return testbed.Start(w.t, testbed.Command{Name: "firebreak", Path: w.bin, Args: []string{"serve", "--config", w.config},
		Env: append(os.Environ(), "FIREBREAK_FAILPOINT="+point)})
}

// ready waits for the line that says so, or for the end.
func (w *world) ready(p *testbed.Process) {
	w.t.Helper()
	testbed.Await(w.t, reachWithin, "the line that says that firebreak is ready", func() bool {
		select {
		case <-p.Ended():
			return true
		default:
			return strings.Contains(p.Log(), "firebreak is ready")
		}
	})
}

// episode is one sickness from its beginning to its end, as Alertmanager sees it: it fires until nothing is wrong any more and
// nothing stands. A hasty one resolves as soon as the calls do well, while the change still stands.
func (w *world) episode(hasty bool) error {
	ctx, cancel := context.WithTimeout(w.ctx, closeWithin)
	defer cancel()
	begun := time.Now().UTC()
	w.patient.fall()
	if err := w.am.notify(ctx, news{status: "firing", starts: begun}); err != nil {
		return err
	}
	healthy, what := w.patient.well, "the system is well and nothing stands"
	if hasty {
		healthy, what = func() bool { return w.patient.eased() || w.patient.well() }, "the storm is over"
	}
	if err := until(ctx, what, healthy); err != nil {
		return err
	}
	if err := w.am.notify(ctx, news{status: "resolved", starts: begun, ends: time.Now().UTC()}); err != nil {
		return err
	}
	if err := until(ctx, "the system is well and nothing stands", w.patient.well); err != nil {
		return err
	}
	blackbox.Pause(ctx, 5*time.Millisecond) // the next one starts later than this one ended, also in milliseconds
	return nil
}

// background runs an episode beside the test.
func (w *world) background(hasty bool) <-chan error {
	done := make(chan error, 1)
	go func() { done <- w.episode(hasty) }()
	return done
}

// finish waits for an episode's end.
func (w *world) finish(episode <-chan error) {
	w.t.Helper()
	select {
	case err := <-episode:
		if err != nil {
			w.t.Fatalf("%v\n%s", err, w.story())
		}
	case <-w.ctx.Done():
		w.t.Fatalf("the episode did not end: %v\n%s", context.Cause(w.ctx), w.story())
	}
}

// closed waits until there are so many incidents, or any number if n is 0, and all are closed.
func (w *world) closed(n int) []blackbox.Record {
	w.t.Helper()
	var all []blackbox.Record
	ctx, cancel := context.WithTimeout(w.ctx, closeWithin)
	defer cancel()
	err := until(ctx, "all incidents are closed", func() bool {
		var err error
		if all, err = w.records(); err != nil || n > 0 && len(all) != n || len(all) == 0 {
			return false
		}
		for _, r := range all {
			if r.Summary.Stage != "closed" {
				return false
			}
		}
		return true
	})
	if err != nil {
		w.t.Fatalf("%v; wanted %d incidents\n%s", err, n, w.story())
	}
	return all
}

// story is what happened, for people.
func (w *world) story() string {
	all, err := w.records()
	if err != nil {
		return "no records: " + err.Error()
	}
	var b strings.Builder
	for _, r := range all {
		fmt.Fprintf(&b, "%s (%s: %s)\n", r.Summary.ID, r.Summary.Stage, r.Summary.Words)
		for _, e := range r.Events {
			fmt.Fprintf(&b, "  %s %-15s by %s %s %s\n", e.At.Format("15:04:05.000"), e.Kind, e.By, e.Action(), e.Note)
		}
	}
	marks, wrongs, standing := w.patient.testimony()
	fmt.Fprintf(&b, "standing at %d instances; effects %v; wrongs %q\n", standing, marks, wrongs)
	return b.String()
}
