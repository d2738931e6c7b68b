package databasetest

import (
	"fmt"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// What follows are the causes that lie before replay: the primary, the link, the receiver; and those of replay itself that no session holds
// up.

// idle: everything was replayed long ago, and nothing is written. Only the time since the last commit grows.
func idle(r *run) {
	r.watch(expected{cause: "idle_primary", verdict: "false_positive", outcome: "false_positive"})
	r.Primary.Exec(r.t, "update items set version = version + 1 where id = 1")
	r.await("the last commit to be old", func() bool {
		v, err := r.victim().Ask("select now() - pg_last_xact_replay_timestamp() > interval '3 s'")
		return err == nil && v == "t" && r.level()
	})
	r.fire("PostgreSQLReplicationLag", r.victim())
	r.left()
}

// delayed: the standby was told to be late.
func delayed(r *run) {
	r.watch(expected{cause: "delayed_standby", verdict: "false_positive", outcome: "false_positive"})
	r.victim().ReloadWith(map[string]string{"recovery_min_apply_delay": "10min"})
	r.t.Cleanup(func() { r.victim().ReloadWith(map[string]string{"recovery_min_apply_delay": "0"}) })
	stop := r.load(200_000)
	r.waits(r.victim(), "Timeout/RecoveryApplyDelay")
	r.behind(r.victim(), 256<<10)
	r.fire("PostgreSQLReplicationLag", r.victim())
	r.left()
	stop()
}

// paused: an operator has paused replay.
func paused(r *run) {
	r.watch(expected{cause: "paused", verdict: "page", outcome: "paged"})
	stop := r.load(200_000)
	r.victim().Exec(r.t, "select pg_wal_replay_pause()")
	r.behind(r.victim(), 256<<10)
	r.fire("PostgreSQLReplicationLag", r.victim())
	r.left()
	stop()
	if got := r.victim().Value(r.t, "select pg_get_wal_replay_pause_state()"); got != "paused" {
		r.harm("replay is %q, and an operator had paused it", got)
	}
}

// cut: nobody answers at the other end of the standby's link.
func cut(r *run) {
	r.watch(expected{cause: "receiver_gone", verdict: "page", outcome: "paged"})
	stop := r.load(200_000)
	r.gone = append(r.gone, r.walsender(r.victim()))
	r.victim().Proxy.Cut()
	r.behind(r.victim(), 256<<10)
	r.fire("PostgreSQLStandbyAbsent", r.victim())
	r.left()
	stop()
}

// blackHole: what is sent over the link is lost, and nobody is told.
func blackHole(r *run) {
	r.watch(expected{cause: "receiver_hung", verdict: "act", outcome: "withdrawn"})
	stop := r.load(400_000)
	r.measured()
	r.victim().Proxy.Hold()
	r.behind(r.victim(), 256<<10)
	r.fire("PostgreSQLReplicationLag", r.victim())
	// Ending the walsender waits for a yes, which nobody gives here: the link is mended before.
	r.until("the asking", func(got blackbox.Record) bool { return got.Has("asked") })
	r.mend()
	r.victim().Proxy.Heal()
	r.await("the standby to have caught up", func() bool { return r.caughtUp(r.victim()) })
	r.healed()
	stop()
	r.resolve()
	r.closed()
}

// hungReceiver: the process that receives hangs, so the operator's yes ends its walsender; when the process goes on it connects again.
func hungReceiver(r *run) {
	r.watch(expected{cause: "receiver_hung", verdict: "act", outcome: "fixed", changes: []string{"restart_stream pg1"}})
	stop := r.load(400_000)
	r.measured()
	goOn := r.hang(r.victim(), r.victim().WalReceiverPID())
	r.victims = append(r.victims, r.walsender(r.victim()))
	r.behind(r.victim(), 256<<10)
	r.fire("PostgreSQLReplicationLag", r.victim())
	got := r.until("the asking", func(got blackbox.Record) bool { return got.Has("asked") })
	r.product.Approve(got.Summary.ID)
	r.until("the change", func(got blackbox.Record) bool { return got.Has("applied") })
	goOn()
	r.await("the standby to have caught up", func() bool { return r.caughtUp(r.victim()) })
	r.healed()
	stop()
	r.until("the judgement", func(got blackbox.Record) bool { return got.Has("verified") && got.Has("spent") })
	r.resolve()
	r.closed()
}

// drainFor is what a drain must come to: the standby goes out of the pool and comes back, and nothing else happens.
func drainFor(cause string) expected {
	return expected{cause: cause, verdict: "act", outcome: "fixed", changes: []string{"drain pg2"}, moves: []string{"pg2 drain", "pg2 ready"}}
}

// drains is a drain from the fault to the end of it: mend makes the standby well again.
func (r *run) drains(mend func()) {
	r.t.Helper()
	name := r.victim().Name
	r.fire("PostgreSQLReplicationLag", r.victim())
	r.until("the change", func(got blackbox.Record) bool { return got.Has("applied") })
	r.await("the pool to send it no readers", func() bool { return r.moves.is(name, "drain") })
	mend()
	r.await("the standby to have caught up", func() bool { return r.caughtUp(r.victim()) })
	r.await("the pool to send it readers", func() bool { return r.moves.is(name, "ready") })
	r.healed()
	r.resolve()
	r.closed()
}

// slowLink: more is written than the standby's link carries.
func slowLink(r *run) {
	r.watch(drainFor("sender_starved"))
	stop := r.choke(r.victim())
	r.drains(func() { stop(); r.victim().Proxy.Heal() })
}

// choke makes a standby's link narrower than what is written, and waits until the WAL is stuck before it.
func (r *run) choke(n *testbed.PostgresNode) (stop func()) {
	r.t.Helper()
	n.Proxy.Narrow(100_000, testbed.FromTarget)
	stop = r.load(4_000_000)
	r.await("the WAL to be stuck before the link of "+n.Name, func() bool {
		v, err := r.Primary.Ask(`select replay_lag > interval '3 s' and pg_wal_lsn_diff(pg_current_wal_lsn(), write_lsn) > 1000000
			from pg_stat_replication where application_name = '` + n.ApplicationName + `'`)
		return err == nil && v == "t"
	})
	return stop
}

// burst: more is written than one process replays.
func burst(r *run) {
	r.watch(drainFor("write_burst"))
	app := r.open(r.Primary, testbed.RoleApp, "burst")
	feed := r.starve(r.victim())
	stop := r.count(app)
	r.await("replay to be outrun", func() bool {
		v, err := r.Primary.Ask(`select replay_lag > interval '3 s' and pg_wal_lsn_diff(flush_lsn, replay_lsn) > 1000000
			from pg_stat_replication where application_name = '` + r.victim().ApplicationName + `'`)
		return err == nil && v == "t"
	})
	r.drains(func() { stop(); feed() })
}

// catchingUp: the standby was away for a while, and gains on a primary that hardly writes.
func catchingUp(r *run) {
	r.watch(expected{cause: "catching_up", verdict: "wait", outcome: "false_positive"})
	n := r.victim()
	r.gone = append(r.gone, r.walsender(n))
	n.Proxy.Cut()
	r.write(24 << 20)
	n.Proxy.Heal()
	n.Proxy.Narrow(2_000_000, testbed.FromTarget)
	r.await("the standby to be late by its primary's measure", func() bool {
		v, err := r.Primary.Ask("select replay_lag > interval '3 s' from pg_stat_replication where application_name = '" + n.ApplicationName + "'")
		return err == nil && v == "t"
	})
	r.fire("PostgreSQLReplicationLag", n)
	r.until("the decision to let it catch up", func(got blackbox.Record) bool { return got.Decided("catching_up", "wait") })
	r.mend()
	r.await("the standby to have caught up", func() bool { return r.caughtUp(n) })
	r.healed()
	r.until("the end of the lag to be seen", func(got blackbox.Record) bool {
		return got.Decided("healthy", "false_positive") || got.Decided("idle_primary", "false_positive")
	})
	r.resolve()
	r.closed()
}

// parameterPause: the primary has more connections than the standby could replay, so replay pauses itself. Resuming would end the server.
func parameterPause(r *run) {
	r.Primary.ReloadWith(map[string]string{"max_connections": "150"})
	r.other().ReloadWith(map[string]string{"max_connections": "150"})
	for _, n := range []*testbed.PostgresNode{r.other(), r.Primary} {
		if err := n.Restart(); err != nil {
			r.t.Fatal(err)
		}
	}
	r.await("replay to pause itself", func() bool {
		v, err := r.victim().Ask("select pg_get_wal_replay_pause_state()")
		return err == nil && v == "paused"
	})
	r.await("both standbys to stream", func() bool {
		v, err := r.Primary.Ask("select count(*) from pg_stat_replication where state = 'streaming'")
		return err == nil && v == "2"
	})
	r.watch(expected{cause: "parameter_pause", verdict: "page", outcome: "paged"})
	r.write(1 << 20)
	r.fire("PostgreSQLReplicationLag", r.victim())
	r.left()
	if got := r.victim().Value(r.t, "select pg_get_wal_replay_pause_state()"); got != "paused" {
		r.harm("replay is %q, and it had paused itself", got)
	}
}

// lostSlot: the standby was away for longer than its slot may hold WAL back.
func lostSlot(r *run) {
	n := r.victim()
	r.Primary.ReloadWith(map[string]string{"max_slot_wal_keep_size": "16MB"})
	n.Proxy.Cut()
	r.await("its slot to be left alone", func() bool {
		v, err := r.Primary.Ask("select active from pg_replication_slots where slot_name = '" + n.Slot + "'")
		return err == nil && v == "f"
	})
	for i := range 5 {
		r.Primary.Exec(r.t, fmt.Sprintf("update items set version = %d where id = 1; select pg_switch_wal()", i))
	}
	// The other one would lose its slot too, if it had not received all of it.
	r.await("the other's slot to hold nothing back", func() bool {
		v, err := r.Primary.Ask("select pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) < 65536 from pg_replication_slots where slot_name = '" +
			r.other().Slot + "'")
		return err == nil && v == "t"
	})
	r.Primary.Exec(r.t, "checkpoint")
	n.Proxy.Heal()
	r.await("its slot to be lost", func() bool {
		v, err := r.Primary.Ask("select wal_status from pg_replication_slots where slot_name = '" + n.Slot + "'")
		return err == nil && v == "lost"
	})
	r.watch(expected{cause: "wal_gone", verdict: "page", outcome: "paged"})
	r.fire("PostgreSQLStandbyAbsent", n)
	r.left()
}
