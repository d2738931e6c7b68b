package replicationlag_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/replicationlag"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// causes are all that there are, in the order of the rules.
func causes() []replicationlag.Cause {
	return []replicationlag.Cause{
		replicationlag.CauseGathering, replicationlag.CauseTwoPrimaries, replicationlag.CauseProbeUnknown, replicationlag.CauseNoPrimary,
		replicationlag.CauseOwnerPaused, replicationlag.CauseSlotRetention, replicationlag.CauseStandbyAbsent, replicationlag.CauseHealthy,
		replicationlag.CauseUndecided, replicationlag.CauseIdlePrimary, replicationlag.CauseDelayedStandby, replicationlag.CauseParameterPause,
		replicationlag.CausePaused, replicationlag.CauseWALGone, replicationlag.CauseReceiverGone, replicationlag.CauseReceiverHung,
		replicationlag.CauseSenderStarved, replicationlag.CauseStandbyDisk, replicationlag.CauseSnapshotConflict, replicationlag.CauseLockConflict,
		replicationlag.CauseWriteBurst, replicationlag.CauseCatchingUp,
	}
}

// Every cause is shown at least twice, and at least once by something that looks like it and is not, or is not to be acted on yet.
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

// The versions differ in what they can say; each is shown.
func TestSnapshotsShowVersions(t *testing.T) {
	t.Parallel()
	seen := map[int]bool{}
	for _, s := range snapshots(t) {
		for _, l := range s.Looks {
			for _, n := range l.Seen.Nodes {
				seen[n.Version/10000] = true
			}
		}
	}
	for version := 12; version <= 17; version++ {
		if !seen[version] {
			t.Errorf("no snapshot is shaped like version %d", version)
		}
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
			if strings.HasPrefix(o.Name, d.Cause+" ") || o.Why == "" || strings.Contains(o.Why, "NaN") {
				t.Errorf("%s: decided on %s, and not chosen was %+v", s.Name, d.Cause, o)
			}
		}
	}
}

func said(t *testing.T, h *replicationlag.Handler, c think.Case[replicationlag.Observation]) []byte {
	t.Helper()
	text, err := json.Marshal([]any{h.Decide(c), h.Judge(c)})
	if err != nil {
		t.Fatalf("write decision: %v", err)
	}
	return text
}

func throughJSON(t *testing.T, c think.Case[replicationlag.Observation]) think.Case[replicationlag.Observation] {
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
	st := &incidents.State{Opening: incidents.Opening{ID: incidents.NewID("replicationlag", "orders", 1), Target: "orders"}}
	return incidents.PlanOf(st, "orders", remediations.ClassA, d).Hash()
}

// later is one more look at the same world: everything went on between the last two looks as it does after them.
func later(t *testing.T, looks []look) look {
	t.Helper()
	a, b := looks[len(looks)-2], looks[len(looks)-1]
	c := throughJSON(t, think.Case[replicationlag.Observation]{Before: []look{b}}).Before[0]
	took := b.At.Sub(a.At)
	c.At = b.At.Add(took)
	for i := range c.Seen.Nodes {
		n, before := &c.Seen.Nodes[i], a.Seen.Nodes[i]
		n.AskedAt, n.ReadAt, n.Clock = n.AskedAt.Add(took), n.ReadAt.Add(took), n.Clock.Add(took)
		if p := n.Primary; p != nil {
			p.Current += p.Current - before.Primary.Current
			for j := range p.Senders {
				goOn(&p.Senders[j], before.Primary.Senders[j])
			}
		}
		if s := n.Standby; s != nil && before.Standby != nil {
			*s.Received += *s.Received - *before.Standby.Received
			*s.Replayed += *s.Replayed - *before.Standby.Replayed
			for j := range s.Holders {
				s.Holders[j].XactAge += replicationlag.Seconds(took.Seconds())
			}
		}
	}
	return c
}

func goOn(s *replicationlag.Sender, before replicationlag.Sender) {
	for _, p := range [][2]*replicationlag.LSN{{s.Sent, before.Sent}, {s.Write, before.Write}, {s.Flush, before.Flush}, {s.Replay, before.Replay}} {
		*p[0] += *p[0] - *p[1]
	}
	for _, p := range [][2]*replicationlag.Seconds{{s.ReplayLag, before.ReplayLag}, {s.ReplyAge, before.ReplyAge}} {
		if p[0] != nil && p[1] != nil {
			*p[0] += max(0, *p[0]-*p[1])
		}
	}
}

// TestSteps shows the whole step of each fix, so that a changed default or a changed format is seen.
func TestSteps(t *testing.T) {
	t.Parallel()
	want := map[string]struct {
		step   remediations.Step
		params string
	}{
		"write-burst": {remediations.Step{Remediation: "haproxy", Node: "pg2", Fix: "drain", TTL: minutes(10), Limit: minutes(10),
			Reason: "write_burst of orders/pg2"}, `{"min_ready":1}`},
		"snapshot-conflict-max-one": {remediations.Step{Remediation: "postgres", Node: "pg2", Fix: "end_conflict", Once: true, TTL: minutes(2), Limit: minutes(2),
			Reason: "snapshot_conflict of orders/pg2"},
			`{"system_identifier":"7301234567890123456","sessions":[{"pid":7102,"backend_start":"2026-03-02T02:00:00.000000Z","xact_start":"2026-03-02T02:57:40.000000Z","user":"report"}],"roles":["report"],"max":1}`},
		"receiver-hung": {remediations.Step{Remediation: "postgres", Node: "pg1", Fix: "restart_stream", Once: true, TTL: minutes(2), Limit: minutes(2),
			Reason: "receiver_hung of orders/pg2"},
			`{"system_identifier":"7301234567890123456","pid":4102,"backend_start":"2026-03-01T03:00:00.000000Z","application_name":"pg2","standby":"pg2"}`},
		"paused-old-and-slot-full": {remediations.Step{Remediation: "postgres", Node: "pg2", Fix: "resume_replay", Once: true, TTL: minutes(2), Limit: minutes(2),
			Reason: "paused of orders/pg2"},
			`{"system_identifier":"7301234567890123456","replay_lsn":"5/4FF61CC0","settings":{"max_connections":100,"max_locks_per_transaction":64,"max_prepared_transactions":0,"max_wal_senders":10,"max_worker_processes":8}}`},
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
			UntilHealed: got.Fix == "drain"}); *d.Verify != v {
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
	c := think.Case[replicationlag.Observation]{Target: think.Target{Name: "payments"}, Step: &think.Stood{Fix: "drain"}}
	h := newHandler(t, settings{})
	if d := h.Decide(c); d.Verdict != incidents.Page || !strings.Contains(d.Reason, "payments") {
		t.Errorf("got %+v", d)
	}
	if j := h.Judge(c); j.Effect != incidents.NoEffect || !strings.Contains(j.Words, "payments") {
		t.Errorf("got %+v", j)
	}
}
