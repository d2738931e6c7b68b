package databasetest

import (
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
)

// endsSnapshot: a report's snapshot holds replay up; its session is ended, and no other.
func endsSnapshot(r *run) {
	r.watch(expected{cause: "snapshot_conflict", verdict: "act", outcome: "fixed", changes: []string{"end_conflict pg2"}})
	stop := r.load(200_000)
	r.victims = append(r.victims, r.holdSnapshot(r.victim(), listed, "monthly"))
	r.collide(r.victim())
	r.endedConflict(stop)
}

// endsLock: a reader that sits idle in its transaction holds up the replay of an ALTER TABLE; its session is ended, and no other.
func endsLock(r *run) {
	r.watch(expected{cause: "lock_conflict", verdict: "act", outcome: "fixed", changes: []string{"end_conflict pg2"}})
	stop := r.load(200_000)
	r.victims = append(r.victims, r.holdLock(r.victim(), listed, "monthly"))
	r.alter(r.victim())
	r.endedConflict(stop)
}

// endedConflict tells of the lag and waits until the conflict is over, and the incident with it.
func (r *run) endedConflict(stop func()) {
	r.t.Helper()
	r.fire("PostgreSQLReplicationLag", r.victim())
	r.until("the change", func(got blackbox.Record) bool { return got.Has("applied") })
	r.await("the standby to have caught up", func() bool { return r.caughtUp(r.victim()) })
	r.healed()
	stop()
	r.until("the judgement", func(got blackbox.Record) bool { return got.Has("verified") && got.Has("spent") })
	r.resolve()
	r.closed()
}

// spares holds replay up by a session that must not be ended: a person is called, and everybody lives.
func spares(role, name string) func(r *run) {
	return func(r *run) {
		r.watch(expected{cause: "snapshot_conflict", verdict: "page", outcome: "paged"})
		stop := r.load(200_000)
		r.holdSnapshot(r.victim(), role, name)
		r.collide(r.victim())
		r.fire("PostgreSQLReplicationLag", r.victim())
		r.left()
		stop()
	}
}

// resolvesMeanwhile: the alert resolves before the conflict is old enough, so nothing is done about it.
func resolvesMeanwhile(r *run) {
	r.watch(expected{cause: "snapshot_conflict", verdict: "wait", outcome: "withdrawn"})
	stop := r.load(200_000)
	r.holdSnapshot(r.victim(), listed, "monthly")
	r.collide(r.victim())
	r.fire("PostgreSQLReplicationLag", r.victim())
	r.left()
	r.await("the conflict to be old enough", func() bool { return time.Since(r.fired) > 4*time.Second })
	stop()
}
