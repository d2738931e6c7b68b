package drifttest

import (
	"context"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
)

// What follows looks like orphans and is none. Nothing is touched, in no run.

// untouched is what such a run comes to.
func untouched(cause string) expected {
	return expected{cause: cause, verdict: "page", outcome: "paged"}
}

// cutOff cuts nodes off from the store and from all others, but not from each other. They live. What they wrote last is put back as that of the
// dead is, so that nothing in the store tells them from those.
func (r *run) cutOff(these ...string) {
	r.t.Helper()
	for _, name := range these {
		r.app.at(name).link.Cut()
	}
	others := slices.DeleteFunc(names(), func(name string) bool { return slices.Contains(these, name) })
	r.app.part(these, others)
	r.t.Cleanup(r.heals)
	r.await("the others not to hear them any more", func() bool { return r.whole(others) && !r.hear(others, these) })
	for _, name := range these {
		r.must("put back what "+name+" wrote", func(ctx context.Context) error { return r.store.age(ctx, name, aged) })
	}
}

// hear says whether some of these nodes hears one of those.
func (r *run) hear(these, those []string) bool {
	ctx, cancel := calls()
	defer cancel()
	all, err := r.store.registered(ctx)
	for _, name := range these {
		if slices.ContainsFunc(all[name].sees, func(s string) bool { return slices.Contains(those, s) }) {
			return true
		}
	}
	return err != nil
}

// heals mends all links.
func (r *run) heals() {
	r.app.join()
	for _, n := range r.app.nodes {
		n.link.Heal()
	}
}

// smallSide: two of five nodes are on the other side, and serve their sessions there.
func smallSide(r *run) {
	r.cutOff("node-d", "node-e")
	r.watch(untouched("partition"))
	r.fire("OrphanedSessionsDetected")
	r.leftFor(2)
}

// largeSide: three of five nodes are on the other side: what sees the store is no majority.
func largeSide(r *run) {
	r.cutOff("node-c", "node-d", "node-e")
	r.watch(untouched("no_quorum"))
	r.fire("OrphanedSessionsDetected")
	r.left()
}

// cutFromStore: one node cannot reach the store, and the others hear it.
func cutFromStore(r *run) {
	r.app.at("node-e").link.Cut()
	r.must("put back what it wrote", func(ctx context.Context) error { return r.store.age(ctx, "node-e", aged) })
	r.watch(untouched("partition"))
	r.fire("OrphanedSessionsDetected")
	r.left()
}

// cutFromNodes: one node reaches the store, and no other hears it. Sessions of a node that has left are there to be taken, and are not.
func cutFromNodes(r *run) {
	r.app.part([]string{"node-d"}, names()[:3])
	r.app.part([]string{"node-d"}, names()[4:])
	r.strangers()
	r.await("the others not to hear it any more", func() bool { return !r.hear(names()[:3], []string{"node-d"}) })
	want := untouched("partition")
	r.watch(want)
	r.fire("OrphanedSessionsDetected")
	r.left()
}

// alertFires: one node is cut off from all, which looks like its death in everything. An alert of the network says that it is none.
func alertFires(r *run) {
	r.cutOff("node-e")
	r.around.fires("NetworkPartition")
	r.watch(untouched("partition"))
	r.fire("OrphanedSessionsDetected")
	r.leftFor(2)
}

// tooMany: a node with a quarter of all sessions has died.
func tooMany(r *run) {
	r.dies(aged, "node-d")
	r.watch(untouched("too_many"))
	r.fire("OrphanedSessionsDetected")
	r.left()
}

// halfDie: more than half of the nodes have died, one after the other.
func halfDie(r *run) {
	r.dies(aged, "node-c", "node-d", "node-e")
	r.watch(untouched("no_quorum"))
	r.fire("OrphanedSessionsDetected")
	r.left()
}

// deploys: orphans are waited for while the application is deployed, and after that while its epoch has just become another one.
func deploys(r *run) {
	r.dies(aged, "node-e")
	r.around.deploys(true)
	r.watch(expected{cause: "deploy", verdict: "wait", outcome: "withdrawn"})
	r.fire("OrphanedSessionsDetected")
	r.until("the decision to wait for the deploy", func(got blackbox.Record) bool { return got.Decided("deploy", "wait") })
	r.app.become(8)
	r.await("all that live to be of the next epoch", func() bool { return r.epochs(8) >= 4 })
	r.around.deploys(false)
	r.looks(5)
	r.resolve()
	r.closed()
}

// epochs is how many nodes say that they are of an epoch.
func (r *run) epochs(epoch int) int {
	ctx, cancel := calls()
	defer cancel()
	all, err := r.store.registered(ctx)
	n := 0
	for _, m := range all {
		if err == nil && m.epoch == epoch {
			n++
		}
	}
	return n
}

// looks waits for so many more looks.
func (r *run) looks(more int) {
	r.t.Helper()
	got, _ := r.only()
	was := got.Count("observed")
	r.until("more looks", func(got blackbox.Record) bool { return got.Count("observed") >= was+more })
}

// nodeBehind: one node's clock is ten minutes behind, so that all its leases seem to be over. The others hear it.
func nodeBehind(r *run) {
	r.app.at("node-e").sets(-10 * time.Minute)
	r.await("its lease to seem to be over", func() bool { return r.leases("node-e") < 0 })
	r.watch(untouched("partition"))
	r.fire("OrphanedSessionsDetected")
	r.left()
}

// nodeAhead: one node's clock is an hour ahead. Sessions of a node that has left are there to be taken, and are not.
func nodeAhead(r *run) {
	r.strangers()
	r.app.at("node-d").sets(time.Hour)
	r.await("its lease to be far ahead", func() bool { return r.leases("node-d") > time.Minute })
	r.watch(untouched("clock"))
	r.fire("OrphanedSessionsDetected")
	r.left()
}

// storeBehind: all nodes agree on the time, and the store's clock is an hour behind them.
func storeBehind(r *run) {
	r.strangers()
	for _, n := range r.app.nodes {
		n.sets(time.Hour)
	}
	r.await("all leases to be far ahead", func() bool { return r.leases("node-a") > time.Minute && r.leases("node-d") > time.Minute })
	r.watch(untouched("clock"))
	r.fire("OrphanedSessionsDetected")
	r.left()
}

// leases is how long a node's lease lasts still, by this machine's clock.
func (r *run) leases(name string) time.Duration {
	ctx, cancel := calls()
	defer cancel()
	all, err := r.store.registered(ctx)
	if err != nil {
		return 0
	}
	return time.Until(all[name].lease)
}

// unstable: a node was away, and has just come back. Sessions of another that has left are there to be taken, and wait.
func unstable(r *run) {
	r.strangers()
	r.cutOff("node-d")
	r.heals()
	r.await("it to be back", func() bool { return r.leases("node-d") > 0 })
	r.watch(expected{cause: "membership_unstable", verdict: "wait", outcome: "withdrawn"})
	r.fire("OrphanedSessionsDetected")
	r.until("the decision to wait", func(got blackbox.Record) bool { return got.Decided("membership_unstable", "wait") })
	r.looks(5)
	r.resolve()
	r.closed()
}

// nobodySays: what is asked about partitions and deploys is not answered, so nothing is taken away, and a person is called in the end.
func nobodySays(r *run) {
	r.dies(aged, "node-e")
	r.around.quiet()
	r.watch(untouched("not_measured"))
	r.fire("OrphanedSessionsDetected")
	r.left()
}

// healthy: nothing has drifted.
func healthy(r *run) {
	r.watch(expected{cause: "healthy", verdict: "false_positive", outcome: "false_positive"})
	r.fire("OrphanedSessionsDetected")
	r.left()
}
