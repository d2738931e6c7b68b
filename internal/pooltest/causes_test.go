package pooltest

import (
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// causes are the rows of decision-table 2.2, in its order.
func causes() []kase {
	return []kase{
		{cause: "paused by somebody, approved", run: pausedApproved},
		{cause: "server down", run: serverDown},
		{cause: "server full", run: serverFull},
		{cause: "leak", run: leak, tune: leaking},
		{cause: "lock convoy, idle root", run: convoyIdle, tune: locking},
		{cause: "lock convoy, active root", run: convoyActive, tune: locking},
		{cause: "prepared transaction", run: prepared, tune: locking},
		{cause: "synchronous standby gone", run: syncGone},
		{cause: "overload", run: overload, tune: func(s *settings) { s.poolSize = 2 }},
		{cause: "pool too small", run: tooSmall, tune: growing},
		{cause: "pool too small, size of its own", run: ownSizeTooSmall, tune: func(s *settings) {
			growing(s)
			s.poolSize, s.ownSize, s.pooler = 10, 20, map[string]string{"reserve_pool_timeout": "1"}
		}},
		{cause: "client storm", run: storm, tune: func(s *settings) { s.pooler = map[string]string{"max_client_conn": "40"} }},
		{cause: "application's pool", run: appTooSmall, tune: func(s *settings) { s.noPooler, s.allow = true, []string{"grow_pool"} }},
	}
}

// leaking makes a leak of a transaction that has done nothing for two seconds.
func leaking(s *settings) { s.poolSize, s.leakAge = 2, 2*time.Second }

// locking looks as seldom as a server may be asked who blocks whom, or nearly.
func locking(s *settings) { s.poolSize, s.sampleEvery = 6, 2200*time.Millisecond }

// pausedApproved: somebody has paused the database, clients wait, and the operator says that it may go on.
func pausedApproved(r *run) {
	r.watch(expected{cause: "paused", verdict: "act", outcome: "fixed", changes: []string{"resume bouncer1"},
		shapes: []string{"size 4", "size 4 paused", "size 4"}})
	l := r.pausedUnder()
	r.fire("PgBouncerPaused")
	got := r.until("the asking", func(got blackbox.Record) bool { return got.Has("asked") })
	r.product.Approve(got.Summary.ID)
	r.flows(l)
	r.healed()
	r.spent()
	r.over()
}

// pausedUnder pauses the database under clients that are being served, and waits until they wait.
func (r *run) pausedUnder() *load {
	r.t.Helper()
	l := r.clients(6, listed, r.pooler.Addr, query("select 1"))
	// One that was not let in yet when the database was paused is in no queue that the pooler shows.
	r.await("all clients to have been served", func() bool { return l.served.Load() > 30 })
	r.tells("PAUSE " + testbed.Database)
	r.queued(3)
	return l
}

// tells says something on the pooler's console, as a person does.
func (r *run) tells(command string) {
	r.t.Helper()
	if _, err := r.pooler.Admin(command); err != nil {
		r.t.Fatal(err)
	}
}

// serverDown: the server is killed behind a pooler that lives.
func serverDown(r *run) {
	r.watch(expected{cause: "server_down", verdict: "page", outcome: "paged", crashes: true})
	l := r.clients(6, listed, r.pooler.Addr, query("select 1"))
	r.await("the clients to be served", func() bool { return l.served.Load() > 10 })
	r.Primary.Kill9()
	r.await("the clients to be sent away or to wait", func() bool {
		waiting, _, err := r.console.queue()
		return err == nil && waiting+int(l.refused.Load()) > 3
	})
	r.fired = time.Now() // nobody is there to be counted
	r.fire("PgBouncerPoolExhausted")
	r.until("the decision", func(got blackbox.Record) bool { return got.Decided("server_down", "page") })
	r.mend()
	if err := r.Primary.Restart(); err != nil {
		r.t.Fatal(err)
	}
	r.flows(l)
	r.healed()
	r.over()
}

// serverFull: others than the pooler have taken all connections.
func serverFull(r *run) {
	r.watch(expected{cause: "server_full", verdict: "page", outcome: "paged"})
	for i := range usable {
		conn, err := dial(r.t.Context(), r.Primary.Addr, unlisted, fmt.Sprintf("batch%d", i))
		if err != nil {
			break // the last one that there was room for
		}
		r.t.Cleanup(func() { _ = conn.PgConn().Conn().Close() })
	}
	r.clients(6, listed, r.pooler.Addr, query("select 1"))
	r.fire("PostgreSQLConnectionsNearLimit")
	r.left()
}

// leak: two transactions of an application sit idle for too long and hold the whole pool. They are ended, and nobody beside them, though
// others sit idle for as long.
func leak(r *run) {
	r.watch(expected{cause: "leak", verdict: "act", outcome: "fixed", changes: []string{"end_leaked pg1"}})
	r.held()
	for i := range 2 {
		r.victims = append(r.victims, r.pooled(listed, "checkout", fmt.Sprintf("select note from items where id = %d", 10+i)))
	}
	l := r.clients(6, listed, r.pooler.Addr, query("select count(*) from items"))
	r.queued(4)
	r.aged(r.victims...)
	r.fire("PgBouncerPoolExhausted")
	r.applied()
	r.flows(l)
	r.healed()
	r.spent()
	r.over()
}

// aged waits until sessions have done nothing for longer than the policy lets them.
func (r *run) aged(all ...*session) {
	r.t.Helper()
	for _, s := range all {
		r.says("a transaction to be old", fmt.Sprintf("select clock_timestamp() - state_change > interval '%d ms' from pg_stat_activity where pid = %d",
			r.settings.leakAge.Milliseconds(), s.pid))
	}
}

// syncGone: the only synchronous standby has gone. Commits wait, and must be let wait.
func syncGone(r *run) {
	r.watch(expected{cause: "sync_standby_gone", verdict: "page", outcome: "paged"})
	r.Primary.ReloadWith(map[string]string{"synchronous_standby_names": r.Standbys[0].ApplicationName})
	r.t.Cleanup(func() { r.Primary.ReloadWith(map[string]string{"synchronous_standby_names": ""}) })
	r.Standbys[0].Proxy.Cut()
	r.says("the standby to have gone", "select count(*) = 0 from pg_stat_replication")
	l := r.clients(8, listed, r.pooler.Addr, query("select pg_logical_emit_message(true, 'commit', '')"))
	r.says("commits to wait", "select count(*) >= 4 from pg_stat_activity where wait_event = 'SyncRep'")
	r.queued(3)
	r.fire("PgBouncerPoolExhausted")
	r.until("the decision", func(got blackbox.Record) bool { return got.Decided("sync_standby_gone", "page") })
	r.judgeWaiting()
	r.mend()
	r.Standbys[0].Proxy.Heal()
	r.flows(l)
	r.healed()
	r.over()
}

// judgeWaiting: what waits for a standby still does.
func (r *run) judgeWaiting() {
	if n := r.Primary.Value(r.t, "select count(*) from pg_stat_activity where wait_event = 'SyncRep'"); n != "4" {
		r.harm("%s commits wait for the standby, and 4 did", n)
	}
}

// overload: the server works on as many statements as the pool lets through. More of them would be slower.
func overload(r *run) {
	r.watch(expected{cause: "overload", verdict: "page", outcome: "paged"})
	r.clients(8, listed, r.pooler.Addr, query("select count(*) from generate_series(1, 4000000)"))
	r.queued(4)
	r.fire("PgBouncerPoolExhausted")
	r.left()
}

// storm: nearly as many clients as the pooler takes are connected, and do nothing.
func storm(r *run) {
	r.watch(expected{cause: "client_storm", verdict: "page", outcome: "paged"})
	for range 36 {
		r.connect(r.pooler.Addr, listed, "worker")
	}
	r.fire("PgBouncerClientsNearLimit")
	r.left()
}
