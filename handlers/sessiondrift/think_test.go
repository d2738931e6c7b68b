package sessiondrift_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/sessiondrift"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/remediations"
)

// causes are all that there are, in the order of the rules.
func causes() []sessiondrift.Cause {
	return []sessiondrift.Cause{
		sessiondrift.CauseGathering, sessiondrift.CauseStoreUnreadable, sessiondrift.CauseNoQuorum, sessiondrift.CausePartition, sessiondrift.CauseClock,
		sessiondrift.CauseTooMany, sessiondrift.CauseDeploy, sessiondrift.CauseUnstable, sessiondrift.CauseOneView, sessiondrift.CauseNoEpoch,
		sessiondrift.CauseNotMeasured, sessiondrift.CauseUndecided, sessiondrift.CauseReplicaAhead, sessiondrift.CauseConflict, sessiondrift.CauseDominated,
		sessiondrift.CauseLostOnReplica, sessiondrift.CauseSlowSync, sessiondrift.CauseOrphans, sessiondrift.CauseRecoverable, sessiondrift.CauseReplicaDown,
		sessiondrift.CauseLagUnknown, sessiondrift.CauseRecoverySlow, sessiondrift.CauseRecovering, sessiondrift.CauseHealthy,
	}
}

// Every cause is shown at least twice, and at least once by something that looks like it and is not, or is not to be acted on. What gets
// better by itself looks like nothing else, so its twins are those of what it gets better from.
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
		needs := 1
		if c == sessiondrift.CauseRecovering {
			needs = 0
		}
		if positive[string(c)] < 2 || twins[string(c)] < needs {
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
		d := h.Decide(s.handed())
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

func said(t *testing.T, h *sessiondrift.Handler, c think.Case[sessiondrift.Observation]) []byte {
	t.Helper()
	text, err := json.Marshal([]any{h.Decide(c), h.Judge(c)})
	if err != nil {
		t.Fatalf("write decision: %v", err)
	}
	return text
}

func throughJSON(t *testing.T, c think.Case[sessiondrift.Observation]) think.Case[sessiondrift.Observation] {
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

// later is one more look at the same world: clients come and go, leases are renewed, a few more sessions come to be orphans.
func later(t *testing.T, looks []look) look {
	t.Helper()
	c := throughJSON(t, think.Case[sessiondrift.Observation]{Before: looks[len(looks)-1:]}).Before[0]
	c.At = c.At.Add(every)
	o := &c.Seen
	o.Members.At = o.Members.At.Add(every + 20*time.Millisecond)
	o.Members.Total, o.Orphans.Read = o.Members.Total+17, o.Orphans.Read+17
	o.Clock.Offset += 0.02
	for i := range o.Orphans.Oldest {
		o.Orphans.Oldest[i].UpdatedAt = o.Members.At
	}
	if n := o.Orphans; n.Count > 0 && n.Count < 200 && 25*n.Expired < n.Read {
		s := o.Orphans.Oldest[0]
		s.ID, s.LeaseUntil = fmt.Sprintf("new%d", o.Orphans.Count), o.Members.At.Add(-2*o.Members.TTL.Duration()-time.Second)
		o.Orphans.Oldest = append(o.Orphans.Oldest, s)
		o.Orphans.Count, o.Orphans.Expired = o.Orphans.Count+1, o.Orphans.Expired+1
	}
	if o.Around.NotFound != nil {
		*o.Around.NotFound += 0.3
	}
	for i := range o.Replicas.Replicas {
		o.Replicas.Replicas[i].LagUnits += 20
	}
	o.Contents.Cut.Position += 50
	return c
}

// Two looks in a row at the same world must ask for the same change, or none is ever made; and people who consent do so minutes later.
func TestPlanIsStable(t *testing.T) {
	t.Parallel()
	acted := 0
	for _, s := range snapshots(t) {
		c := s.handed()
		// At the very edge of too many, one more is too many.
		if s.Want.Verdict != incidents.Act || s.TwinOf == string(sessiondrift.CauseTooMany) {
			continue
		}
		acted++
		h := newHandler(t, s.Policy)
		first := h.Decide(c)
		for range 4 {
			c.Before = append(c.Before, later(t, c.Before))
			c.Now = c.Before[len(c.Before)-1].At
			second := h.Decide(c)
			if second.Verdict != incidents.Act {
				t.Fatalf("%s: then %s: %s", s.Name, second.Cause, second.Reason)
			}
			if a, b := planOf(first), planOf(second); a != b || first.Step.Reason != second.Step.Reason {
				t.Fatalf("%s: two plans, %s and %s: %s, then %s", s.Name, a, b, first.Step.Params, second.Step.Params)
			}
		}
	}
	if acted < 20 {
		t.Errorf("only %d snapshots act, so that they do not show it", acted)
	}
}

func planOf(d incidents.Decision) string {
	st := &incidents.State{Opening: incidents.Opening{ID: incidents.NewID("sessiondrift", "webshop", 1), Target: "webshop"}}
	return incidents.PlanOf(st, "webshop", remediations.ClassA, d).Hash()
}

// TestSteps shows the whole step of each fix, so that a changed default or a changed format is seen.
func TestSteps(t *testing.T) {
	t.Parallel()
	orphan := func(n, version, lease, priority string) string {
		return `{"id":"s00` + n + `","owner":"node-d","epoch":6,"version":` + version + `,"lease_until":"2026-03-02T02:44:02` + lease + `Z","priority":"` + priority + `"}`
	}
	copyOf := func(id, node, version string) string {
		return `{"id":"` + id + `","copy":"` + node + `","owner":"` + node + `","epoch":7,"version":` + version + `,"lease_until":"2026-03-02T03:01:02Z","priority":"normal"}`
	}
	two := orphan("0", "3", "", "low") + "," + orphan("1", "4", ".1", "normal")
	for name, want := range map[string]struct {
		scene  *scene
		params string
		undo   bool
		time   string
	}{
		"quarantine": {well("x", "x").each(dead(2)).in(0, counted(4270, 4260)).in(1, counted(4300, 4250)), `{"epoch":7,"total":4200,"sessions":[` + two + `]}`, true, "15s"},
		"recover": {well("x", "x").each(dead(2)).allow("recover"),
			`{"epoch":7,"to":"node-a","sessions":[` + orphan("1", "4", ".1", "normal") + `,` + orphan("0", "3", "", "low") + `]}`, true, "1m0s"},
		"reconcile": {well("x", "x").each(dominated(older("u1"))),
			`{"epoch":7,"sessions":[` + copyOf("u1", "node-a", `{"node-a":3}`) + `,` + copyOf("u1", "node-b", `{"node-a":2}`) + `]}`, true, "15s"},
		"set_aside": {well("x", "x").each(concurrent(apart("u1"))),
			`{"epoch":7,"sessions":[` + copyOf("u1", "node-a", `{"node-a":3}`) + `,` + copyOf("u1", "node-b", `{"node-a":2,"node-b":1}`) + `]}`, true, "15s"},
		"sync": {well("x", "x").each(differs(sessions.Lost, "u2", "u1")), `{"epoch":7,"ids":["u1","u2"]}`, false, "15s"},
	} {
		d := newHandler(t, want.scene.Policy).Decide(want.scene.handed())
		if d.Step == nil {
			t.Errorf("%s: got %s, %s: %s", name, d.Cause, d.Verdict, d.Reason)
			continue
		}
		got := *d.Step
		if string(got.Params) != want.params {
			t.Errorf("%s: got params\n%s, want\n%s", name, got.Params, want.params)
		}
		got.Params, got.Reason = nil, ""
		if got.Timeout.String() != want.time || got.Limit.String() != "11m0s" || got.TTL != got.Limit {
			t.Errorf("%s: it takes %s, and its effect is looked for %s", name, got.Timeout, got.Limit)
		}
		got.Timeout, got.Limit, got.TTL = 0, 0, 0
		if want := (remediations.Step{Remediation: "sessions", Cluster: "webshop", Node: "sessions", Fix: name, Once: true, Undo: want.undo}); !same(got, want) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
		if v := *d.Verify; v.Within.D() != 10*time.Minute || v.Every.D() != every || v.HoldFor.D() != 2*time.Minute || v.UntilHealed {
			t.Errorf("%s: it is verified by %+v", name, v)
		}
	}
}

// counted says how many sessions the store counts, and how many were read. What the bound rests on does not move with each of them.
func counted(total, read int) func(*obs) {
	return func(o *obs) { o.Members.Total, o.Orphans.Read = total, read }
}

func same(a, b remediations.Step) bool {
	x, err := json.Marshal(a)
	y, other := json.Marshal(b)
	return err == nil && other == nil && bytes.Equal(x, y)
}

// A target that the policy does not name is looked at by a person, and nothing of it is judged.
func TestUnknownTarget(t *testing.T) {
	t.Parallel()
	h := newHandler(t, settings{})
	c := well("x", "x").each(dead(10)).handed()
	c.Target.Name = "other"
	if d := h.Decide(c); d.Verdict != incidents.Page || d.Step != nil {
		t.Errorf("got %+v", d)
	}
	if j := h.Judge(c); j.Effect != incidents.NoEffect {
		t.Errorf("got %+v", j)
	}
}

// The runbook names every cause, every fix and every number of the policy that the rules compare with.
func TestRunbookIsComplete(t *testing.T) {
	t.Parallel()
	read, err := os.ReadFile("runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(read)
	var names []string
	for _, c := range causes() {
		names = append(names, string(c))
	}
	names = append(names, "sync", "quarantine", "reconcile", "set_aside", "recover", "lag", "stable", "orphan_percent", "orphan_jump", "clock_skew",
		"sample_every", "confirm_after", "verify_within", "hold_for", "fix.max_sessions", "fix.recover_to", "fix.limit", "fix.timeout",
		"prometheus.partition", "prometheus.deploying", "prometheus.not_found", "prometheus.orphans_before")
	for _, name := range names {
		if !strings.Contains(text, "`"+name+"`") && !strings.Contains(text, "**"+name+"**") {
			t.Errorf("the runbook does not say what %s is", name)
		}
	}
	h := newHandler(t, settings{})
	for _, name := range []string{"SessionReplicationLag", "OrphanedSessionsDetected", "SessionDataInconsistency", "SessionRecoverySlow", "SessionsNotMeasured"} {
		if !strings.Contains(text, name) {
			t.Errorf("the runbook does not name the alert %s", name)
		}
		if _, ok := h.Target(alertOf(map[string]string{"alertname": name, "store": "webshop"})); !ok {
			t.Errorf("%s is none of the handler's business", name)
		}
	}
	if i := slices.IndexFunc(strings.Split(text, "\n"), func(line string) bool { return len(line) > 400 }); i >= 0 {
		t.Errorf("line %d of the runbook is too long to be read", i+1)
	}
}
