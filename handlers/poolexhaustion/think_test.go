package poolexhaustion_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/poolexhaustion"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// causes are all that there are, in the order of the rules.
func causes() []poolexhaustion.Cause {
	return []poolexhaustion.Cause{
		poolexhaustion.CauseGathering, poolexhaustion.CauseProbeUnknown, poolexhaustion.CauseTwoPrimaries, poolexhaustion.CauseNoPrimary,
		poolexhaustion.CausePaused, poolexhaustion.CauseServerFull, poolexhaustion.CauseServerDown, poolexhaustion.CauseSyncStandbyGone,
		poolexhaustion.CausePreparedTransaction, poolexhaustion.CauseLockConvoy, poolexhaustion.CauseLeak, poolexhaustion.CauseClientStorm,
		poolexhaustion.CauseOverload, poolexhaustion.CausePoolTooSmall, poolexhaustion.CauseHealthy, poolexhaustion.CauseRecovering,
		poolexhaustion.CauseUndecided,
	}
}

// Every cause is shown at least twice, and at least once by something that looks like it and is not, or is not to be acted on.
func TestEveryCauseHasItsTwin(t *testing.T) {
	t.Parallel()
	positive, twins := map[string]int{}, map[string]int{}
	for _, s := range snapshots(t) {
		if s.Step != nil {
			continue
		}
		if twins[s.TwinOf]++; s.TwinOf != s.Want.Cause {
			positive[s.Want.Cause]++
		}
		if s.TwinOf == s.Want.Cause && s.Want.Verdict == incidents.Act {
			t.Errorf("%s is the negative twin of %s and acts on it", s.Name, s.TwinOf)
		}
	}
	for _, c := range causes() {
		if positive[string(c)] < 2 || twins[string(c)] < 1 {
			t.Errorf("%s is shown %d times, and %d times by a negative twin", c, positive[string(c)], twins[string(c)])
		}
		delete(positive, string(c))
	}
	if len(positive) > 0 {
		t.Errorf("these are no causes: %v", positive)
	}
}

// The same case gives the same bytes, also after a way through JSON, and what was chosen is never among what was not.
func TestDecideIsDeterministic(t *testing.T) {
	t.Parallel()
	for _, s := range snapshots(t) {
		h := newHandler(t, s.Policy)
		first, again := said(t, h, s.handed()), said(t, newHandler(t, s.Policy), throughJSON(t, s.handed()))
		if !bytes.Equal(first, again) {
			t.Errorf("%s: got\n%s, then\n%s", s.Name, first, again)
		}
		c := s.handed()
		c.Step = nil
		d := h.Decide(c)
		for _, o := range d.Others {
			if strings.HasPrefix(o.Name, d.Cause+" ") || o.Why == "" || strings.Contains(o.Why, "NaN") || strings.Contains(o.Why, "%!") {
				t.Errorf("%s: decided on %s, and not chosen was %+v", s.Name, d.Cause, o)
			}
		}
		for _, e := range d.Evidence {
			if e.Name == "" || e.Words == "" || strings.Contains(e.Words, "%!") {
				t.Errorf("%s: evidence %+v", s.Name, e)
			}
		}
	}
}

func said(t *testing.T, h *poolexhaustion.Handler, c think.Case[poolexhaustion.Observation]) []byte {
	t.Helper()
	text, err := json.Marshal([]any{h.Decide(c), h.Judge(c)})
	if err != nil {
		t.Fatalf("write decision: %v", err)
	}
	return text
}

func throughJSON(t *testing.T, c think.Case[poolexhaustion.Observation]) think.Case[poolexhaustion.Observation] {
	t.Helper()
	for _, looks := range []*[]look{&c.Before, &c.After} {
		text, err := json.Marshal(*looks)
		if err != nil {
			t.Fatalf("write looks: %v", err)
		}
		*looks = nil
		if err := json.Unmarshal(text, looks); err != nil {
			t.Fatalf("read looks: %v", err)
		}
	}
	return c
}

// Two looks in a row at the same world must ask for the same change, or none is ever made.
func TestPlanIsStable(t *testing.T) {
	t.Parallel()
	acted := 0
	for _, s := range snapshots(t) {
		c := s.handed()
		if s.Want.Verdict != incidents.Act {
			continue
		}
		acted++
		h := newHandler(t, s.Policy)
		first := h.Decide(c)
		c.Before = append(c.Before, later(t, c.Before))
		c.Now = c.Before[len(c.Before)-1].At
		second := h.Decide(c)
		if second.Verdict != incidents.Act {
			t.Errorf("%s: then %s: %s", s.Name, second.Cause, second.Reason)
			continue
		}
		if a, b := planOf(first), planOf(second); a != b || first.Step.Reason != second.Step.Reason {
			t.Errorf("%s: two plans, %s and %s: %s, then %s", s.Name, a, b, first.Step.Params, second.Step.Params)
		}
	}
	if acted < 25 {
		t.Errorf("only %d snapshots act, so that they do not show it", acted)
	}
}

func planOf(d incidents.Decision) string {
	st := &incidents.State{Opening: incidents.Opening{ID: incidents.NewID("poolexhaustion", "orders", 1), Target: "orders"}}
	return incidents.PlanOf(st, "orders", remediations.ClassA, d).Hash()
}

// later is one more look at the same world: everything went on between the last two looks as it does after them, and a few more or fewer
// clients wait.
func later(t *testing.T, looks []look) look {
	t.Helper()
	a, b := looks[len(looks)-2], looks[len(looks)-1]
	c := throughJSON(t, think.Case[poolexhaustion.Observation]{Before: []look{b}}).Before[0]
	took := b.At.Sub(a.At)
	c.At = b.At.Add(took)
	for i := range c.Seen.Poolers {
		for j := range c.Seen.Poolers[i].Databases {
			d, before := &c.Seen.Poolers[i].Databases[j], a.Seen.Poolers[i].Databases[j]
			d.Totals.Transactions += d.Totals.Transactions - before.Totals.Transactions + 7
			d.Totals.XactTime += d.Totals.XactTime - before.Totals.XactTime
			for k := range d.Pools {
				if p := &d.Pools[k]; p.Waiting > 0 {
					p.Waiting, p.MaxWait = p.Waiting+1, p.MaxWait+poolexhaustion.Seconds(took.Seconds())
				}
			}
		}
	}
	s := &c.Seen.Server
	s.Clock, s.ReadAt, s.Commits, s.Used = s.Clock.Add(took), s.ReadAt.Add(took), s.Commits+19, s.Used+1
	for i := range s.Sessions {
		s.Sessions[i].XactAge += poolexhaustion.Seconds(took.Seconds())
		s.Sessions[i].StateAge += poolexhaustion.Seconds(took.Seconds())
	}
	if s.BlockersProblem != "" { // it is asked again now
		s.Blockers, s.BlockersProblem = slices.Clone(a.Seen.Server.Blockers), ""
	}
	for i := range s.Blockers {
		s.Blockers[i].Victims++
	}
	s.LockWaiting += len(s.Blockers)
	return c
}

// TestSteps shows the whole step of each fix, so that a changed default or a changed format is seen.
func TestSteps(t *testing.T) {
	t.Parallel()
	session := func(pid, xact string) string {
		return `{"pid":` + pid + `,"backend_start":"2026-03-02T01:00:00.123456Z","xact_start":"` + xact + `","user":"shop"}`
	}
	want := map[string]struct {
		step   remediations.Step
		params string
	}{
		"leak-lab": {remediations.Step{Remediation: "postgres", Node: "pg1", Fix: "end_leaked", Once: true, TTL: minutes(2), Limit: minutes(2), Reason: "leak of orders"},
			`{"system_identifier":"7301234567890123456","sessions":[` + session("7101", "2026-03-02T02:53:20.000000Z") + `,` +
				session("7102", "2026-03-02T02:53:30.000000Z") + `,` + session("7103", "2026-03-02T02:53:40.000000Z") + `],"roles":["shop"],"max":3}`},
		"lock-convoy-idle": {remediations.Step{Remediation: "postgres", Node: "pg1", Fix: "end_blocker", Once: true, TTL: minutes(2), Limit: minutes(2), Reason: "lock_convoy of orders"},
			`{"system_identifier":"7301234567890123456","sessions":[` + session("7201", "2026-03-02T02:59:20.000000Z") + `],"roles":["shop"],"max":1}`},
		"lock-convoy-active": {remediations.Step{Remediation: "postgres", Node: "pg1", Fix: "end_blocker", Once: true, TTL: minutes(2), Limit: minutes(2), Reason: "lock_convoy of orders"},
			`{"system_identifier":"7301234567890123456","sessions":[` + session("7201", "2026-03-02T02:59:20.000000Z") + `],"roles":["shop"],"max":1,"cancel_first":true,"terminate":true}`},
		"pool-too-small": {remediations.Step{Remediation: "pgbouncer", Node: "bouncer1", Fix: "grow_pool", TTL: minutes(30), Limit: minutes(30), Reason: "pool_too_small of orders"},
			`{"database":"shop","from":20,"to":23,"usable":77}`},
		"pool-too-small-own-size": {remediations.Step{Remediation: "pgbouncer", Node: "bouncer1", Fix: "grow_pool", TTL: minutes(30), Limit: minutes(30), Reason: "pool_too_small of orders"},
			`{"database":"shop","from":8,"to":9,"usable":77,"means":"reserve_pool_size"}`},
		"pool-too-small-app": {remediations.Step{Remediation: "httpadmin", Node: "checkout", Fix: "grow_pool", TTL: minutes(30), Limit: minutes(30), Reason: "pool_too_small of orders"},
			`{"size":11}`},
		"paused": {remediations.Step{Remediation: "pgbouncer", Node: "bouncer1", Fix: "resume", Once: true, TTL: minutes(2), Limit: minutes(2), Reason: "paused of orders"},
			`{"database":"shop","ours":false}`},
	}
	for _, s := range snapshots(t) {
		w, ok := want[s.Name]
		if !ok {
			continue
		}
		delete(want, s.Name)
		d := newHandler(t, s.Policy).Decide(s.handed())
		if got := string(d.Step.Params); got != w.params {
			t.Errorf("%s: params: got %s, want %s", s.Name, got, w.params)
		}
		got := *d.Step
		w.step.Cluster, w.step.Timeout = "orders", policy.Duration(5*time.Second)
		if got.Params = nil; !slices.Equal(got.Ramp, w.step.Ramp) || got.Words() != w.step.Words() || got.Reason != w.step.Reason ||
			got.Remediation != w.step.Remediation || got.TTL != w.step.TTL || got.Timeout != w.step.Timeout || got.Once != w.step.Once {
			t.Errorf("%s: got %+v, want %+v", s.Name, got, w.step)
		}
		if v := (incidents.Verify{Every: policy.Duration(5 * time.Second), Within: minutes(1), HoldFor: minutes(1), RampEvery: minutes(1),
			UntilHealed: got.Fix == "grow_pool"}); *d.Verify != v {
			t.Errorf("%s: verify: got %+v, want %+v", s.Name, *d.Verify, v)
		}
	}
	if len(want) > 0 {
		t.Errorf("there are no such snapshots: %v", want)
	}
}

func minutes(n int) policy.Duration { return policy.Duration(time.Duration(n) * time.Minute) }

// What a change was made to follows from the looks before it, not from alerts that have come or gone since.
func TestJudgeWithoutTheAlerts(t *testing.T) {
	t.Parallel()
	for _, s := range snapshots(t) {
		if s.Step == nil {
			continue
		}
		c := s.handed()
		c.Alerts = nil
		checkJudgement(t, s.Want, newHandler(t, s.Policy).Judge(c))
	}
}

// A cluster that left the policy is for a person, and nothing about it can be judged.
func TestUnknownTarget(t *testing.T) {
	t.Parallel()
	c := think.Case[poolexhaustion.Observation]{Target: think.Target{Name: "payments"}, Step: &think.Stood{Fix: "grow_pool"}}
	h := newHandler(t, settings{})
	if d := h.Decide(c); d.Verdict != incidents.Page || !strings.Contains(d.Reason, "payments") {
		t.Errorf("got %+v", d)
	}
	if j := h.Judge(c); j.Effect != incidents.NoEffect || !strings.Contains(j.Words, "payments") {
		t.Errorf("got %+v", j)
	}
}
