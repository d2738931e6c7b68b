package pooltest

import (
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
)

// growing is a pool that may grow from 20 to 23. What is a moment's wait for people is long here, since only three more wait than the pool
// takes.
func growing(s *settings) { s.poolSize, s.maxWait = 20, 100*time.Millisecond }

// crowded are clients that a pool of 23 would serve at once.
func (r *run) crowded() *load {
	r.t.Helper()
	l := r.clients(23, listed, r.pooler.Addr, chat(20))
	r.queued(2)
	return l
}

// looks waits until the database looks like this.
func (r *run) looks(shape string) {
	r.t.Helper()
	r.await("the pool to be: "+shape, func() bool { return r.shapes.is(shape) })
}

// tooSmall: a few more clients than the pool takes, and the server has room. The pool grows, and is given back when it is not needed any
// more.
func tooSmall(r *run) {
	r.watch(expected{cause: "pool_too_small", verdict: "act", outcome: "fixed", changes: []string{"grow_pool bouncer1"},
		shapes: []string{"size 20", "size 23", "size 20"}, closes: true})
	r.grows("size 23", "size 20")
}

// ownSizeTooSmall: the same with a size that the file says at the database. Then the reserve is what grows.
func ownSizeTooSmall(r *run) {
	r.watch(expected{cause: "pool_too_small", verdict: "act", outcome: "fixed", changes: []string{"grow_pool bouncer1"},
		shapes: []string{"size 20", "size 20 reserve 3", "size 20"}, closes: true})
	r.grows("size 20 reserve 3", "size 20")
}

// grows is a larger pool from the fault to the end of it.
func (r *run) grows(large, small string) {
	r.t.Helper()
	l := r.crowded()
	r.fire("PgBouncerPoolExhausted")
	r.looks(large)
	r.until("the effect", func(got blackbox.Record) bool { return got.Has("verified") })
	r.flows(l)
	r.healed()
	r.mend()
	l.stop()
	r.looks(small)
	r.until("the end of the change", func(got blackbox.Record) bool { return got.Has("reverted") })
	r.over()
}
