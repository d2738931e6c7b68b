package databasetest

import (
	"slices"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
)

// What follows kills Firebreak by SIGKILL in the middle of a change, starts it again on the same data, and holds that each session is ended
// once at most, that what was taken out of the pool comes back, and that nothing of ours is left.

// crashes are the places at which a process dies that ends sessions, or takes a standby out of the pool. A short run dies where the target
// may have been told something.
func crashes() []kase {
	ending, draining := []string{"wire:before", "wire:after", "before:spent"}, []string{"haproxy:send", "wire:after", "after:held", "undo:after"}
	if blackbox.Long() {
		ending = append(ending, "after:intended", "after:issuing", "after:applied", "after:spent")
		draining = append(draining, "after:issuing", "after:applied", "undo:before")
	}
	var rows []kase
	for _, p := range ending {
		rows = append(rows, kase{cause: "end_conflict, " + p, run: killedEnding(p)})
	}
	for _, p := range draining {
		rows = append(rows, kase{cause: "drain, " + p, run: killedDraining(p)})
	}
	return rows
}

// killedEnding dies while it ends a session that holds replay up.
func killedEnding(point string) func(r *run) {
	return func(r *run) {
		r.again(point)
		r.watch(expected{cause: "snapshot_conflict", verdict: "act", outcome: "fixed", repeats: true, changes: []string{"end_conflict pg2"}})
		stop := r.load(200_000)
		r.victims = append(r.victims, r.holdSnapshot(r.victim(), listed, "monthly"))
		r.collide(r.victim())
		r.fire("PostgreSQLReplicationLag", r.victim())
		r.product.Dies()
		r.product.Serve("")
		r.await("the standby to have caught up", func() bool { return r.caughtUp(r.victim()) })
		r.healed()
		stop()
		r.until("the judgement", func(got blackbox.Record) bool { return got.Has("verified") && got.Has("spent") })
		r.resolve()
		r.closed()
	}
}

// killedDraining dies while it takes a standby out of the pool, or puts it back.
func killedDraining(point string) func(r *run) {
	return func(r *run) {
		r.again(point)
		want := drainFor("sender_starved")
		want.repeats = true
		r.watch(want)
		stop := r.choke(r.victim())
		mend := func() { stop(); r.victim().Proxy.Heal() }
		r.fire("PostgreSQLReplicationLag", r.victim())
		late := slices.Contains([]string{"undo:before", "undo:after"}, point)
		if late { // it puts the standby back only when that is well
			r.await("the pool to send it no readers", func() bool { return r.moves.is(r.victim().Name, "drain") })
			mend()
		}
		r.product.Dies()
		r.product.Serve("")
		if !late {
			r.await("the pool to send it no readers", func() bool { return r.moves.is(r.victim().Name, "drain") })
			mend()
		}
		r.await("the pool to send it readers", func() bool { return r.moves.is(r.victim().Name, "ready") })
		r.healed()
		r.until("the end of the change", func(got blackbox.Record) bool { return got.Has("reverted") })
		r.resolve()
		r.closed()
	}
}

// again starts Firebreak once more, so that it dies at a crash point.
func (r *run) again(point string) {
	r.t.Helper()
	r.product.Stop()
	r.product.Serve(point)
}
