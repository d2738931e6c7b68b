package pooltest

import (
	"os"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
)

// What follows kills Firebreak by SIGKILL in the middle of a change, or while it stands, starts it again on the same data, and holds that
// each session is ended once at most, that what was made larger is made smaller again, and that nothing of ours is left.

// crashes are the places at which a process dies that ends sessions, or that makes a pool larger. A short run dies where the target may have
// been told something.
func crashes() []kase {
	ending, sizing := []string{"wire:before", "wire:after", "before:spent"}, []string{"pgbouncer:send", "wire:after", "undo:before", "undo:after"}
	resuming := []string{"wire:after"}
	if blackbox.Long() {
		resuming = append(resuming, "after:applied", "before:spent")
		ending = append(ending, "after:intended", "after:issuing", "after:applied", "after:spent")
		sizing = append(sizing, "after:issuing", "wire:before", "after:applied", "before:reverted")
	}
	var rows []kase
	for _, p := range ending {
		rows = append(rows, kase{cause: "end_leaked, " + p, run: killedEnding(p), tune: leaking})
	}
	for _, p := range sizing {
		rows = append(rows, kase{cause: "grow_pool, " + p, run: killedSizing(p), tune: growing})
	}
	for _, p := range resuming {
		rows = append(rows, kase{cause: "resume, " + p, run: killedResuming(p)})
	}
	return append(rows, kase{cause: "grow_pool, while it stands", run: killedStanding, tune: growing},
		kase{cause: "grow_pool, until its time is over", run: killedForLong, tune: func(s *settings) { growing(s); s.limit = 5 * time.Second }})
}

// killedEnding dies while it ends sessions that leaked.
func killedEnding(point string) func(r *run) {
	return func(r *run) {
		r.again(point)
		r.watch(expected{cause: "leak", verdict: "act", outcome: "fixed", repeats: true, changes: []string{"end_leaked pg1"}})
		for range 2 {
			r.victims = append(r.victims, r.pooled(listed, "checkout", "select 1"))
		}
		l := r.clients(4, listed, r.pooler.Addr, query("select count(*) from items"))
		r.queued(3)
		r.aged(r.victims...)
		r.fire("PgBouncerPoolExhausted")
		r.product.Dies()
		r.product.Serve("")
		r.flows(l)
		r.healed()
		r.spent()
		r.over()
	}
}

// killedSizing dies while it makes a pool larger, or smaller again.
func killedSizing(point string) func(r *run) {
	return func(r *run) {
		r.again(point)
		r.watch(expected{cause: "pool_too_small", verdict: "act", outcome: "fixed", repeats: true, changes: []string{"grow_pool bouncer1"},
			shapes: []string{"size 20", "size 23", "size 20"}, closes: true})
		l := r.crowded()
		r.fire("PgBouncerPoolExhausted")
		late := point == "undo:before" || point == "undo:after" || point == "before:reverted"
		if late { // it takes it back only when nobody needs it any more
			r.looks("size 23")
			r.until("the effect", func(got blackbox.Record) bool { return got.Has("verified") })
			r.healed()
			r.mend()
			l.stop()
		}
		r.product.Dies()
		r.product.Serve("")
		if !late {
			r.looks("size 23")
			r.until("the effect", func(got blackbox.Record) bool { return got.Has("verified") })
			r.healed()
			r.mend()
			l.stop()
		}
		r.looks("size 20")
		r.until("the end of the change", func(got blackbox.Record) bool { return got.Has("reverted") })
		r.over()
	}
}

// killedResuming dies while it ends a pause that the operator said may end: the database is not left paused.
func killedResuming(point string) func(r *run) {
	return func(r *run) {
		r.again(point)
		r.watch(expected{cause: "paused", verdict: "act", outcome: "fixed", repeats: true, changes: []string{"resume bouncer1"},
			shapes: []string{"size 4", "size 4 paused", "size 4"}})
		l := r.pausedUnder()
		r.fire("PgBouncerPaused")
		got := r.until("the asking", func(got blackbox.Record) bool { return got.Has("asked") })
		r.product.Approve(got.Summary.ID)
		r.product.Dies()
		r.product.Serve("")
		// A yes is for one attempt: when it is proved that nothing was sent, it is asked for again.
		got = r.until("an end of the doubt", func(got blackbox.Record) bool { return got.Has("applied") || got.Count("asked") > 1 })
		if !got.Has("applied") {
			r.product.Approve(got.Summary.ID)
		}
		r.flows(l)
		r.healed()
		r.spent()
		r.over()
	}
}

// killedStanding dies while the larger pool stands, for no reason of its own.
func killedStanding(r *run) {
	r.watch(expected{cause: "pool_too_small", verdict: "act", outcome: "fixed", changes: []string{"grow_pool bouncer1"},
		shapes: []string{"size 20", "size 23", "size 20"}, closes: true})
	l := r.stands()
	r.product.Kill9()
	l.stop()
	r.product.Serve("")
	r.looks("size 20")
	r.until("the end of the change", func(got blackbox.Record) bool { return got.Has("reverted") })
	r.over()
}

// killedForLong dies while the larger pool stands, and is started again only when that should have ended: it does so at once, needed or not.
func killedForLong(r *run) {
	r.watch(expected{cause: "pool_too_small", verdict: "act", outcome: "fixed", changes: []string{"grow_pool bouncer1"},
		shapes: []string{"size 20", "size 23", "size 20"}, closes: true})
	l := r.stands()
	r.product.Kill9()
	over := time.Now().Add(r.settings.limit)
	r.await("its time to be over", func() bool { return time.Now().After(over) })
	r.product.Serve("")
	r.looks("size 20")
	l.stop()
	r.until("the end of the change", func(got blackbox.Record) bool { return got.Has("reverted") })
	r.over()
}

// again starts Firebreak once more, so that it dies at a crash point.
func (r *run) again(point string) {
	r.t.Helper()
	r.product.Stop()
	r.product.Serve(point)
}

// hangs waits until Firebreak hangs where it was told to.
func (r *run) hangs(folder string) {
	r.t.Helper()
	r.await("firebreak to hang at its crash point", func() bool {
		_, err := os.Stat(folder)
		return err == nil
	})
}
