package retrystorm_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/retrystorm"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
)

// row is calls, attempts, successes and failures per second.
type row [4]float64

// The changes of the tables are made 10 s in, and looked for until 70 s; ramps begin at 100 s.
func second(s float64) time.Time {
	return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC).Add(time.Duration(s * float64(time.Second)))
}

func known(v float64) retrystorm.Number { return retrystorm.Number{Value: v, OK: true} }

func numbers(r row) retrystorm.Numbers {
	return retrystorm.Numbers{Calls: known(r[0]), Attempts: known(r[1]), Successes: known(r[2]), Failures: known(r[3])}
}

// seen is one look at Prometheus over a window of ten seconds, with the queue's age if there is one.
func seen(at float64, r row, queue ...float64) look {
	o := retrystorm.Observation{At: second(at), Source: retrystorm.SourcePrometheus, Edge: numbers(r), Window: duration(10 * time.Second)}
	for _, q := range queue {
		o.Edge.QueueAge = known(q)
	}
	return look{At: o.At, Seen: o}
}

// unseen is a look at Prometheus that failed.
func unseen(at float64) look {
	l := seen(at, row{})
	l.Seen.Edge.Calls = retrystorm.Number{Err: "no series"}
	return l
}

// counted are looks at the counters of instances that run at a rate since second 0; a nil rate could not be read.
func counted(at float64, instances ...*row) look {
	o := retrystorm.Observation{At: second(at), Source: retrystorm.SourceJSON}
	for i, r := range instances {
		in := retrystorm.Instance{Name: fmt.Sprintf("checkout-%d:8080/m", i+1), At: second(at)}
		if r == nil {
			in.Err = "connection refused"
		} else {
			in.Numbers = numbers(row{r[0] * at, r[1] * at, r[2] * at, r[3] * at})
		}
		o.Instances = append(o.Instances, in)
	}
	return look{At: o.At, Seen: o}
}

type judgeCase struct {
	name, fix     string
	released      int
	before, after []look
	now           float64
	want          incidents.Effect
	has           string
}

// TestJudge is the table of what a change can have done while it stands in full.
func TestJudge(t *testing.T) {
	t.Parallel()
	storm, mild, dead := row{40, 120, 12, 108}, row{40, 60, 32, 28}, row{40, 40, 0, 40}
	stormy, milder, down := []look{seen(0, storm), seen(5, storm)}, []look{seen(0, mild), seen(5, mild)}, []look{seen(0, dead), seen(5, dead)}
	queued := []look{seen(0, row{40, 40, 39, 1}, 20), seen(5, row{40, 40, 39, 1}, 24)}
	served := []look{seen(0, row{40, 72, 26, 46}), seen(5, row{40, 72, 26, 46})}
	judgeAll(t, []judgeCase{
		{"budget heals", "retry_budget", 0, stormy, []look{seen(20, row{40, 43, 38, 5})}, 20, incidents.Improved, "1.07 attempts per call (before 3.00"},
		{"budget is used up", "retry_budget", 0, stormy, []look{seen(20, row{40, 45.6, 20, 25})}, 20, incidents.Improved, "1.14"},
		{"budget above what it lets through", "retry_budget", 0, stormy, []look{seen(20, row{40, 47, 20, 27})}, 20, incidents.Pending, "not gone"},
		{"budget costs goodput", "retry_budget", 0, milder, []look{seen(20, row{40, 42, 20, 22})}, 20, incidents.Worse, "goodput 20.0/s (before 32.0/s)"},
		{"a fall within the bound", "retry_budget", 0, milder, []look{seen(20, row{40, 42, 29.5, 12})}, 20, incidents.Improved, ""},
		{"a sure fall within the bound", "retry_budget", 0, []look{seen(5, row{4000, 6000, 3200, 2800})}, []look{seen(20, row{4000, 4200, 3000, 1200})}, 20, incidents.Improved, ""},
		{"a fall by chance", "retry_budget", 0, []look{seen(5, row{10, 15, 8, 7})}, []look{seen(20, row{10, 15, 6.8, 8})}, 20, incidents.Pending, ""},
		{"half the load", "retry_budget", 0, milder, []look{seen(20, row{20, 21, 16, 5})}, 20, incidents.Improved, ""},
		{"no effect yet", "retry_budget", 0, stormy, []look{seen(20, storm)}, 20, incidents.Pending, "not gone"},
		{"no effect at the end", "retry_budget", 0, stormy, []look{seen(60, storm), seen(70, storm)}, 70, incidents.NoEffect, "3.00 attempts"},
		{"improved at the end", "retry_budget", 0, stormy, []look{seen(70, row{40, 43, 38, 5})}, 70, incidents.Improved, ""},
		{"mixed window", "retry_budget", 0, milder, []look{seen(15, row{40, 42, 20, 22})}, 15, incidents.Pending, "wholly after"},
		{"no look yet", "retry_budget", 0, stormy, nil, 12, incidents.Pending, "wholly after"},
		{"never a look", "retry_budget", 0, stormy, nil, 71, incidents.NoEffect, "wholly after"},
		{"unreadable", "retry_budget", 0, stormy, []look{seen(20, row{40, 43, 38, 5}), unseen(25)}, 25, incidents.Pending, "could not be read: calls: no series"},
		{"unreadable to the end", "retry_budget", 0, stormy, []look{unseen(60), unseen(70)}, 70, incidents.NoEffect, "could not be read"},
		{"old look", "retry_budget", 0, stormy, []look{seen(20, row{40, 43, 38, 5})}, 65, incidents.Pending, "45s old"},
		{"too few calls", "retry_budget", 0, stormy, []look{seen(20, row{4, 4, 4, 0})}, 20, incidents.Pending, "too few"},
		{"nothing before", "retry_budget", 0, nil, []look{seen(20, row{40, 43, 38, 5})}, 20, incidents.Pending, "before the change"},
		{"a fix of another build", "reroute", 0, stormy, []look{seen(20, storm)}, 20, incidents.Pending, "reroute"},

		{"open relieves", "open", 0, down, []look{seen(20, row{40, 0.5, 0, 0.5})}, 20, incidents.Improved, "0.5 attempts/s at the dependency (before 40.0/s)"},
		{"open, calls counted behind the breaker", "open", 0, down, []look{seen(20, row{})}, 20, incidents.Improved, ""},
		{"open, the dependency came back", "open", 0, down, []look{seen(20, row{40, 40, 39, 1})}, 20, incidents.Improved, ""},
		{"open costs what was known", "open", 0, stormy, []look{seen(20, row{40, 1, 0, 1})}, 20, incidents.Improved, "goodput 0.0/s (before 12.0/s)"},
		{"open costs too much", "open", 0, served, []look{seen(20, row{40, 0, 0, 0})}, 20, incidents.Worse, "does not excuse"},
		{"goodput lost, load not gone", "open", 0, []look{seen(5, row{40, 60, 16, 44})}, []look{seen(20, row{40, 50, 5, 45})}, 20, incidents.Worse, "does not excuse"},
		{"open for some of the callers yet", "open", 0, stormy, []look{seen(20, row{40, 60, 6, 54})}, 20, incidents.Pending, "not reached every caller"},
		{"open for some of the callers to the end", "open", 0, stormy, []look{seen(70, row{40, 60, 6, 54})}, 70, incidents.NoEffect, "not reached every caller"},
		{"open, more attempts", "open", 0, down, []look{seen(20, row{40, 80, 0, 80})}, 20, incidents.Worse, "rose"},
		{"open by half", "open", 0, down, []look{seen(20, row{40, 20, 0, 20})}, 20, incidents.Pending, "still called"},
		{"open without calls before", "open", 0, []look{seen(5, row{1, 1, 0, 1})}, []look{seen(20, row{})}, 20, incidents.Pending, "too few"},

		{"shed drains", "shed", 0, queued, []look{seen(20, row{40, 20, 20, 0}, 2)}, 20, incidents.Improved, "2.0 s"},
		{"shed not drained", "shed", 0, queued, []look{seen(20, row{40, 20, 20, 0}, 12)}, 20, incidents.Pending, "12.0 s"},
		{"shed costs more than it sheds", "shed", 0, queued, []look{seen(20, row{40, 20, 8, 0}, 2)}, 20, incidents.Worse, "more than what is shed"},
		{"shed, queue not asked", "shed", 0, queued, []look{seen(70, row{40, 20, 20, 0})}, 70, incidents.NoEffect, "age of the queue"},
		{"shed, too few calls", "shed", 0, queued, []look{seen(20, row{4, 2, 2, 0}, 2)}, 20, incidents.Pending, "too few"},
	})
}

// TestJudgeRamp is the table of what giving a share of the calls back can do.
func TestJudgeRamp(t *testing.T) {
	t.Parallel()
	before := []look{seen(0, row{40, 120, 12, 108}), seen(5, row{40, 120, 12, 108})}
	judgeAll(t, []judgeCase{
		{"budget well", "retry_budget", 50, before, []look{seen(110, row{40, 42, 39, 3})}, 110, incidents.Improved, "at 50 %"},
		{"budget, storm back", "retry_budget", 50, before, []look{seen(110, row{40, 64, 34, 30})}, 110, incidents.Worse, "1.60"},
		{"budget, dependency back down", "retry_budget", 50, before, []look{seen(110, row{40, 42, 15, 27})}, 110, incidents.Worse, "64 % of the attempts fail"},
		{"budget in between", "retry_budget", 50, before, []look{seen(110, row{40, 48, 39, 9})}, 110, incidents.Pending, "neither"},
		{"budget, calls lost elsewhere", "retry_budget", 50, before, []look{seen(110, row{40, 42, 30, 3})}, 110, incidents.Pending, "neither"},
		{"no end by time", "retry_budget", 50, before, []look{seen(900, row{40, 48, 39, 9})}, 900, incidents.Pending, "neither"},
		{"mixed window", "retry_budget", 50, before, []look{seen(105, row{40, 42, 39, 3})}, 105, incidents.Pending, "wholly after"},
		{"too few calls", "retry_budget", 50, before, []look{seen(110, row{4, 8, 0, 8})}, 110, incidents.Pending, "too few"},
		{"unreadable", "retry_budget", 50, before, []look{unseen(110)}, 110, incidents.Pending, "could not be read"},
		{"nothing before is needed", "retry_budget", 50, nil, []look{seen(110, row{40, 42, 39, 3})}, 110, incidents.Improved, ""},
		{"open well", "open", 50, before, []look{seen(110, row{40, 20, 20, 0})}, 110, incidents.Improved, ""},
		{"open, still down", "open", 50, before, []look{seen(110, row{40, 20, 5, 15})}, 110, incidents.Worse, "75 %"},
		{"open, half well", "open", 50, before, []look{seen(110, row{40, 27, 19, 8})}, 110, incidents.Pending, "neither"},
		{"open, nothing let through", "open", 50, before, []look{seen(110, row{40, 0.1, 0, 0.1})}, 110, incidents.Pending, "too few"},
		{"shed well", "shed", 50, before, []look{seen(110, row{40, 30, 30, 0}, 1)}, 110, incidents.Improved, ""},
		{"shed, queue old again", "shed", 50, before, []look{seen(110, row{40, 30, 30, 0}, 9)}, 110, incidents.Worse, "9.0 s"},
	})
}

// TestJudgeCounters holds what is special about counters: pairs, restarts and instances that vanish.
func TestJudgeCounters(t *testing.T) {
	t.Parallel()
	bad, good := &row{40, 60, 32, 28}, &row{40, 42, 39, 3}
	before := []look{counted(0, bad, bad, bad), counted(5, bad, bad, bad), counted(10, bad, bad, bad)}
	judgeAll(t, []judgeCase{
		{"one look is no pair", "retry_budget", 0, before, []look{counted(15, good, good, good)}, 15, incidents.Pending, "one more look"},
		{"a pair across the change does not count", "retry_budget", 0, before, []look{counted(5, bad, bad, bad), counted(15, good, good, good)}, 15, incidents.Pending, "one more look"},
		{"two looks after it", "retry_budget", 0, before, []look{counted(15, good, good, good), counted(20, good, good, good)}, 20, incidents.Improved, "1.05"},
		{"an instance is gone", "retry_budget", 0, before, []look{counted(15, good, good, nil), counted(20, good, good, nil)}, 20, incidents.Improved, "goodput 78.0/s (before 64.0/s)"},
		{"two instances are gone", "retry_budget", 0, before, []look{counted(15, good, nil, nil), counted(20, good, nil, nil)}, 20, incidents.Pending, "1 of 3"},
		{"restarted", "retry_budget", 0, before, []look{counted(20, good, good, good), counted(15, good, good, good)}, 20, incidents.Pending, "one more look"},
		{"ramp needs a pair of its own", "retry_budget", 50, before, []look{counted(95, good, good, good), counted(105, good, good, good)}, 105, incidents.Pending, "one more look"},
	})
}

func judgeAll(t *testing.T, cases []judgeCase) {
	h := newHandler(t, settings{})
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			step := &think.Stood{Fix: c.fix, Since: second(10), Until: second(70), Released: c.released}
			if c.released > 0 {
				step.ReleasedAt = second(100)
			}
			got := h.Judge(think.Case[retrystorm.Observation]{
				Target: think.Target{Name: "checkout/payments", Domain: "checkout", Mode: policy.Auto},
				Before: c.before, After: c.after, Step: step, Now: second(c.now),
			})
			if got.Effect != c.want || !strings.Contains(got.Words, c.has) {
				t.Errorf("got %s (%s), want %s with %q", got.Effect, got.Words, c.want, c.has)
			}
		})
	}
}

// TestJudgeNothing holds that without a change, or without the edge, there is no effect.
func TestJudgeNothing(t *testing.T) {
	t.Parallel()
	h := newHandler(t, settings{})
	for _, c := range []think.Case[retrystorm.Observation]{
		{Target: think.Target{Name: "checkout/payments"}},
		{Target: think.Target{Name: "a/b"}, Step: &think.Stood{Fix: "open"}},
	} {
		if got := h.Judge(c); got.Effect != incidents.NoEffect {
			t.Errorf("got %+v", got)
		}
	}
}
