package probe

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/policy"
)

// TestObserve looks at a real cluster while one thing after the other is wrong with it, each mended before the next. Its subtests share the
// cluster and so are not parallel.
func TestObserve(t *testing.T) {
	t.Parallel()
	l := startLab(t, testbed.PostgresOptions{})
	for _, c := range []struct {
		name string
		is   func(*testing.T, *lab)
	}{
		{"healthy", healthy}, {"versions", olderVersions}, {"parts fail", partsFail}, {"paused", paused}, {"delayed", delayed},
		{"snapshot conflict", snapshotConflict}, {"lock conflict", lockConflict},
		{"buffer pin", bufferPin}, {"receiver hangs", receiverHangs}, {"link cut", linkCut}, {"backup", backup},
		{"pool and manager", poolAndManager},
		{"no pg_monitor", noMonitor}, {"other cluster", otherCluster},
		{"primary hangs", primaryHangs}, {"nothing answers", nothingAnswers}, {"two primaries", twoPrimaries},
	} {
		if !t.Run(c.name, func(t *testing.T) { c.is(t, l) }) {
			return // what comes next would look at what is left of this
		}
	}
}

// healthy holds everything that is read of a cluster that is well.
func healthy(t *testing.T, l *lab) {
	l.Primary.Exec(t, "update items set version = version + 1")
	w := l.watch(t)
	o := w.until("both standbys to be well", func(o view) bool { return o.well("pg2") && o.well("pg3") })
	var asked []time.Time
	for i, name := range []string{"pg1", "pg2", "pg3"} {
		n := o.Nodes[i]
		if n.Name != name || n.Problem != "" || n.Version < 150000 || n.SystemIdentifier == "" || n.SystemIdentifier != o.Nodes[0].SystemIdentifier {
			t.Errorf("%s: got %s", name, asJSON(n))
		}
		if n.ReadAt.Before(n.AskedAt) || n.Clock.Sub(n.AskedAt).Abs() > 10*time.Second || n.Clock.Location() != time.UTC {
			t.Errorf("%s: got asked %s, read %s, its clock %s", name, n.AskedAt, n.ReadAt, n.Clock)
		}
		asked = append(asked, n.AskedAt)
		for setting, want := range map[string]int64{"max_connections": 60, "max_wal_senders": 10, "max_worker_processes": 8, "max_prepared_transactions": 0,
			"max_locks_per_transaction": 64, "max_slot_wal_keep_size": 1024, "wal_receiver_status_interval": 1000, "wal_sender_timeout": 10000} {
			if got, ok := n.Settings[setting]; !ok || got != want {
				t.Errorf("%s: got %s = %d, %t, want %d", name, setting, got, ok, want)
			}
		}
	}
	if apart := asked[1].Sub(asked[0]).Abs(); apart > time.Second {
		t.Errorf("the positions were read %s apart", apart)
	}
	p := o.at("pg1").Primary
	if p == nil || o.at("pg1").Standby != nil || p.Hidden || p.Backups != 0 || p.SyncNames != "" || len(p.Senders) != 2 || len(p.Slots) != 2 {
		t.Fatalf("got %s", asJSON(o.at("pg1")))
	}
	s := p.Senders[0]
	if s.ApplicationName != "pg2" || s.PID == 0 || s.User != testbed.RoleReplicator || s.ClientAddr != "127.0.0.1" || s.SyncState != "async" ||
		s.BackendStart.IsZero() || s.Sent == nil || s.Write == nil || s.Flush == nil || s.Replay == nil || s.ReplyAge == nil {
		t.Errorf("got sender %s", asJSON(s))
	}
	if k := p.Slots[0]; k.Name != "slot_pg2" || k.Type != "physical" || !k.Active || k.ActivePID != s.PID || k.WALStatus != "reserved" ||
		k.SafeBytes == nil || k.Retained == nil {
		t.Errorf("got slot %s", asJSON(k))
	}
	b := o.at("pg2").Standby
	if b == nil || b.Hidden || b.Pause != "not paused" || b.Received == nil || b.ReplayedAt.IsZero() || b.Startup == nil || b.Holders != nil ||
		b.HoldersProblem != "" || b.ApplyDelay != 0 || b.StreamingDelay != 600000 || b.Backups != 0 {
		t.Fatalf("got %s", asJSON(o.at("pg2")))
	}
	if r := b.Receiver; r == nil || r.PID == 0 || r.SenderHost != "127.0.0.1" || r.SlotName != "slot_pg2" || r.Timeline != 1 || r.MessageAge == nil {
		t.Errorf("got receiver %s", asJSON(b.Receiver))
	}
}

// paused holds a standby whose replay somebody paused, and the lag that its primary sees.
func paused(t *testing.T, l *lab) {
	n := l.Standbys[0]
	n.Exec(t, "select pg_wal_replay_pause()")
	l.Primary.Exec(t, "update items set version = version + 1")
	w := l.watch(t)
	o := w.until("the pause and what it holds back", func(o view) bool {
		s, row := o.at("pg2").Standby, o.sender("pg2")
		return s != nil && s.Pause == "paused" && o.waits("pg2") == "IPC/RecoveryPause" && row != nil &&
			*row.Flush > *row.Replay && *s.Received > *s.Replayed
	})
	if s := o.at("pg2").Standby; s.Holders != nil || s.HoldersProblem != "" {
		t.Errorf("somebody holds a pause up: %s", asJSON(s))
	}
	if !o.well("pg3") {
		t.Errorf("the other standby is %s", asJSON(o.at("pg3")))
	}
	n.Exec(t, "select pg_wal_replay_resume()")
	w.until("it to be well again", func(o view) bool { return o.well("pg2") })
}

// delayed holds a standby that is told to be late.
func delayed(t *testing.T, l *lab) {
	n := l.Standbys[0]
	n.ReloadWith(map[string]string{"recovery_min_apply_delay": "5min"})
	w := l.watch(t)
	w.until("the delay to be known", func(o view) bool { return o.at("pg2").Standby.ApplyDelay == 300000 })
	l.Primary.Exec(t, "update items set version = version + 1")
	w.until("replay to wait for the delay", func(o view) bool { return o.waits("pg2") == "Timeout/RecoveryApplyDelay" })
	n.ReloadWith(map[string]string{"recovery_min_apply_delay": "0"})
	w.until("it to be well again", func(o view) bool { return o.well("pg2") })
}

// receiverHangs holds a receiver that stands still: the standby does not know, only the primary does.
func receiverHangs(t *testing.T, l *lab) {
	n := l.Standbys[0]
	receiver := n.WalReceiverPID()
	if err := n.SignalChild(receiver, syscall.SIGSTOP); receiver == 0 || err != nil {
		t.Fatalf("stop the receiver %d: %v", receiver, err)
	}
	l.Primary.Exec(t, "update items set version = version + 1")
	w := l.watch(t)
	o := w.until("what is on its way, and its silence", func(o view) bool {
		row := o.sender("pg2")
		return row != nil && row.State == "streaming" && *row.Sent > *row.Write && *row.ReplyAge > 2
	})
	s := o.at("pg2").Standby
	if s.Receiver == nil || s.Receiver.Status != "streaming" || s.Receiver.PID != receiver || *s.Received != *s.Replayed || *s.Receiver.MessageAge < 1 {
		t.Errorf("the standby believes %s, want it to believe that all is well", asJSON(s))
	}
	if err := n.SignalChild(receiver, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	w.until("it to be well again", func(o view) bool { return o.well("pg2") })
}

// linkCut holds a standby that cannot reach its primary.
func linkCut(t *testing.T, l *lab) {
	n := l.Standbys[0]
	n.Proxy.Cut()
	l.Primary.Exec(t, "update items set version = version + 1")
	w := l.watch(t)
	o := w.until("the row, the receiver and the slot's user to be gone", func(o view) bool {
		return o.sender("pg2") == nil && o.at("pg2").Standby.Receiver == nil && !o.slot("slot_pg2").Active
	})
	k, p, s := o.slot("slot_pg2"), o.at("pg1").Primary, o.at("pg2").Standby
	if k.ActivePID != 0 || k.Retained == nil || *k.Retained <= 0 || *s.Replayed >= p.Current {
		t.Errorf("got slot %s, primary at %d, standby %s", asJSON(k), p.Current, asJSON(s))
	}
	n.Proxy.Heal()
	w.until("it to be well again", func(o view) bool { return o.well("pg2") })
}

// noMonitor holds that a login without pg_monitor is told from a cluster without lag.
func noMonitor(t *testing.T, l *lab) {
	o, err := l.watch(t, func(c *policy.PostgresCluster) { c.Connect.Probe = policy.PostgresLogin{User: blindUser} }).look()
	if err != nil {
		t.Fatal(err)
	}
	p, s := o.at("pg1").Primary, o.at("pg2").Standby
	if p == nil || !p.Hidden || p.Current == 0 || len(p.Senders) != 2 || p.Senders[0].State != "" || p.Senders[0].Replay != nil {
		t.Errorf("got %s", asJSON(o.at("pg1")))
	}
	if s == nil || !s.Hidden || s.Startup != nil || s.Replayed == nil {
		t.Errorf("got %s", asJSON(o.at("pg2")))
	}
}

// otherCluster holds that a server that is not the cluster's is not looked at.
func otherCluster(t *testing.T, l *lab) {
	o, err := l.watch(t, func(c *policy.PostgresCluster) { c.SystemIdentifier = "7000000000000000001" }).look()
	if !errors.Is(err, ErrUnreadable) || !strings.Contains(err.Error(), "pg3: its system identifier is ") {
		t.Errorf("got %v", err)
	}
	if n := o.at("pg2"); n.SystemIdentifier == "" || n.Standby != nil || n.Settings != nil || !strings.Contains(n.Problem, "7000000000000000001") {
		t.Errorf("got %s", asJSON(n))
	}
}

// primaryHangs holds that a primary that does not answer costs no more than its time, whether a session was open or not, and that the
// others are read.
func primaryHangs(t *testing.T, l *lab) {
	const timeout = 3 * time.Second
	short := func(c *policy.PostgresCluster) { c.Connect.Timeout = policy.Duration(timeout) }
	warm, cold := l.watch(t, short), l.watch(t, short)
	warm.until("an open session", func(o view) bool { return o.well("pg2") })
	l.link.Hold()
	defer l.link.Heal()
	for name, w := range map[string]*watcher{"warm": warm, "cold": cold} {
		began := time.Now()
		o, err := w.look()
		if took := time.Since(began); err != nil || took > 2*timeout {
			t.Errorf("%s: took %s and got %v", name, took, err)
		}
		if p := o.at("pg1"); p.Primary != nil || !p.AskedAt.IsZero() || !strings.Contains(p.Problem, "no answer within 3s") {
			t.Errorf("%s: got %s", name, asJSON(p))
		}
		if o.at("pg2").Standby == nil || o.at("pg3").Standby == nil {
			t.Errorf("%s: the standbys are %s", name, asJSON(o))
		}
	}
	l.link.Heal()
	warm.until("it to be read again", func(o view) bool { return o.well("pg2") })
}

// nothingAnswers holds the one error of a look, which says why of every node.
func nothingAnswers(t *testing.T, l *lab) {
	o, err := l.watch(t, func(c *policy.PostgresCluster) { c.Connect.Database = "nowhere" }).look()
	if !errors.Is(err, ErrUnreadable) || len(o.Nodes) != 3 {
		t.Fatalf("got %v, %s", err, asJSON(o))
	}
	for _, n := range o.Nodes {
		if !strings.Contains(n.Problem, `database "nowhere" does not exist`) || !strings.Contains(err.Error(), n.Name+": ") ||
			strings.Contains(n.Problem, "\n") {
			t.Errorf("got %s, error %v", asJSON(n), err)
		}
	}
	if _, err := l.watch(t).prober.Observe(t.Context(), "billing"); !errors.Is(err, ErrUnknownTarget) {
		t.Errorf("a cluster that is not named: got %v", err)
	}
}

// twoPrimaries holds a standby that somebody promoted beside its primary. It is not mended.
func twoPrimaries(t *testing.T, l *lab) {
	w := l.watch(t)
	w.until("one primary", func(o view) bool { return o.well("pg3") })
	l.Standbys[1].Exec(t, "select pg_promote()")
	o := w.until("two", func(o view) bool { return o.at("pg3").Primary != nil })
	if p := o.at("pg1").Primary; p == nil || o.at("pg3").Standby != nil || o.at("pg3").SystemIdentifier != o.at("pg1").SystemIdentifier ||
		o.at("pg3").Primary.Current == 0 || o.sender("pg3") != nil {
		t.Errorf("got %s", asJSON(o))
	}
}
