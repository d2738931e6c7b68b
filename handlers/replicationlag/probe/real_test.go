package probe

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/replicationlag"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/policy"
)

type look = think.Look[replicationlag.Observation]

// thinker decides on looks at real servers, with limits of seconds.
type thinker struct {
	*watcher
	family *replicationlag.Handler
	l      *lab
	looks  []look
}

func (l *lab) think(t *testing.T) *thinker {
	t.Helper()
	p := l.policy(t)
	own := &p.Handlers.ReplicationLag
	own.Thresholds = policy.LagThresholds{SLO: policy.Duration(time.Second), SlackBytes: 64, ConflictAge: policy.Duration(time.Second),
		ReplyAge: policy.Duration(2 * time.Second)}
	own.Clusters[0].Fix.Allow = []string{"drain", "end_conflict", "restart_stream", "resume_replay"}
	own.Clusters[0].Fix.Roles = []string{testbed.RoleReader}
	p.Postgres[0].Connect.Act = &policy.PostgresLogin{User: "firebreak_act"}
	family, err := replicationlag.New(p)
	if err != nil {
		t.Fatal(err)
	}
	return &thinker{watcher: l.watch(t), family: family, l: l}
}

// decided writes and looks until that is what is decided.
func (th *thinker) decided(cause replicationlag.Cause, verdict incidents.Verdict) incidents.Decision {
	th.t.Helper()
	var d incidents.Decision
	th.t.Cleanup(func() {
		if th.t.Failed() {
			th.t.Logf("waited for %s, %s; last decided: %s", cause, verdict, asJSON(d))
		}
	})
	testbed.Await(th.t, seenWithin, string(cause)+", "+string(verdict), func() bool {
		th.l.Primary.Exec(th.t, "update items set version = version + 1")
		o, err := th.look()
		if err != nil {
			return false
		}
		th.looks = append(th.looks, look{At: time.Now().UTC(), Seen: o.Observation})
		th.looks = th.looks[max(0, len(th.looks)-120):]
		d = th.family.Decide(think.Case[replicationlag.Observation]{Target: think.Target{Name: "orders"}, Before: th.looks, Now: th.looks[len(th.looks)-1].At})
		return d.Cause == string(cause) && d.Verdict == verdict
	})
	return d
}

// judged looks until a change that was made at a time is judged so.
func (th *thinker) judged(fix string, since time.Time, effect incidents.Effect) {
	th.t.Helper()
	before := th.looks
	var after []look
	testbed.Await(th.t, seenWithin, fix+" to be "+string(effect), func() bool {
		o, err := th.look()
		if err != nil {
			return false
		}
		after = append(after, look{At: time.Now().UTC(), Seen: o.Observation})
		j := th.family.Judge(think.Case[replicationlag.Observation]{Target: think.Target{Name: "orders"}, Before: before, After: after,
			Step: &think.Stood{Fix: fix, Since: since, Until: since.Add(time.Hour)}, Now: after[len(after)-1].At})
		return j.Effect == effect
	})
}

// TestDecideOnRealServers holds that what PostgreSQL really shows is understood: the tables of snapshots are only what we think it shows.
// Its parts share a cluster, one after the other.
func TestDecideOnRealServers(t *testing.T) {
	t.Parallel()
	// With the lab's own 10 s the primary would give a silent receiver up before two looks on a busy machine agree.
	l := startLab(t, testbed.PostgresOptions{Config: map[string]string{"wal_sender_timeout": "60s"}})
	n := l.Standbys[0]
	th := l.think(t)
	th.decided(replicationlag.CauseHealthy, incidents.FalsePositive)

	n.Exec(t, "select pg_wal_replay_pause()")
	if d := th.decided(replicationlag.CausePaused, incidents.Page); !strings.Contains(d.Reason, "pg2") {
		t.Errorf("got %s", d.Reason)
	}
	n.Exec(t, "select pg_wal_replay_resume()")
	th.decided(replicationlag.CauseHealthy, incidents.FalsePositive)

	for _, c := range []struct {
		cause replicationlag.Cause
		how   string
		level string
	}{
		{replicationlag.CauseSnapshotConflict, "vacuum items", "repeatable read"},
		{replicationlag.CauseLockConflict, "alter table items add column extra int; alter table items drop column extra", "read committed"},
	} {
		reader := reading(t, n, testbed.RoleReader, c.level)
		l.Primary.Exec(t, "update items set version = version + 1")
		l.Primary.Exec(t, c.how)
		d := th.decided(c.cause, incidents.Act)
		if d.Step.Node != "pg2" || d.Step.Fix != "end_conflict" || !strings.Contains(string(d.Step.Params), fmt.Sprintf(`"pid":%d,`, reader.PgConn().PID())) {
			t.Errorf("got %s", asJSON(d))
		}
		since := time.Now().UTC()
		closeNow(t, reader)
		th.judged("end_conflict", since, incidents.Improved)
		th.looks = nil
		th.decided(replicationlag.CauseHealthy, incidents.FalsePositive)
	}

	receiver := n.WalReceiverPID()
	if err := n.SignalChild(receiver, syscall.SIGSTOP); receiver == 0 || err != nil {
		t.Fatalf("stop the receiver %d: %v", receiver, err)
	}
	d := th.decided(replicationlag.CauseReceiverHung, incidents.Act)
	sender := view{th.looks[len(th.looks)-1].Seen}.sender("pg2")
	if d.Step.Node != "pg1" || d.Step.Fix != "restart_stream" || !strings.Contains(string(d.Step.Params), fmt.Sprintf(`"pid":%d,`, sender.PID)) {
		t.Errorf("got %s", asJSON(d))
	}
	since := time.Now().UTC()
	l.Primary.Exec(t, fmt.Sprintf("select pg_terminate_backend(%d)", sender.PID))
	if err := n.SignalChild(receiver, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	th.judged("restart_stream", since, incidents.Improved)
}
