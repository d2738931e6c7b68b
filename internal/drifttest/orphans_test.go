package drifttest

import (
	"context"
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// quarantined is what a run comes to in which so many sessions of the last node are taken out of sight.
func (r *run) quarantined(takes int) expected {
	return expected{cause: "orphans", verdict: "act", outcome: "fixed", changes: []string{"quarantine sessions"}, takes: takes,
		from: r.owned("node-e")}
}

// orphans: a node has died long ago, and its sessions are taken out of sight, and no others.
func orphans(r *run) {
	r.dies(aged, "node-e")
	r.watch(r.quarantined(few))
	r.fire("OrphanedSessionsDetected")
	r.fixed(1)
}

// settled is how long after a node's death its sessions surely are orphans that no more come to: its lease, twice as long again, and the rest of
// a minute.
const settled = 3*ttl + time.Minute + time.Second

// waited: nothing is put back. The node dies, and everything is waited for.
func waited(r *run) {
	r.dies(0, "node-e")
	died := time.Now()
	r.watch(r.quarantined(few))
	testbed.Await(r.t, 2*blackbox.Within, "its sessions to be orphans for long", seldom(func() bool { return time.Since(died) > settled }))
	r.fire("OrphanedSessionsDetected")
	r.fixed(1)
}

// many is how many orphans there are where one action must not take all of them: fewer than 5 in 100.
const many = 20

// manyOrphans: there are more orphans than one action may take. It takes the most that it may, then again of those that are left, and then a
// person is called: 1 in 100, counted in whole hundreds.
func manyOrphans(r *run) {
	r.dies(aged, "node-e")
	want := r.quarantined(bound + bound - 1)
	want.changes, want.also = []string{"quarantine sessions", "quarantine sessions"}, []string{"orphans"}
	r.watch(want)
	r.fire("OrphanedSessionsDetected")
	r.fixed(2)
}

// unregistered: sessions of a node that nobody registers any more are orphans too.
func unregistered(r *run) {
	from := r.strangers()
	want := r.quarantined(len(from))
	want.from = from
	r.watch(want)
	r.fire("OrphanedSessionsDetected")
	r.fixed(1)
}

// strangers are sessions of a node that is not registered any more.
func (r *run) strangers() (ids []string) {
	r.t.Helper()
	var all []record
	for i := range few {
		id := fmt.Sprintf("x%03d", i)
		ids = append(ids, id)
		all = append(all, record{key: id, owner: "node-x", epoch: 6, version: "4", priority: "normal", data: contents(id, 4),
			lease: time.Now().Add(-5 * time.Minute)})
	}
	r.must("write sessions of a node that has left", func(ctx context.Context) error { return r.store.put(ctx, all) })
	return ids
}

// comesBack: a single node is cut off from all, which nobody can tell from a dead one. When it comes back after its sessions were taken, they
// are given back.
func comesBack(r *run) {
	r.cutOff("node-e")
	want := r.quarantined(0)
	want.outcome, want.missed = "worse", true
	r.watch(want)
	r.fire("OrphanedSessionsDetected")
	r.until("the change", func(got blackbox.Record) bool { return got.Has("applied") })
	r.heals()
	r.undone()
}

// partedLater: after the change an alert says that there is a partition, so that what was taken may be somebody's after all. It is given back.
func partedLater(r *run) {
	r.dies(aged, "node-e")
	want := r.quarantined(0)
	want.outcome = "worse"
	r.watch(want)
	r.fire("OrphanedSessionsDetected")
	r.until("the change", func(got blackbox.Record) bool { return got.Has("applied") })
	r.around.fires("NetworkPartition")
	r.undone()
}

// undone waits until what was taken has been given back, and its owner serves it again.
func (r *run) undone() {
	r.t.Helper()
	r.until("the undo", func(got blackbox.Record) bool { return got.Has("reverted") })
	r.v.Heal = time.Since(r.fired)
	r.wait("the node to serve its sessions again", func() bool { return r.app.misses() == 0 })
	r.resolve()
	r.closed()
}

// recovers: where the policy allows it and a person consents, orphans get another owner, which serves them.
func recovers(r *run) {
	r.dies(aged, "node-e")
	r.watch(r.recovered())
	r.fire("OrphanedSessionsDetected")
	r.approve()
	r.fixed(1)
}

// recovered is what a run comes to in which all sessions of the last node are given to another one.
func (r *run) recovered() expected {
	from := r.owned("node-e")
	return expected{cause: "orphans_recoverable", verdict: "act", outcome: "fixed", changes: []string{"recover sessions"}, gives: len(from), from: from}
}

// approve consents to what is asked.
func (r *run) approve() {
	r.t.Helper()
	got := r.until("a plan", func(got blackbox.Record) bool { return got.Decided(r.want.cause, "act") })
	r.product.Approve(got.Summary.ID)
}
