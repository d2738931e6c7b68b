package sessiondrift_test

import (
	"fmt"
	"strings"

	"github.com/firebreak-sre/firebreak/handlers/sessiondrift"
	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// driftedCases are sessions that are not the same everywhere.
func driftedCases() []*scene {
	state := func(s string) func(*obs) {
		return replica("replica1", func(r *sessions.Replica) { r.State, r.Known = s, false })
	}
	small := func(o *obs) { o.Members.Total, o.Orphans.Read = 150, 150 }
	return []*scene{
		well("ahead", "A replica holds a newer version than the primary.").each(differs(sessions.Ahead, "u1")).pages(sessiondrift.CauseReplicaAhead, "u1 on replica1 is ahead", "nothing is sent"),
		well("ahead surplus", "It holds a session that the primary lacks.").each(differs(sessions.Surplus, "u1")).pages(sessiondrift.CauseReplicaAhead, "surplus"),
		well("ahead apart", "Each has seen what the other has not.").each(differs(sessions.Apart, "u1")).pages(sessiondrift.CauseReplicaAhead, "apart").twin(sessiondrift.CauseSlowSync),
		well("ahead other owner", "It holds the same version, of another owner.").each(differs(sessions.OtherOwner, "u1")).pages(sessiondrift.CauseReplicaAhead).twin(sessiondrift.CauseSlowSync),
		well("ahead history", "A replica follows another stream.").each(state("up, another history")).pages(sessiondrift.CauseReplicaAhead, "another history").twin(sessiondrift.CauseLagUnknown),
		well("ahead no replica", "A replica is none any more.").each(state("not a replica")).pages(sessiondrift.CauseReplicaAhead, "not a replica").twin(sessiondrift.CauseReplicaDown),
		well("ahead and behind", "One session is ahead and one is missing: nothing is sent.").each(differs(sessions.Ahead, "u1"), differs(sessions.Lost, "u2")).
			pages(sessiondrift.CauseReplicaAhead).twin(sessiondrift.CauseLostOnReplica),
		well("ahead said behind", "It is called behind, and the versions are equal.").each(differs(sessions.Behind, "u1"), func(o *obs) {
			o.Contents.Replicas[0].Differences[0].Replica = o.Contents.Replicas[0].Differences[0].Primary
		}).pages(sessiondrift.CauseReplicaAhead).twin(sessiondrift.CauseSlowSync),
		well("ahead before", "The look before saw that another one is ahead: nothing is sent yet.").each(differs(sessions.Lost, "u2")).in(0, differs(sessions.Ahead, "u1")).
			waits(sessiondrift.CauseReplicaAhead, "the look before").twin(sessiondrift.CauseLostOnReplica),
		well("ahead once", "Only the last look saw it.").in(-1, differs(sessions.Ahead, "u1")).waits(sessiondrift.CauseReplicaAhead, "last look only").twin(sessiondrift.CauseReplicaAhead),
		well("conflict", "Two copies have each seen what the other has not: a person may consent that both are set aside.").each(concurrent(apart("u1"))).
			acts(sessiondrift.CauseConflict, "set_aside", "All 2 copies of 1 session", "if a person consents"),
		well("conflict forbidden", "The policy does not allow that.").each(concurrent(apart("u1"))).allow("quarantine").pages(sessiondrift.CauseConflict, "add set_aside").twin(sessiondrift.CauseConflict),
		well("conflict moving", "They are still written.").in(0, concurrent(apart("u1"))).in(1, concurrent(more(apart("u1")))).pages(sessiondrift.CauseConflict, "still written").twin(sessiondrift.CauseConflict),
		well("conflict once", "Only the last look saw it.").in(-1, concurrent(apart("u1"))).waits(sessiondrift.CauseConflict, "last look only").twin(sessiondrift.CauseConflict),
		well("conflict small", "Of 150 sessions one copy may be taken away, and it has two.").each(small, concurrent(apart("u1"))).pages(sessiondrift.CauseConflict, "None of them can be set aside").twin(sessiondrift.CauseConflict),
		well("conflict deploy", "The application is being deployed: people are called, nothing is set aside.").each(concurrent(apart("u1")), func(o *obs) { o.Around.Deploying = new(true) }).
			pages(sessiondrift.CauseConflict, "They are not set aside").twin(sessiondrift.CauseConflict),
		well("conflict lie", "They are called concurrent, and one dominates.").each(concurrent(older("u1"))).pages(sessiondrift.CauseConflict, "None of them can").twin(sessiondrift.CauseConflict),
		well("conflict and orphans", "People come first.").each(dead(10), concurrent(apart("u1"))).allow("quarantine").pages(sessiondrift.CauseConflict).twin(sessiondrift.CauseOrphans),
	}
}

// more is a group of copies of which the first was written once more.
func more(c []sessions.Session) []sessions.Session {
	c[0].Version = c[0].Version.Next("node-a")
	return c
}

// olderCases are copies and replicas that are behind.
func olderCases() []*scene {
	many := func(n int) (ids []string) {
		for i := range n {
			ids = append(ids, fmt.Sprintf("u%03d", i))
		}
		return ids
	}
	lots := func(n int) func(*obs) {
		var groups [][]sessions.Session
		for _, id := range many(n) {
			groups = append(groups, older(id))
		}
		return dominated(groups...)
	}
	return []*scene{
		well("dominated", "node-b holds an older copy.").each(dominated(older("u1"))).acts(sessiondrift.CauseDominated, "reconcile", "1 copy is set aside"),
		well("dominated three", "Two of three copies are older.").each(dominated(copies("u1", sessions.Version{"node-a": 3}, sessions.Version{"node-a": 2}, sessions.Version{"node-a": 1}))).
			acts(sessiondrift.CauseDominated, "reconcile", "2 copies are set aside"),
		well("dominated many", "Of fifty as many as 1 in 100 of all sessions.").each(lots(50)).acts(sessiondrift.CauseDominated, "reconcile", "42 copies are set aside"),
		well("dominated once", "Only the last look saw it: it may be on its way.").in(-1, dominated(older("u1"))).waits(sessiondrift.CauseDominated, "on their way").twin(sessiondrift.CauseDominated),
		well("dominated moving", "The newer copy is still written.").in(0, dominated(older("u1"))).in(1, dominated(more(older("u1")))).waits(sessiondrift.CauseDominated).twin(sessiondrift.CauseDominated),
		well("dominated lie", "It is called dominated, and the copies are concurrent.").each(dominated(apart("u1"))).pages(sessiondrift.CauseDominated, "none of them can").twin(sessiondrift.CauseDominated),
		well("dominated twice", "The same copy is there twice.").each(dominated(append(older("u1"), older("u1")...))).waits(sessiondrift.CauseDominated).twin(sessiondrift.CauseDominated),
		well("dominated named twice", "Two groups say that they are the same session.").each(dominated(older("u1"), older("u1"))).waits(sessiondrift.CauseDominated).twin(sessiondrift.CauseDominated),
		well("dominated forbidden", "The policy does not allow it.").each(dominated(older("u1"))).allow().pages(sessiondrift.CauseDominated, "add reconcile").twin(sessiondrift.CauseDominated),
		well("dominated unasked", "What a change would do to clients is asked for and not known.").each(dominated(older("u1")), func(o *obs) { o.Around.NotFound = nil }).
			waits(sessiondrift.CauseNotMeasured).twin(sessiondrift.CauseDominated),
		well("behind", "A replica holds an older version, and has read past the newer one.").each(differs(sessions.Behind, "u1", "u2")).
			acts(sessiondrift.CauseSlowSync, "sync", "2 sessions are sent again", "nothing newer is overwritten"),
		well("lost", "A replica lacks a session.").each(differs(sessions.Lost, "u1")).acts(sessiondrift.CauseLostOnReplica, "sync", "1 session is sent again"),
		well("lost many", "A hundred at once at most.").each(differs(sessions.Lost, many(120)...)).acts(sessiondrift.CauseLostOnReplica, "sync", "100 sessions are sent again"),
		well("lost others", "Each look saw another one: they are on their way.").in(0, differs(sessions.Lost, "u1")).in(1, differs(sessions.Lost, "u2")).
			waits(sessiondrift.CauseLostOnReplica, "others than before").twin(sessiondrift.CauseLostOnReplica),
		well("behind once", "Only the last look saw it.").in(-1, differs(sessions.Behind, "u1")).waits(sessiondrift.CauseSlowSync, "last look only").twin(sessiondrift.CauseSlowSync),
		well("behind forbidden", "The policy does not allow it.").each(differs(sessions.Behind, "u1")).allow("quarantine").pages(sessiondrift.CauseSlowSync, "add sync").twin(sessiondrift.CauseSlowSync),
		well("behind in doubt", "Whether there is a partition is not known.").each(differs(sessions.Behind, "u1"), func(o *obs) { o.Around.PartitionProblem = "503" }).
			waits(sessiondrift.CauseNotMeasured, "503").twin(sessiondrift.CauseSlowSync),
		well("behind and orphans", "What is missing is sent before anything is taken away.").each(dead(10), differs(sessions.Behind, "u1")).acts(sessiondrift.CauseSlowSync, "sync").twin(sessiondrift.CauseOrphans),
	}
}

// replicaCases are about replicas as such, and about what could not be read while nothing was found.
func replicaCases() []*scene {
	state := func(s string, known bool) func(*obs) {
		return replica("replica1", func(r *sessions.Replica) { r.State, r.Known = s, known })
	}
	unread := func(name, note, said string, change func(*obs)) *scene {
		return well("unread "+strings.ReplaceAll(name, " ", "-"), note).each(change).pages(sessiondrift.CauseNotMeasured, said).twin(sessiondrift.CauseHealthy)
	}
	overdue := func(n int) func(*obs) { return func(o *obs) { o.Orphans.Expired, o.Orphans.Owners = n, 3 } }
	return []*scene{
		well("down", "A replica's link is gone.").each(state("down", true)).pages(sessiondrift.CauseReplicaDown, "replica1 is down"),
		well("down unreachable", "A replica does not answer.").each(state("unreachable", false), func(o *obs) { o.Contents.Replicas[0].Problem = "it does not answer" }).
			pages(sessiondrift.CauseReplicaDown, "unreachable"),
		well("down once", "Only the last look saw it.").in(-1, state("down", false)).waits(sessiondrift.CauseReplicaDown, "last look only").twin(sessiondrift.CauseReplicaDown),
		well("lag unknown", "It follows, and nobody can say how far it is.").each(state("sync", false)).pages(sessiondrift.CauseLagUnknown, "not known"),
		well("lag unknown both", "Neither replica says it.").each(state("sync", false), replica("replica2", func(r *sessions.Replica) { r.Known = false })).
			pages(sessiondrift.CauseLagUnknown, "replica1", "replica2"),
		well("lag unknown once", "Only the last look did not know it.").in(-1, state("sync", false)).waits(sessiondrift.CauseLagUnknown).twin(sessiondrift.CauseLagUnknown),
		well("lag", "A replica is far behind and does not catch up: nothing is sent, which would make the stream longer.").in(0, late(31)).in(1, late(36)).
			pages(sessiondrift.CauseSlowSync, "replica2 is 36 s", "Nothing is sent again").twin(sessiondrift.CauseSlowSync),
		well("lag shrinks", "It catches up.").in(0, late(31)).in(1, late(20)).waits(sessiondrift.CauseRecovering, "catches up").twin(sessiondrift.CauseSlowSync),
		well("lag shrinks for long", "It says so for a minute.").looks(14).in(0, late(1000)).shrinking().pages(sessiondrift.CauseRecovering, "no end"),
		well("lag small", "Five seconds are no fault.").each(late(5)).wants(sessiondrift.CauseHealthy, "false_positive").twin(sessiondrift.CauseSlowSync),
		well("lag once", "Only the last look saw it.").in(-1, late(9)).waits(sessiondrift.CauseSlowSync, "last look only").twin(sessiondrift.CauseSlowSync),
		well("recovery slow", "Many sessions are overdue, and their owners live: they do not renew them.").each(overdue(43)).pages(sessiondrift.CauseRecoverySlow, "43 sessions"),
		well("recovery slow large", "In a large store a hundred are enough.").each(overdue(101), func(o *obs) { o.Members.Total, o.Orphans.Read = 5000, 50_000 }).
			pages(sessiondrift.CauseRecoverySlow, "more than 100"),
		well("recovery slow not", "As many as clients leave behind.").each(overdue(42)).wants(sessiondrift.CauseHealthy, "false_positive").twin(sessiondrift.CauseRecoverySlow),
		well("recovery slow once", "Only the last look saw so many.").in(-1, overdue(43)).wants(sessiondrift.CauseHealthy, "false_positive").twin(sessiondrift.CauseRecoverySlow),
		unread("sessions", "The sessions could not be listed.", "listed: 503", func(o *obs) { o.Orphans = sessiondrift.Orphans{Problem: "listed: 503"} }),
		unread("rest", "Not all sessions were read.", "only 4200", func(o *obs) { o.Orphans.Complete = false }),
		unread("replicas", "The replicas' positions could not be read.", "the replicas (503)", func(o *obs) { o.Replicas = sessiondrift.Replicas{Problem: "503"} }),
		unread("contents", "What they hold could not be compared.", "what the replicas hold (503)", func(o *obs) { o.Contents = sessiondrift.Contents{Problem: "503"} }),
		unread("one replica", "One of them could not be compared.", "what replica1 holds (it was not there in time)", func(o *obs) { o.Contents.Replicas[0].Problem = "it was not there in time" }),
		unread("a replica left out", "One of them was not compared.", "what replica2 holds (nothing was said)", func(o *obs) { o.Contents.Replicas = o.Contents.Replicas[:1] }),
		unread("copies", "Copies could not be compared.", "copies (503)", func(o *obs) { o.Copies.Problem = "503" }),
		unread("more copies", "There are too many copies to name them.", "all copies", func(o *obs) { o.Copies.More = true }),
		unread("around", "Prometheus does not answer.", "503", func(o *obs) {
			o.Around = sessiondrift.Around{PartitionProblem: "503", DeployingProblem: "503", NotFoundProblem: "503", OrphansBeforeProblem: "503"}
		}),
		well("unread once", "Only the last look could not read it.").in(-1, func(o *obs) { o.Copies.Problem = "503" }).waits(sessiondrift.CauseNotMeasured, "the last look").twin(sessiondrift.CauseNotMeasured),
		well("unread before", "Only the look before could not.").in(0, func(o *obs) { o.Copies.Problem = "503" }).waits(sessiondrift.CauseNotMeasured, "an earlier one").twin(sessiondrift.CauseHealthy),
	}
}

// shrinking makes a lag a third less in each look.
func (c *scene) shrinking() *scene {
	lag := 10_000.0
	for i := range c.Looks {
		c.in(i, late(lag))
		lag /= 1.5
	}
	return c
}
