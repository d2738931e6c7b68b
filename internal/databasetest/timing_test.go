package databasetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// stages is when what happened, in seconds from the fault.
type stages struct {
	fault time.Time
	rows  []string
}

func (s *stages) mark(what string, at time.Time, target string) {
	s.rows = append(s.rows, fmt.Sprintf("| %s | %.1f | %s |", what, at.Sub(s.fault).Seconds(), target))
}

// TestTimes follows two faults from the database over exporter, Prometheus and Alertmanager to the change and to the end, and prints how
// long each stage takes beside the targets of the runbooks. It fails only where a stage does not come at all: a busy machine is late.
func TestTimes(t *testing.T) {
	bin := blackbox.Build(t)
	l := blackbox.NewLane(t)
	t.Cleanup(l.End)
	b := startLab(l, nil)
	listen := testbed.Addr(t)
	p := startPipeline(b, "http://"+listen+"/webhook")
	for _, c := range []struct {
		name string
		run  func(r *run) stages
	}{{"snapshot conflict", timesConflict}, {"slow link", timesLink}} {
		t.Run(c.name, func(t *testing.T) {
			defer l.Enter(t)()
			b.heal()
			r := timed(t, b, bin, listen, p)
			s := c.run(r)
			got := r.closed()
			r.times(&s, got)
			r.judge()
			t.Logf("\n| %s | seconds from the fault | target |\n|---|---|---|\n%s", c.name, strings.Join(s.rows, "\n"))
		})
	}
}

// timesConflict holds replay up by a report's snapshot.
func timesConflict(r *run) stages {
	r.watch(expected{cause: "snapshot_conflict", verdict: "act", outcome: "fixed", changes: []string{"end_conflict pg2"}})
	stop := r.load(200_000)
	r.victims = append(r.victims, r.holdSnapshot(r.victim(), listed, "monthly"))
	r.collide(r.victim())
	s := stages{fault: time.Now()}
	r.fired = s.fault
	r.until("the change", func(got blackbox.Record) bool { return got.Has("applied") })
	r.await("the standby to have caught up", func() bool { return r.caughtUp(r.victim()) })
	r.healed()
	r.t.Cleanup(stop)
	return s
}

// timesLink makes the link of a standby too narrow for what is written, and wide again when its readers are safe.
func timesLink(r *run) stages {
	r.watch(drainFor("sender_starved"))
	r.victim().Proxy.Narrow(100_000, testbed.FromTarget)
	stop := r.load(4_000_000)
	s := stages{fault: time.Now()}
	r.fired = s.fault
	r.await("the pool to send it no readers", func() bool { return r.moves.is(r.victim().Name, "drain") })
	stop()
	r.victim().Proxy.Heal()
	r.await("the pool to send it readers", func() bool { return r.moves.is(r.victim().Name, "ready") })
	r.healed()
	return s
}

// times reads the stages out of the record.
func (r *run) times(s *stages, got blackbox.Record) {
	r.t.Helper()
	for _, e := range []struct{ kind, what, target string }{
		{"opened", "the alert is at the webhook", "detected < 10 s (RB-011)"},
		{"applied", "the change is made", "mitigated < 30 s (RB-011)"},
		{"verified", "its effect is seen", ""},
	} {
		at, ok := got.First(e.kind)
		if !ok {
			r.wrongly("nothing was %s", e.kind)
		}
		s.mark(e.what, at, e.target)
	}
	s.mark("the fault is over", r.fired.Add(r.v.Heal), "recovered < 5 min (RB-011), RTO < 2 min (RB-009)")
	for _, e := range []struct{ kind, what string }{{"alert", "the alert has resolved"}, {"closed", "the incident is closed"}} {
		if at, ok := got.Last(e.kind); ok {
			s.mark(e.what, at, "")
		}
	}
}
