package history_test

import (
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/bus/stored"
	"github.com/firebreak-sre/firebreak/drills/history"
	"github.com/firebreak-sre/firebreak/handlers/replay"
	"github.com/firebreak-sre/firebreak/handlers/retrystorm"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

const build = "v1"

func rulesOf(t testing.TB, p policy.Policy) replay.Rules {
	t.Helper()
	storm, err := retrystorm.New(p.Handlers.RetryStorm)
	if err != nil {
		t.Fatal(err)
	}
	return replay.Rules{Hash: p.Hash(), Build: build, Thinkers: map[string]*think.Bound{retrystorm.Name: think.Bind(storm)}, Permits: p.Permits,
		Anyone: p.Anyone, Bounds: bounds,
		Windows: func(string, string, time.Time) *remediations.NoError { return nil }, Limits: p.Limits}
}

func past(t testing.TB, p policy.Policy, n int, every time.Duration) []stored.Msg {
	t.Helper()
	var list []stored.Msg
	_, err := history.Make(t.Context(), history.Options{Policy: p, Bounds: bounds, Incidents: n, From: time.Date(2025, 11, 23, 0, 0, 0, 0, time.UTC),
		Every: every, Seed: 7, Build: build}, func(m stored.Msg) error { list = append(list, m); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func policyOf(t testing.TB, mode policy.Mode, lines ...string) policy.Policy {
	t.Helper()
	p, err := history.Policy(30, mode, lines...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func run(t testing.TB, past []stored.Msg, r replay.Rules) (map[incidents.ID]replay.Result, replay.Totals) {
	t.Helper()
	all := map[incidents.ID]replay.Result{}
	e := replay.New(r, func(r replay.Result) { all[r.ID] = r })
	for _, m := range past {
		read, err := replay.Read(m)
		if err != nil {
			t.Fatal(err)
		}
		e.Next(read)
	}
	return all, e.Finish()
}

// Under the policy of then every decision comes out the same, bit for bit, and so does everything that was done.
func TestSamePolicySamePast(t *testing.T) {
	t.Parallel()
	p := policyOf(t, policy.Auto)
	list := past(t, p, 150, 5*time.Minute)
	c := replay.NewChecker(rulesOf(t, p))
	for _, m := range list {
		read, err := replay.Read(m)
		if err != nil {
			t.Fatal(err)
		}
		c.Next(read)
	}
	got := c.Result()
	if got.Decisions < 250 || got.Identical != got.Decisions || got.Different+got.OtherPolicy+got.OtherBuild+got.Unsaid+got.Partial != 0 {
		t.Errorf("%+v, first %v: want all decisions identical", got, got.First)
	}
	results, totals := run(t, list, rulesOf(t, p))
	for id, r := range results {
		if r.Differs || !r.Unknown.IsZero() {
			t.Errorf("%s differs: then %+v, now %+v, unknown %q", id, r.Then, r.Now, r.Why)
		}
	}
	if a := totals.Acted(); a.Then < 25 || a.Then != a.Now || totals.Differ != 0 || totals.Assumed != 0 {
		t.Errorf("%+v: want the same, and changes in it", totals)
	}
}

// What is said that another policy would have done is what the loop does under it, on the same faults.
func TestOtherPolicyDoesWhatWasSaid(t *testing.T) {
	t.Parallel()
	// The thresholds that say when to look are the same: what is not looked at is not known.
	const when = "sample_every: 10s, verify_within: 60s, hold_for: 20s, ramp_every: 10s"
	tests := map[string]struct{ was, is policy.Policy }{
		"observing, and then acting": {policyOf(t, policy.Observe), policyOf(t, policy.Auto)},
		"acting, and then observing": {policyOf(t, policy.Auto), policyOf(t, policy.Observe)},
		"acting, and then asking":    {policyOf(t, policy.Auto), policyOf(t, policy.Approve)},
		"another threshold":          {policyOf(t, policy.Auto), policyOf(t, policy.Auto, "thresholds: {"+when+", error_share: 0.95}")},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, p := range []*policy.Policy{&c.was, &c.is} {
				none := policy.Duration(time.Nanosecond)
				p.Limits.Cooldown = &none // how long a change would have stood is not known, so what waits for its end is not either
			}
			said, totals := run(t, past(t, c.was, 100, 20*time.Minute), rulesOf(t, c.is))
			done, _ := run(t, past(t, c.is, 100, 20*time.Minute), rulesOf(t, c.is))
			if totals.Differ < 10 {
				t.Fatalf("only %d of %d incidents differ: %+v", totals.Differ, totals.Incidents, totals)
			}
			for id, s := range said {
				if d := done[id]; !begins(d.Then, s.Now) {
					t.Errorf("%s\nsaid %s\ndone %s\nunknown from %s: %s", id, line(s.Now), line(d.Then), s.Unknown, s.Why)
				}
			}
		})
	}
}

// begins says whether what was said is the beginning of what was done. It ends where nothing can be said: at a look that is missing, at a
// no of somebody whom the recorded course did not ask, and behind a refusal, which says when to look again.
func begins(done, said []replay.Deed) bool {
	for i, s := range said {
		if s.Kind == replay.Missing {
			return true
		}
		if i >= len(done) {
			return false
		}
		d := done[i]
		if s.Assumed && d.Reason == remediations.ReasonSilenced && d.Cause == s.Cause {
			return true
		}
		if d.Kind != s.Kind || d.Reason != s.Reason || d.Fix != s.Fix || d.Place != s.Place || d.Cause != s.Cause {
			return false
		}
		if s.Kind == replay.Refused {
			return true
		}
	}
	return true
}

func line(list []replay.Deed) string {
	var b strings.Builder
	for _, d := range list {
		b.WriteString(d.At.Format("15:04:05") + " " + string(d.Kind) + " " + string(d.Reason) + " " + d.Cause + " " + d.Fix + "; ")
	}
	return b.String()
}
