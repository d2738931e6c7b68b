package databasetest

import (
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// negatives are those where the right answer is to change nothing, or to change it only after somebody said so.
func negatives() []kase {
	return []kase{
		{cause: "healthy: lag", run: healthy("PostgreSQLReplicationLag")},
		{cause: "healthy: replica count", run: healthy("PostgreSQLReplicaCount")},
		{cause: "healthy: standby absent", run: healthy("PostgreSQLStandbyAbsent")},
		{cause: "healthy: not measured", run: healthy("PostgreSQLReplicationNotMeasured")},
		{cause: "healthy: slot retention", run: healthy("PostgreSQLSlotRetention")},
		{cause: "another cluster's alert", run: foreign},
		{cause: "stale alert", run: stale, tune: func(s *settings) { s.alertAge = 2 * time.Second }},
		{cause: "drained by a person", run: drainedAlready},
		{cause: "last reader", run: lastReader},
		{cause: "the other reader hangs", run: otherHangs},
		{cause: "role not listed", run: spares(unlisted, "monthly")},
		{cause: "superuser", run: spares(testbed.RoleSuperuser, "monthly")},
		{cause: "pg_dump", run: spares(listed, "pg_dump")},
		{cause: "one of two may not be ended", run: sparesBoth},
		{cause: "two, and too few sessions", run: sparesTwo},
		{cause: "synchronous standby", run: syncStandby, tune: patient},
		{cause: "resolves meanwhile", run: resolvesMeanwhile},
		{cause: "both standbys at once", run: bothStandbys},
		{cause: "pause that fills the slot, approved", run: resumed, tune: func(s *settings) { s.pausedFor = time.Second }},
		{cause: "pg_monitor is missing", run: blind},
		{cause: "primary hangs", run: primaryHangs},
		{cause: "two primaries", run: twoPrimaries, breaks: true},
	}
}

// healthy: the rule fires, and the live system shows nothing.
func healthy(name string) func(r *run) {
	return func(r *run) {
		r.watch(expected{cause: "healthy", verdict: "false_positive", outcome: "false_positive"})
		stop := r.load(20_000)
		r.fire(name, r.victim())
		r.left()
		stop()
	}
}

// foreign: an alert about a cluster that the policy does not name opens nothing; the one after it does.
func foreign(r *run) {
	r.watch(expected{cause: "healthy", verdict: "false_positive", outcome: "false_positive"})
	stop := r.load(20_000)
	a := about("PostgreSQLReplicationLag", r.victim().Name)
	a.Labels["cluster"] = "billing"
	r.product.Post(a)
	r.fire("PostgreSQLReplicationLag", r.victim())
	r.left()
	stop()
}

// stale: the alert was stored while nobody handled alerts, and is too old when somebody does.
func stale(r *run) {
	r.product.Stop()
	r.product.ServeAs(blackbox.Launch{Args: []string{"--handlers", "none"}})
	r.watch(expected{cause: "", outcome: "stale"})
	stop := r.load(200_000)
	r.holdSnapshot(r.victim(), listed, "monthly")
	r.collide(r.victim())
	r.fire("PostgreSQLReplicationLag", r.victim())
	r.await("the alert to be old", func() bool { return time.Since(r.fired) > 3*time.Second })
	r.product.Stop()
	r.product.Serve("")
	r.until("the refusal", func(got blackbox.Record) bool { return got.Has("refused") })
	r.resolve()
	r.closed()
	stop()
}

// drainedAlready: a person has taken the late standby out of the pool, and it stays out.
func drainedAlready(r *run) {
	r.takeOut(r.victim())
	r.watch(expected{cause: "sender_starved", verdict: "page", outcome: "paged", out: []string{r.victim().Name}})
	stop := r.choke(r.victim())
	r.fire("PostgreSQLReplicationLag", r.victim())
	r.left()
	stop()
}

// lastReader: the other standby is out already, so the late one is the last that serves readers.
func lastReader(r *run) {
	r.takeOut(r.other())
	r.watch(expected{cause: "sender_starved", verdict: "page", outcome: "paged", out: []string{r.other().Name}})
	stop := r.choke(r.victim())
	r.fire("PostgreSQLReplicationLag", r.victim())
	r.left()
	stop()
}

// otherHangs: the receiver of the other standby hangs, so its rows are older than those of the late one, whatever the primary last heard of
// its lag. Readers are not moved there.
func otherHangs(r *run) {
	r.watch(expected{cause: "sender_starved", verdict: "page", outcome: "paged"})
	quick := r.load(100_000)
	r.measured()
	goOn := r.hang(r.other(), r.other().WalReceiverPID())
	stop := r.choke(r.victim())
	r.fire("PostgreSQLReplicationLag", r.victim())
	r.left()
	stop()
	quick()
	goOn()
}

// takeOut takes a standby out of the read pool, as a person does.
func (r *run) takeOut(n *testbed.PostgresNode) {
	r.t.Helper()
	if got, err := r.pool.Command("set server " + r.pool.Backend + "/" + n.Name + " state drain"); err != nil || got != "" {
		r.t.Fatalf("drain %s by hand: %q, %v", n.Name, got, err)
	}
}

// sparesBoth: one session may be ended and one may not; ending the first would not help, so neither is.
func sparesBoth(r *run) {
	r.watch(expected{cause: "snapshot_conflict", verdict: "page", outcome: "paged"})
	stop := r.load(200_000)
	r.holdSnapshot(r.victim(), listed, "monthly")
	r.holdSnapshot(r.victim(), testbed.RoleSuperuser, "rescue")
	r.collide(r.victim())
	r.fire("PostgreSQLReplicationLag", r.victim())
	r.left()
	stop()
}

// sparesTwo: two sessions hold replay up and may be ended, but a tenth of so few sessions is one, and ending one of two helps nobody.
func sparesTwo(r *run) {
	r.watch(expected{cause: "snapshot_conflict", verdict: "page", outcome: "paged"})
	stop := r.load(200_000)
	for range 2 {
		r.holdSnapshot(r.victim(), listed, "monthly")
	}
	r.collide(r.victim())
	r.fire("PostgreSQLReplicationLag", r.victim())
	r.left()
	stop()
}

// quietConflict: replay is held up, and little is written: it is late all the same, and says so by what it waits for.
func quietConflict(r *run) {
	r.watch(expected{cause: "snapshot_conflict", verdict: "act", outcome: "fixed", changes: []string{"end_conflict pg2"}})
	stop := r.load(2_000)
	r.victims = append(r.victims, r.holdSnapshot(r.victim(), listed, "monthly"))
	r.collide(r.victim())
	r.endedConflict(stop)
}

// syncStandby: commits wait for the standby whose receiver hangs. Ending its walsender would tell them that they need not.
func syncStandby(r *run) {
	r.Primary.ReloadWith(map[string]string{"synchronous_standby_names": r.victim().ApplicationName})
	r.t.Cleanup(func() { r.Primary.ReloadWith(map[string]string{"synchronous_standby_names": ""}) })
	r.await("the standby to be synchronous", func() bool {
		v, err := r.Primary.Ask("select sync_state from pg_stat_replication where application_name = '" + r.victim().ApplicationName + "'")
		return err == nil && v == "sync"
	})
	r.watch(expected{cause: "receiver_hung", verdict: "page", outcome: "paged"})
	stop := r.load(400_000)
	r.measured()
	goOn := r.hang(r.victim(), r.victim().WalReceiverPID())
	r.behind(r.victim(), 256<<10)
	r.fire("PostgreSQLReplicationLag", r.victim())
	r.left()
	stop()
	goOn()
}

// bothStandbys: both are held up, and both alerts come at once. It is one incident, and one standby is helped after the other.
func bothStandbys(r *run) {
	r.watch(expected{cause: "snapshot_conflict", verdict: "act", outcome: "fixed", changes: []string{"end_conflict pg2", "end_conflict pg3"}})
	stop := r.load(200_000)
	for _, n := range r.Standbys {
		r.victims = append(r.victims, r.holdSnapshot(n, listed, "monthly"))
	}
	r.collide(r.Standbys...)
	for _, n := range r.Standbys {
		r.behind(n, 256<<10)
	}
	for _, n := range r.Standbys {
		r.fire("PostgreSQLReplicationLag", n)
	}
	r.await("both standbys to have caught up", r.level)
	r.healed()
	stop()
	got := r.until("both judgements", func(got blackbox.Record) bool { return got.Count("spent") == 2 })
	r.resolve()
	r.closed()
	standing := 0
	for _, e := range got.Events {
		switch e.Kind {
		case "intended":
			if standing++; standing > 1 {
				r.harm("a second change was begun before the first was over")
			}
		case "spent":
			standing--
		}
	}
}

// resumed: replay has been paused for long, and its standby's link is down, so that its slot fills the primary's disk. An operator says
// yes, and replay goes on.
func resumed(r *run) {
	n := r.victim()
	r.watch(expected{cause: "paused", verdict: "act", outcome: "fixed", changes: []string{"resume_replay pg2"}})
	r.gone = append(r.gone, r.walsender(n))
	r.Primary.ReloadWith(map[string]string{"max_slot_wal_keep_size": "80MB"})
	r.t.Cleanup(func() {
		r.Primary.ReloadWith(map[string]string{"max_slot_wal_keep_size": servers()["max_slot_wal_keep_size"]})
	})
	n.Exec(r.t, "select pg_wal_replay_pause()")
	r.write(1 << 20)
	r.await("the standby to have received it", func() bool {
		v, err := n.Ask("select pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) > 900000")
		return err == nil && v == "t"
	})
	n.Proxy.Cut()
	// Segments of 16 MiB until it is more than 70 % of the 80 MiB, which is less than all of them wherever in its segment it began.
	r.await("the slot to hold back much", func() bool {
		v, err := r.Primary.Ask("select pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) > 60 * 1024 * 1024 from pg_replication_slots where slot_name = '" +
			n.Slot + "'")
		if err == nil && v == "f" {
			r.Primary.Exec(r.t, "select pg_logical_emit_message(true, 'load', 'segment'); select pg_switch_wal()")
		}
		return err == nil && v == "t"
	})
	r.await("the last commit to be old", func() bool {
		v, err := n.Ask("select now() - pg_last_xact_replay_timestamp() > interval '2 s'")
		return err == nil && v == "t"
	})
	r.fire("PostgreSQLSlotRetention", n)
	got := r.until("the asking", func(got blackbox.Record) bool { return got.Has("asked") })
	r.product.Approve(got.Summary.ID)
	r.until("the judgement", func(got blackbox.Record) bool { return got.Has("verified") && got.Has("spent") })
	n.Proxy.Heal()
	r.await("the standby to have caught up", func() bool { return r.caughtUp(n) })
	r.healed()
	r.resolve()
	r.closed()
}

// blind: the login that looks may not see others' sessions any more. PostgreSQL shows it empty columns, and no error.
func blind(r *run) {
	r.Primary.Exec(r.t, "revoke pg_monitor from "+blackbox.ProbeUser)
	r.t.Cleanup(func() { r.Primary.Exec(r, "grant pg_monitor to "+blackbox.ProbeUser) })
	r.await("the standbys to know", r.level)
	r.watch(expected{cause: "probe_unknown", verdict: "page", outcome: "paged"})
	stop := r.load(200_000)
	r.holdSnapshot(r.victim(), listed, "monthly")
	r.collide(r.victim())
	r.fire("PostgreSQLReplicationLag", r.victim())
	r.left()
	stop()
}

// primaryHangs: nothing comes back from the primary, so nobody knows how far anybody is behind.
func primaryHangs(r *run) {
	r.watch(expected{cause: "probe_unknown", verdict: "page", outcome: "paged"})
	stop := r.load(200_000)
	r.holdSnapshot(r.victim(), listed, "monthly")
	r.collide(r.victim())
	r.door.Hold()
	r.fire("PostgreSQLReplicationLag", r.victim())
	r.left()
	r.door.Heal()
	stop()
}

// twoPrimaries: somebody has promoted the other standby by hand. Nothing is touched, though a session holds the first one up.
func twoPrimaries(r *run) {
	r.watch(expected{cause: "two_primaries", verdict: "page", outcome: "paged"})
	r.gone = append(r.gone, r.walsender(r.other()))
	stop := r.load(200_000)
	r.holdSnapshot(r.victim(), listed, "monthly")
	r.collide(r.victim())
	r.other().Exec(r.t, "select pg_promote()")
	r.fire("PostgreSQLReplicationLag", r.victim())
	r.left()
	stop()
}
