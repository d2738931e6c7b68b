package pooltest

import (
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
)

// update is what blocks, and what is blocked.
func update(id int) string {
	return fmt.Sprintf("update items set version = version + 1 where id = %d", id)
}

// waitFor waits until so many sessions wait for a lock.
func (r *run) waitFor(n int) {
	r.t.Helper()
	r.says(fmt.Sprintf("%d sessions to wait for a lock", n),
		fmt.Sprintf("select count(*) >= %d from pg_stat_activity where wait_event_type = 'Lock'", n))
}

// victimsOf fills the pool with sessions that wait for a row, and has others wait for the pool.
func (r *run) victimsOf(id int) *load {
	r.t.Helper()
	l := r.clients(9, listed, r.pooler.Addr, query(update(id)))
	r.waitFor(5)
	r.queued(3)
	return l
}

// convoyIdle: a transaction of the application has changed a row and sits idle. All others of the pool wait for the row.
func convoyIdle(r *run) {
	r.watch(expected{cause: "lock_convoy", verdict: "act", outcome: "fixed", changes: []string{"end_blocker pg1"}})
	r.held()
	r.victims = append(r.victims, r.pooled(listed, "checkout", update(1)))
	l := r.victimsOf(1)
	r.fire("PostgreSQLLockConvoy")
	r.applied()
	r.flows(l)
	r.healed()
	r.spent()
	r.over()
}

// convoyActive: at the root of a chain a session runs a statement that does not end. The chain waits for it, one behind the other. Its
// statement is cancelled, which sets them free, so that the session itself stays.
func convoyActive(r *run) {
	r.watch(expected{cause: "lock_convoy", verdict: "act", outcome: "fixed", changes: []string{"end_blocker pg1"}})
	r.held()
	root := r.in(listed, "report", update(1))
	r.cancelled = append(r.cancelled, root)
	stopped := r.begin(root, "select pg_sleep(600)")
	var chain []<-chan error
	for i := range 4 { // each holds a row, and waits for that of the one before it
		s := r.in(listed, "checkout", update(2+i))
		chain = append(chain, r.begin(s, update(1+i)+"; commit"))
	}
	r.waitFor(4)
	r.fire("PostgreSQLLockConvoy")
	r.applied()
	for _, one := range append(chain, stopped) {
		select {
		case err := <-one:
			if (err != nil) != (one == stopped) {
				r.wrongly("a statement of the chain ended with: %v", err)
			}
		case <-time.After(blackbox.Within):
			r.t.Fatalf("a statement of the chain does not end:\n%s", r.story())
		}
	}
	r.healed()
	r.spent()
	r.over()
}

// prepared: others wait for a transaction that was prepared and that nobody decides about.
func prepared(r *run) {
	r.watch(expected{cause: "prepared_transaction", verdict: "page", outcome: "paged"})
	s := r.open(listed, "coordinator")
	r.do(s, "begin; "+update(1)+"; prepare transaction 'payment-17'")
	decide := func() { r.Primary.Exec(r, "rollback prepared 'payment-17'") }
	r.t.Cleanup(func() {
		if r.Primary.Value(r, "select count(*) from pg_prepared_xacts") != "0" {
			decide()
		}
	})
	l := r.clients(9, listed, r.pooler.Addr, query(update(1)))
	r.waitFor(6)
	r.queued(3)
	r.fire("PostgreSQLPreparedTransactionOld")
	r.until("the decision", func(got blackbox.Record) bool { return got.Decided("prepared_transaction", "page") })
	if r.Primary.Value(r.t, "select count(*) from pg_prepared_xacts") != "1" {
		r.harm("the prepared transaction was decided about")
	}
	r.mend()
	decide()
	r.flows(l)
	r.healed()
	r.over()
}

// spares: the root of the convoy is one that is never ended, by its role, its name or by what it does.
func spares(role, name string) func(r *run) {
	return func(r *run) {
		r.watch(expected{cause: "lock_convoy", verdict: "page", outcome: "paged"})
		r.in(role, name, update(1))
		r.victimsOf(1)
		r.fire("PostgreSQLLockConvoy")
		r.left()
	}
}

// sparesIndex: the root makes an index, which would be left invalid, or have to be begun again.
func sparesIndex(r *run) {
	r.watch(expected{cause: "lock_convoy", verdict: "page", outcome: "paged"})
	r.indexing("on facts (slow(id))")
	r.clients(9, listed, r.pooler.Addr, query("update facts set id = id where id = 1"))
	r.waitFor(5)
	r.queued(3)
	r.fire("PostgreSQLLockConvoy")
	r.left()
}

// sparesCommit: the root waits for a synchronous standby that streams and hangs. Ending it would let its client believe in a commit that no
// standby has.
func sparesCommit(r *run) {
	r.watch(expected{cause: "lock_convoy", verdict: "page", outcome: "paged"})
	r.hangSync()
	s := r.open(listed, "checkout")
	r.begin(s, update(1))
	r.says("the commit to wait", fmt.Sprintf("select wait_event = 'SyncRep' from pg_stat_activity where pid = %d", s.pid))
	r.victimsOf(1)
	r.fire("PostgreSQLLockConvoy")
	r.left()
	if v := r.Primary.Value(r.t, fmt.Sprintf("select wait_event from pg_stat_activity where pid = %d", s.pid)); v != "SyncRep" {
		r.harm("the commit that waited for its standby is at %q", v)
	}
}

// hangSync makes the standby synchronous, and then its receiver hang: it streams, and says nothing.
func (r *run) hangSync() {
	r.t.Helper()
	n := r.Standbys[0]
	r.Primary.ReloadWith(map[string]string{"synchronous_standby_names": n.ApplicationName})
	r.t.Cleanup(func() { r.Primary.ReloadWith(map[string]string{"synchronous_standby_names": ""}) })
	r.says("the standby to be synchronous", "select count(*) = 1 from pg_stat_replication where sync_state = 'sync'")
	n.Proxy.Hold()
	r.t.Cleanup(n.Proxy.Heal)
}

// leakBesideCommit: commits wait for a standby that hangs, beside a leak. The leak is ended, and the commits are let wait.
func leakBesideCommit(r *run) {
	r.watch(expected{cause: "leak", verdict: "act", outcome: "fixed", changes: []string{"end_leaked pg1"}})
	for range 2 {
		r.victims = append(r.victims, r.pooled(listed, "checkout", "select 1"))
	}
	r.hangSync()
	var waiting []*session
	for i := range 3 {
		s := r.open(listed, "commit")
		r.begin(s, update(20+i))
		waiting = append(waiting, s)
	}
	r.says("the commits to wait", "select count(*) = 3 from pg_stat_activity where wait_event = 'SyncRep'")
	l := r.clients(4, listed, r.pooler.Addr, query("select count(*) from items"))
	r.queued(3)
	r.aged(r.victims...)
	r.fire("PgBouncerPoolExhausted")
	r.applied()
	r.flows(l)
	r.healed()
	r.spent()
	for _, s := range waiting {
		if v := r.Primary.Value(r.t, fmt.Sprintf("select wait_event from pg_stat_activity where pid = %d", s.pid)); v != "SyncRep" {
			r.harm("the commit that waited for its standby is at %q", v)
		}
	}
	r.over()
}
