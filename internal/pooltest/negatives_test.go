package pooltest

import (
	"path/filepath"
	"syscall"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// negatives are those where the right answer is to change nothing, or to leave alone what a person does.
func negatives() []kase {
	rows := []kase{
		{cause: "role not listed leaks", run: leakOf(unlisted), tune: leaking},
		{cause: "superuser leaks", run: leakOf(testbed.RoleSuperuser), tune: leaking},
		{cause: "leak is young", run: youngLeak, tune: func(s *settings) { s.poolSize = 2 }},
		{cause: "leak, beside commits that wait", run: leakBesideCommit, tune: leaking},
		{cause: "convoy behind a role not listed", run: spares(unlisted, "report"), tune: locking},
		{cause: "convoy behind pg_dump", run: spares(listed, "pg_dump"), tune: locking},
		{cause: "convoy behind CREATE INDEX", run: sparesIndex, tune: locking},
		{cause: "convoy behind a waiting commit", run: sparesCommit, tune: locking},
		{cause: "a person's RESUME", run: resumedByPerson},
		{cause: "a person's RELOAD", run: reloaded, tune: growing},
		{cause: "a person's SET after ours", run: setAfter, tune: growing},
		{cause: "a person's SET before ours", run: setBefore, tune: growing},
		{cause: "two alerts at once", run: twoAlerts, tune: leaking},
		{cause: "resolves while a larger pool stands", run: resolvesMeanwhile, tune: growing},
		{cause: "resolves before anything", run: resolvesBefore},
		{cause: "admin may only look", run: looksOnly, tune: func(s *settings) { growing(s); s.admin = statsUser }},
		{cause: "no room for a larger pool", run: noRoom, tune: growing},
		{cause: "disabled by somebody", run: disabled},
		{cause: "another cluster's alert", run: foreign},
	}
	for _, name := range []string{"PgBouncerPoolExhausted", "PgBouncerPaused", "PgBouncerClientsNearLimit", "PostgreSQLConnectionsNearLimit",
		"PostgreSQLIdleInTransaction", "PostgreSQLLockConvoy", "PostgreSQLPreparedTransactionOld", "AppPoolExhausted"} {
		rows = append(rows, kase{cause: "healthy: " + name, run: healthy(name)})
	}
	return rows
}

// healthy: the rule fires, and the live system shows nothing.
func healthy(name string) func(r *run) {
	return func(r *run) {
		r.watch(expected{cause: "healthy", verdict: "false_positive", outcome: "false_positive"})
		l := r.clients(2, listed, r.pooler.Addr, query("select count(*) from items"))
		r.await("the clients to be served", func() bool { return l.served.Load() > 2 })
		r.fire(name)
		r.left()
	}
}

// foreign: an alert about a cluster that the policy does not name opens nothing; the one after it does.
func foreign(r *run) {
	r.watch(expected{cause: "healthy", verdict: "false_positive", outcome: "false_positive"})
	a := about("PgBouncerPoolExhausted")
	a.Labels["cluster"] = "billing"
	r.product.Post(a)
	r.fire("PgBouncerPoolExhausted")
	r.left()
}

// leakOf: the pool is held by transactions of a role whose sessions are nobody's to end.
func leakOf(role string) func(r *run) {
	return func(r *run) {
		r.watch(expected{cause: "leak", verdict: "page", outcome: "paged"})
		var all []*session
		for range 2 {
			all = append(all, r.pooled(role, "checkout", "select 1"))
		}
		r.clients(4, role, r.pooler.Addr, query("select count(*) from items"))
		r.queued(3)
		r.aged(all...)
		r.fire("PgBouncerPoolExhausted")
		r.left()
	}
}

// youngLeak: transactions sit idle, and not for so long yet that they are leaked. It is no matter of size either.
func youngLeak(r *run) {
	r.watch(expected{cause: "undecided", verdict: "page", outcome: "paged"})
	for range 2 {
		r.pooled(listed, "checkout", "select 1")
	}
	r.clients(4, listed, r.pooler.Addr, query("select count(*) from items"))
	r.queued(3)
	r.fire("PgBouncerPoolExhausted")
	r.left()
}

// resumedByPerson: who has paused the database resumes it while the operator is still asked.
func resumedByPerson(r *run) {
	r.watch(expected{cause: "paused", verdict: "act", outcome: "withdrawn", shapes: []string{"size 4", "size 4 paused", "size 4"}})
	l := r.pausedUnder()
	r.fire("PgBouncerPaused")
	r.until("the asking", func(got blackbox.Record) bool { return got.Has("asked") })
	r.mend()
	r.tells("RESUME " + testbed.Database)
	r.flows(l)
	r.healed()
	r.over()
}

// reloaded: a person reloads the pooler while our larger pool stands, which ends it. It is not made larger again.
func reloaded(r *run) {
	r.watch(expected{cause: "pool_too_small", verdict: "act", outcome: "fixed", changes: []string{"grow_pool bouncer1"},
		shapes: []string{"size 20", "size 23", "size 20"}, closes: true})
	r.stands().stop()
	if err := r.pooler.Reload(); err != nil {
		r.t.Fatal(err)
	}
	r.foreigned()
}

// setAfter: a person sets another size while our larger pool stands. It is theirs from then on.
func setAfter(r *run) {
	r.watch(expected{cause: "pool_too_small", verdict: "act", outcome: "fixed", changes: []string{"grow_pool bouncer1"},
		shapes: []string{"size 20", "size 23", "size 30"}, closes: true})
	r.stands().stop()
	r.tells("SET default_pool_size = 30")
	r.foreigned()
}

// stands waits until our larger pool stands and has done what it was for.
func (r *run) stands() *load {
	r.t.Helper()
	l := r.crowded()
	r.fire("PgBouncerPoolExhausted")
	r.looks("size 23")
	r.until("the effect", func(got blackbox.Record) bool { return got.Has("verified") })
	r.mend()
	return l
}

// foreigned waits until it is seen that the change is not ours any more, and ends the incident.
func (r *run) foreigned() {
	r.t.Helper()
	r.until("that it is not ours to be seen", func(got blackbox.Record) bool { return got.Has("not_ours") })
	r.over()
}

// setBefore: a person sets another size in the moment in which ours is about to be sent. Theirs stays.
func setBefore(r *run) {
	r.product.Stop()
	hung := filepath.Join(r.t.TempDir(), "hung")
	r.product.ServeAs(blackbox.Launch{Point: "wire:before", Env: []string{"FIREBREAK_FAILPOINT_STOP=" + hung}})
	r.watch(expected{cause: "pool_too_small", verdict: "act", outcome: "not_applied", changes: []string{"grow_pool bouncer1"},
		shapes: []string{"size 20", "size 30"}, closes: true})
	r.crowded()
	r.fire("PgBouncerPoolExhausted")
	r.hangs(hung)
	r.mend()
	r.tells("SET default_pool_size = 30")
	r.product.Signal(syscall.SIGCONT)
	r.until("the refusal", func(got blackbox.Record) bool { return got.Has("not_applied") })
	r.over()
}

// twoAlerts: what tells of the pool and what tells of the transactions fire at once. It is one incident with one change.
func twoAlerts(r *run) {
	r.watch(expected{cause: "leak", verdict: "act", outcome: "fixed", changes: []string{"end_leaked pg1"}})
	for range 2 {
		r.victims = append(r.victims, r.pooled(listed, "checkout", "select 1"))
	}
	l := r.clients(4, listed, r.pooler.Addr, query("select count(*) from items"))
	r.queued(3)
	r.aged(r.victims...)
	r.fire("PgBouncerPoolExhausted")
	r.fire("PostgreSQLIdleInTransaction")
	r.applied()
	r.flows(l)
	r.healed()
	r.spent()
	r.over()
}

// resolvesMeanwhile: the alert resolves because our larger pool stands. That is no reason to take it away while it is needed.
func resolvesMeanwhile(r *run) {
	r.watch(expected{cause: "pool_too_small", verdict: "act", outcome: "fixed", changes: []string{"grow_pool bouncer1"},
		shapes: []string{"size 20", "size 23", "size 20"}, closes: true})
	l := r.stands()
	r.resolve()
	needed := time.Now().Add(3 * r.settings.holdFor)
	r.await("some time to pass", func() bool { return time.Now().After(needed) })
	if !r.shapes.is("size 23") {
		r.wrongly("the larger pool was taken away while it was needed")
	}
	l.stop()
	r.looks("size 20")
	r.closed()
}

// resolvesBefore: the alert resolves before enough is known to decide anything.
func resolvesBefore(r *run) {
	r.watch(expected{outcome: "withdrawn", closes: true})
	l := r.clients(8, listed, r.pooler.Addr, chat(3))
	r.queued(2)
	r.fire("PgBouncerPoolExhausted")
	r.resolve()
	l.stop()
	r.closed()
}

// looksOnly: the login that is to change the pooler may only look.
func looksOnly(r *run) {
	r.watch(expected{cause: "pool_too_small", verdict: "act", outcome: "not_applied", changes: []string{"grow_pool bouncer1"}})
	r.crowded()
	r.fire("PgBouncerPoolExhausted")
	r.until("the refusal", func(got blackbox.Record) bool { return got.Has("not_applied") })
	r.over()
}

// noRoom: the pool is too small, and others use so much of the server that less than 30 % would be left.
func noRoom(r *run) {
	r.watch(expected{cause: "pool_too_small", verdict: "page", outcome: "paged"})
	for range 29 {
		r.open(unlisted, "batch")
	}
	r.crowded()
	r.fire("PgBouncerPoolExhausted")
	r.left()
}

// disabled: somebody has disabled the database, which refuses new clients.
func disabled(r *run) {
	r.watch(expected{cause: "paused", verdict: "page", outcome: "paged", shapes: []string{"size 4", "size 4 disabled"}})
	l := r.clients(2, listed, r.pooler.Addr, query("select count(*) from items"))
	r.await("the clients to be served", func() bool { return l.served.Load() > 2 })
	r.tells("DISABLE " + testbed.Database)
	r.fire("PgBouncerPaused")
	r.left()
}
