package drifttest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// copies writes copies of sessions that two nodes keep, with the versions that both have come to, and gives their names.
func (r *run) copies(sessions int, a, b string) (ofA, ofB []string) {
	r.t.Helper()
	var all []record
	for i := range sessions {
		id := fmt.Sprintf("v%03d", i)
		for name, version := range map[string]string{"node-a": a, "node-b": b} {
			all = append(all, record{key: id + "@" + name, owner: name, epoch: 7, version: version, priority: "high", data: "copy of " + name,
				lease: time.Now().Add(time.Hour)})
		}
		ofA, ofB = append(ofA, id+"@node-a"), append(ofB, id+"@node-b")
	}
	r.must("write copies", func(ctx context.Context) error { return r.store.put(ctx, all) })
	return ofA, ofB
}

// The versions that two copies come to: one node goes on while the other hears nothing, or both do.
const (
	both  = "node-a=1,node-b=1"
	onlyA = "node-a=2,node-b=1"
	onlyB = "node-a=1,node-b=2"
)

// reconciled is what a run comes to in which older copies are set aside.
func reconciled(older []string) expected {
	return expected{cause: "dominated_copies", verdict: "act", outcome: "fixed", changes: []string{"reconcile sessions"}, takes: len(older), from: older}
}

// dominated: a node missed what the other one wrote. Its copies are set aside, and the others stay.
func dominated(r *run) {
	_, older := r.copies(3, onlyA, both)
	r.watch(reconciled(older))
	r.fire("SessionDataInconsistency")
	r.fixed(1)
}

// dominatedRenewed: the same, and both nodes renew the leases of their copies all the time. Who only compares what was seen cannot tell that from
// copies that are still written, and touches nothing; a person is called in the end.
func dominatedRenewed(r *run) {
	ofA, ofB := r.copies(3, onlyA, both)
	r.app.renews(slices.Concat(ofA, ofB))
	r.await("the copies to be renewed", func() bool {
		return len(r.among(slices.Concat(ofA, ofB), func(is record) bool { return time.Until(is.lease) > time.Minute })) == 0
	})
	r.watch(untouched("dominated_copies"))
	r.fire("SessionDataInconsistency")
	r.left()
}

// equal: copies that are the same are left alone.
func equal(r *run) {
	r.copies(3, onlyA, onlyA)
	r.watch(expected{cause: "healthy", verdict: "false_positive", outcome: "false_positive"})
	r.fire("SessionDataInconsistency")
	r.left()
}

// conflict: both nodes wrote while they did not hear each other. A person is called.
func conflict(r *run) {
	r.copies(2, onlyA, onlyB)
	r.watch(untouched("conflict"))
	r.fire("SessionDataInconsistency")
	r.left()
}

// setAside: the same where the policy allows to set all of them aside, and a person consents.
func setAside(r *run) {
	ofA, ofB := r.copies(2, onlyA, onlyB)
	want := expected{cause: "conflict", verdict: "act", outcome: "fixed", changes: []string{"set_aside sessions"}, takes: 4, from: slices.Concat(ofA, ofB)}
	r.watch(want)
	r.fire("SessionDataInconsistency")
	r.approve()
	r.fixed(1)
}

// quietOnes are the names of sessions whose leases are long, so that nothing but a fix writes them again.
func quietOnes() (all []string) {
	for i := most - quiet; i < most; i++ {
		all = append(all, fmt.Sprintf("u%03d", i))
	}
	return all
}

// replica is Redis' replica.
func (r *run) replica() *testbed.RedisNode { return r.redis().Replicas[0] }

// spoil runs a command at the replica alone, for each quiet session.
func (r *run) spoil(command func(key string) []string) {
	r.t.Helper()
	for _, id := range quietOnes() {
		if _, err := r.replica().Do(command(prefix + "s:" + id)...); err != nil {
			r.t.Fatal(err)
		}
	}
}

// synced is what a run comes to in which sessions are sent again.
func synced(cause string) expected {
	return expected{cause: cause, verdict: "act", outcome: "fixed", changes: []string{"sync sessions"}}
}

// lostOnReplica: the replica lost some sessions. They are sent again.
func lostOnReplica(r *run) {
	r.spoil(func(key string) []string { return []string{"DEL", key} })
	r.watch(synced("lost_on_replica"))
	r.mended()
}

// olderOnReplica: the replica holds older versions, though it has read past them.
func olderOnReplica(r *run) {
	r.spoil(func(key string) []string { return []string{"HSET", key, "version", "2", "data", "older"} })
	r.watch(synced("slow_sync"))
	r.mended()
}

// mended waits for the fix, and holds the replica against its primary.
func (r *run) mended() {
	r.t.Helper()
	r.fire("SessionDataInconsistency")
	r.fixed(1)
	c := redisClient(r.replica().Addr)
	defer func() { _ = c.Close() }()
	var there map[string]record
	r.must("read the replica", func(ctx context.Context) (err error) { there, err = readRedis(ctx, c); return err })
	here := r.held()
	for _, id := range quietOnes() {
		if there[id] != here[id] {
			r.wrongly("the replica holds %s, and the primary %s", there[id], here[id])
		}
	}
}

// aheadOnReplica: the replica holds versions that the primary never had. Nothing is sent over them.
func aheadOnReplica(r *run) {
	r.spoil(func(key string) []string {
		return []string{"HSET", key, "version", "9", "data", "written after a failover"}
	})
	r.watch(untouched("replica_ahead"))
	r.fire("SessionDataInconsistency")
	r.left()
	for _, id := range quietOnes() {
		if v, err := r.replica().Do("HGET", prefix+"s:"+id, "data"); err != nil || v != "written after a failover" {
			r.harm("the replica's own %s is %q now (%v)", id, v, err)
		}
	}
}

// promoted: the replica was made a primary, and is written to.
func promoted(r *run) {
	host, port, err := net.SplitHostPort(r.replica().Proxy.Addr)
	if err == nil {
		_, err = r.replica().Do("REPLICAOF", "NO", "ONE")
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if _, err := r.replica().Do("REPLICAOF", host, port); err != nil {
			r.t.Error(err)
		}
	})
	r.spoil(func(key string) []string {
		return []string{"HSET", key, "version", "9", "data", "written after a failover"}
	})
	r.watch(untouched("replica_ahead"))
	r.fire("SessionReplicationLag")
	r.left()
}

// redisSlow: nothing comes through the link of the replica, which is up for a while still.
func redisSlow(r *run) {
	r.watch(untouched("slow_sync"))
	r.t.Cleanup(r.replica().Proxy.Heal)
	r.holds(r.replica().Proxy)
	r.fire("SessionReplicationLag")
	r.left()
}

// holds lets nothing come through a replica's link, and waits until it is further behind than it may be.
func (r *run) holds(link *testbed.Link) {
	r.t.Helper()
	link.Hold(testbed.FromTarget)
	r.late(2 * usual().lag)
}

// late waits until a replica that gets nothing, or replays nothing, is so far behind. The application writes all the time.
func (r *run) late(by time.Duration) {
	r.t.Helper()
	begun := time.Now()
	r.await("the replica to be far behind", func() bool { return time.Since(begun) > by })
}

// redisDelayed: all that comes through the link of the replica is late, all the time. Redis says of such a replica that it heard from its primary
// just now, so that how late it is cannot be known. Nor can it be compared. A person is called for the one or the other.
func redisDelayed(r *run) {
	r.watch(untouched("lag_unknown"))
	r.want.also = []string{"slow_sync", "not_measured"}
	r.t.Cleanup(r.replica().Proxy.Heal)
	r.replica().Proxy.Delay(3*usual().lag, testbed.FromTarget)
	r.late(4 * usual().lag)
	r.fire("SessionReplicationLag")
	r.until("a page", func(got blackbox.Record) bool {
		for _, cause := range append([]string{"lag_unknown"}, r.want.also...) {
			if got.Decided(cause, "page") {
				r.want.cause = cause
				return true
			}
		}
		return false
	})
	r.left()
}

// redisDown: the replica's link is cut.
func redisDown(r *run) {
	r.watch(untouched("replica_down"))
	r.t.Cleanup(r.replica().Proxy.Heal)
	r.replica().Proxy.Cut()
	r.fire("SessionReplicationLag")
	r.left()
}

// redisHung: the replica hangs.
func redisHung(r *run) {
	r.watch(untouched("replica_down"))
	r.t.Cleanup(func() { r.replica().Signal(syscall.SIGCONT) })
	r.replica().Signal(syscall.SIGSTOP)
	r.fire("SessionReplicationLag")
	r.left()
}

// storeHung: the primary hangs, while orphans are there.
func storeHung(r *run) {
	r.dies(aged, "node-e")
	r.watch(untouched("store_unreadable"))
	r.t.Cleanup(func() { r.redis().Primary.Signal(syscall.SIGCONT) })
	r.redis().Primary.Signal(syscall.SIGSTOP)
	r.fire("SessionsNotMeasured")
	r.left()
	r.redis().Primary.Signal(syscall.SIGCONT)
	r.await("the nodes to reach the store again", func() bool { return r.whole(names()[:4]) })
}

// standbySlow: what the primary writes does not reach its standby.
func standbySlow(r *run) {
	standby := r.postgres().Standbys[0]
	r.watch(untouched("slow_sync"))
	r.t.Cleanup(standby.Proxy.Heal)
	r.holds(standby.Proxy)
	r.fire("SessionReplicationLag")
	r.left()
}

// standbyDown: the standby's link is cut.
func standbyDown(r *run) {
	standby := r.postgres().Standbys[0]
	r.watch(untouched("replica_down"))
	r.t.Cleanup(standby.Proxy.Heal)
	standby.Proxy.Cut()
	r.fire("SessionReplicationLag")
	r.left()
}

// standbyLate: replay is paused at the standby, so that it is behind, and catches up afterwards.
func standbyLate(r *run) {
	standby := r.postgres().Standbys[0]
	standby.Exec(r.t, "select pg_wal_replay_pause()")
	resume := func() {
		if _, err := standby.Ask("select pg_wal_replay_resume()"); err != nil {
			r.t.Error(errors.Join(errors.New("resume replay"), err))
		}
	}
	r.t.Cleanup(resume)
	r.late(2 * usual().lag)
	r.watch(untouched("slow_sync"))
	r.fire("SessionReplicationLag")
	r.left()
}
