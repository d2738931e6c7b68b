package sessiondrift_test

import (
	"time"

	"github.com/firebreak-sre/firebreak/handlers/sessiondrift"
	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// lookingCases are about looking at all.
func lookingCases() []*scene {
	unasked := func(s *settings) { s.Asks = &[]string{} }
	stale := well("gathering stale", "Two good looks, and then nothing for five minutes.").each(dead(10)).waits(sessiondrift.CauseGathering, "5m0s old").twin(sessiondrift.CauseOrphans)
	stale.Now = stale.Looks[1].At.Add(5 * time.Minute)
	gap := well("gathering gap", "Five minutes between two looks: they are no story.").each(dead(10)).waits(sessiondrift.CauseGathering).twin(sessiondrift.CauseOrphans)
	gap.Looks[0].At = gap.Looks[0].At.Add(-5 * time.Minute)
	back := well("gathering back in time", "The second look was made before the first.").each(dead(10)).waits(sessiondrift.CauseGathering)
	back.Looks[0].At = back.Looks[1].At.Add(time.Minute)
	back.Now = back.Looks[1].At
	hasty := well("gathering hasty", "Two looks a second apart are one look.").each(dead(10)).waits(sessiondrift.CauseGathering, "5s apart").twin(sessiondrift.CauseOrphans)
	hasty.Looks[0].At = hasty.Looks[1].At.Add(-time.Second)
	return []*scene{
		well("gathering none", "Nothing was looked at yet.").looks(0).waits(sessiondrift.CauseGathering),
		well("gathering one", "One look says nothing of what moves.").looks(1).each(dead(10)).waits(sessiondrift.CauseGathering).twin(sessiondrift.CauseOrphans),
		stale, gap, back, hasty,
		well("gathering enough", "Three looks, of which two are far enough apart.").looks(3).waits(sessiondrift.CauseGathering).
			wants(sessiondrift.CauseHealthy, "false_positive").twin(sessiondrift.CauseGathering),
		well("unreadable", "Nothing at all could be read.").each(nothing).pages(sessiondrift.CauseStoreUnreadable, "no answer within 5s", "Nothing is touched"),
		well("unreadable members", "The sessions can be listed, and who is there is not known.").
			each(dead(10), func(o *obs) { o.Members = sessiondrift.Members{Problem: "the store's primary is read only"} }).
			pages(sessiondrift.CauseStoreUnreadable, "read only").twin(sessiondrift.CauseOrphans),
		well("unreadable contradiction", "It says that it has a quorum, and one of four is alive.").
			each(dead(10), member("node-b", silent), member("node-c", silent)).pages(sessiondrift.CauseStoreUnreadable, "quorum").twin(sessiondrift.CauseOrphans),
		well("unreadable empty", "A look that says nothing at all.").each(func(o *obs) { *o = obs{} }).pages(sessiondrift.CauseStoreUnreadable),
		well("unreadable once", "Only the last look could not be made.").in(-1, nothing).waits(sessiondrift.CauseStoreUnreadable).twin(sessiondrift.CauseStoreUnreadable),
		well("unreadable before", "The look before could not be made: one look is left.").each(dead(10)).in(0, nothing).
			waits(sessiondrift.CauseUndecided, "no answer").twin(sessiondrift.CauseOrphans),
		well("other ttl", "The store calls leases of a second over that the policy gives half a minute.").
			each(dead(10), func(o *obs) { o.Members.TTL = sessions.Seconds(time.Second) }).pages(sessiondrift.CauseUndecided, "too early").twin(sessiondrift.CauseOrphans),
		well("longer ttl", "The store waits longer than the policy asks for: it gives nobody up too early.").
			each(dead(10)).policy(func(s *settings) { s.TTL = 20_000_000_000 }).acts(sessiondrift.CauseOrphans, "quarantine").twin(sessiondrift.CauseUndecided),
		well("healthy", "Nothing has drifted.").wants(sessiondrift.CauseHealthy, "false_positive", "none of 4200"),
		well("healthy overdue", "Some sessions are overdue, as clients leave.").each(func(o *obs) { o.Orphans.Expired, o.Orphans.Owners = 30, 3 }).
			wants(sessiondrift.CauseHealthy, "false_positive", "30 are overdue").twin(sessiondrift.CauseRecoverySlow),
		well("healthy alone", "A store without a replica, whose Prometheus is not asked.").policy(unasked).each(func(o *obs) {
			o.Replicas.Replicas, o.Contents, o.Around = nil, sessiondrift.Contents{}, sessiondrift.Around{}
		}).wants(sessiondrift.CauseHealthy, "false_positive"),
		well("healthy again", "There were orphans in the look before, and there are none now.").in(0, dead(10)).waits(sessiondrift.CauseRecovering, "10 orphans").twin(sessiondrift.CauseHealthy),
		well("caught up", "A replica was behind in the look before.").in(0, late(9)).waits(sessiondrift.CauseRecovering, "replica2"),
		well("not examined", "More parts differ than were looked into.").each(func(o *obs) { o.Contents.Replicas[1].Buckets, o.Contents.Replicas[1].Examined = 9, 4 }).
			waits(sessiondrift.CauseUndecided, "9 of 64").twin(sessiondrift.CauseHealthy),
		well("not examined for long", "The same for a minute.").looks(14).each(func(o *obs) { o.Contents.Replicas[1].Buckets, o.Contents.Replicas[1].Examined = 9, 4 }).
			pages(sessiondrift.CauseUndecided, "no end of it in 12 looks"),
	}
}

func silent(m *sessions.Member) {
	m.State, m.Since, m.Vouched = sessions.Silent, ago(20*time.Second), nil
}

// shakenCases are those in which nothing may be touched, each with what looks like it. In all of them there are what would be orphans.
func shakenCases() []*scene {
	heard := member("node-d", func(m *sessions.Member) { m.State, m.Vouched = sessions.Silent, []string{"node-b"} })
	none := func(o *obs) { o.Members.Members, o.Members.Quorum = nil, false }
	alert := func(o *obs) { o.Around.Partition = []string{"NetworkPartitionSuspected"} }
	unheard := func(o *obs) {
		for i := range o.Members.Members {
			m := &o.Members.Members[i]
			m.Vouched = map[string][]string{"node-a": {"node-b"}, "node-b": {"node-a"}}[m.Name]
		}
	}
	return []*scene{
		well("no quorum", "The small side of a partition: most are silent, and 130 sessions are overdue.").each(dead(130), noQuorum).
			pages(sessiondrift.CauseNoQuorum, "1 of 4", "small side", "Nothing is touched").twin(sessiondrift.CauseOrphans),
		well("no quorum lie", "No quorum, and the look counts orphans nevertheless.").each(orphaned("node-x", 30), func(o *obs) { o.Members.Quorum = false }).
			pages(sessiondrift.CauseNoQuorum).twin(sessiondrift.CauseOrphans),
		well("no quorum nobody", "No node is registered: everybody's sessions have an owner that is not.").each(orphaned("node-x", 30), none).
			pages(sessiondrift.CauseNoQuorum, "no node is registered").twin(sessiondrift.CauseOrphans),
		well("no quorum once", "The quorum was lost in the last look only.").each(dead(10)).in(-1, noQuorum).waits(sessiondrift.CauseNoQuorum, "last look only").twin(sessiondrift.CauseNoQuorum),
		well("no quorum before", "The quorum has just come back.").each(dead(10)).in(0, noQuorum).waits(sessiondrift.CauseUndecided, "small side").twin(sessiondrift.CauseOrphans),
		well("no quorum copies", "Older copies, seen from the small side.").each(noQuorum, dominated(older("u1"))).pages(sessiondrift.CauseNoQuorum).twin(sessiondrift.CauseDominated),
		well("no quorum behind", "A replica that is behind, seen from the small side.").each(noQuorum, differs(sessions.Lost, "u1")).pages(sessiondrift.CauseNoQuorum).twin(sessiondrift.CauseLostOnReplica),
		well("partition alert", "All that makes an orphan, and an alert of a partition.").each(dead(10), alert).
			pages(sessiondrift.CausePartition, "NetworkPartitionSuspected", "Nothing is touched").twin(sessiondrift.CauseOrphans),
		well("partition alert once", "The alert has just begun to fire.").each(dead(10)).in(-1, alert).waits(sessiondrift.CausePartition).twin(sessiondrift.CausePartition),
		well("partition alert over", "The alert has just stopped firing.").each(dead(10)).in(0, alert).waits(sessiondrift.CauseUndecided).twin(sessiondrift.CauseOrphans),
		well("partition alert recover", "A recovery would be asked for, but for the alert.").each(dead(10), alert).allow("recover").pages(sessiondrift.CausePartition).twin(sessiondrift.CauseRecoverable),
		well("partition alert sync", "A replica lacks a session, and an alert tells of a partition.").each(differs(sessions.Lost, "u1"), alert).
			pages(sessiondrift.CausePartition).twin(sessiondrift.CauseLostOnReplica),
		well("partition heard", "The owner has no lease, and node-b still hears from it.").each(dead(10), heard).
			pages(sessiondrift.CausePartition, "node-b still hears").twin(sessiondrift.CauseOrphans),
		well("partition heard once", "node-b says so in the last look only.").each(dead(10)).in(-1, heard).waits(sessiondrift.CausePartition).twin(sessiondrift.CausePartition),
		well("partition two lost", "Two of five were lost within five minutes of each other.").each(member("node-c", func(m *sessions.Member) { m.Since = ago(2 * time.Hour) }),
			goneFor("node-e", 20*time.Minute), dead(10)).pages(sessiondrift.CausePartition, "node-e, node-d", "several at once").twin(sessiondrift.CauseOrphans),
		well("partition two lost apart", "Two of five are gone, one of them since yesterday.").each(goneFor("node-e", 24*time.Hour), dead(10)).
			acts(sessiondrift.CauseOrphans, "quarantine").twin(sessiondrift.CausePartition),
		well("partition unheard", "node-c reaches the store, and the others do not hear it.").each(dead(10), unheard).
			pages(sessiondrift.CausePartition, "node-c reaches the store").twin(sessiondrift.CauseOrphans),
		well("partition unheard yet", "node-c has only just joined: the others do not know it yet.").each(unheard, joined(20*time.Second), dead(10)).
			each(func(o *obs) { o.Members.StableSince = ago(20 * time.Second) }).waits(sessiondrift.CauseUnstable).twin(sessiondrift.CausePartition),
	}
}

// joined says when node-c came.
func joined(d time.Duration) func(*obs) {
	return member("node-c", func(m *sessions.Member) { m.Since = ago(d) })
}

// clockCases are a clock that is wrong, and too many that are overdue.
func clockCases() []*scene {
	offset := func(by, within float64) func(*obs) {
		return func(o *obs) { o.Clock = sessiondrift.Clock{Offset: by, Within: within} }
	}
	jump := func(before float64) func(*obs) { return func(o *obs) { o.Around.OrphansBefore = &before } }
	moved := func(by time.Duration) func(*obs) { return func(o *obs) { o.Members.At = o.Members.At.Add(by) } }
	return []*scene{
		well("clock off", "The store's clock is ten minutes ahead: every lease seems to be over.").each(dead(10), offset(600, 0.01)).
			pages(sessiondrift.CauseClock, "10m0s", "Nothing is touched").twin(sessiondrift.CauseOrphans),
		well("clock behind", "It is two seconds behind.").each(dead(10), offset(-2, 0.01)).pages(sessiondrift.CauseClock, "-2.0 s").twin(sessiondrift.CauseOrphans),
		well("clock future", "node-c is alive since five seconds from now.").each(dead(10), joined(-15*time.Second)).pages(sessiondrift.CauseClock, "node-c").twin(sessiondrift.CauseOrphans),
		well("clock future stable", "The membership is stable since next hour.").each(dead(10), func(o *obs) { o.Members.StableSince = ago(-time.Hour) }).
			pages(sessiondrift.CauseClock, "stable since").twin(sessiondrift.CauseOrphans),
		well("clock slow answer", "The answer took four seconds, so that nobody knows how far the clock is.").each(dead(10), offset(0.1, 2)).
			waits(sessiondrift.CauseClock, "whether it is right is not known").twin(sessiondrift.CauseOrphans),
		well("clock not measured", "Nobody compared the clocks.").each(dead(10), offset(0, 0)).waits(sessiondrift.CauseClock, "not measured").twin(sessiondrift.CauseOrphans),
		well("clock not measured for long", "The same for a minute.").looks(14).each(dead(10), offset(0, 0)).pages(sessiondrift.CauseClock, "no end"),
		well("clock set", "The store's clock was set on by a minute between the looks.").each(dead(10)).in(-1, moved(time.Minute)).waits(sessiondrift.CauseClock, "went on by").twin(sessiondrift.CauseOrphans),
		well("clock stands", "The store's clock does not go on: an old answer?").each(dead(10)).in(-1, moved(-every)).waits(sessiondrift.CauseClock).twin(sessiondrift.CauseOrphans),
		well("clock close", "Half a second is no matter.").each(dead(10), offset(0.5, 0.01)).acts(sessiondrift.CauseOrphans, "quarantine").twin(sessiondrift.CauseClock),
		well("too many", "5.02 % of all are overdue.").each(dead(211), jump(211)).pages(sessiondrift.CauseTooMany, "211 of 4200", "Nothing is touched").twin(sessiondrift.CauseOrphans),
		well("too many not quite", "5 % of all are.").each(dead(210), jump(210)).acts(sessiondrift.CauseOrphans, "quarantine").twin(sessiondrift.CauseTooMany),
		well("too many overdue", "Few are orphans, but 300 are overdue, whoever owns them.").each(dead(10), func(o *obs) { o.Orphans.Expired, o.Orphans.Owners = 300, 4 }).
			pages(sessiondrift.CauseTooMany, "300 of 4200").twin(sessiondrift.CauseOrphans),
		well("too many jump", "There were 12 some minutes ago, and there are 130.").each(dead(130), jump(12)).
			pages(sessiondrift.CauseTooMany, "more than 10 times").twin(sessiondrift.CauseOrphans),
		well("too many jump from none", "From none to 101 is a jump too.").each(dead(101), jump(0)).pages(sessiondrift.CauseTooMany).twin(sessiondrift.CauseOrphans),
		well("too many no jump", "From none to a hundred is what one node leaves.").each(dead(100), jump(0)).acts(sessiondrift.CauseOrphans, "quarantine").twin(sessiondrift.CauseTooMany),
		well("too many once", "They jumped in the last look only.").each(dead(10)).in(-1, orphaned("node-d", 300)).waits(sessiondrift.CauseTooMany).twin(sessiondrift.CauseTooMany),
		well("too many sync", "So many are overdue that the cluster is not whole: nothing is sent either.").
			each(differs(sessions.Lost, "u1"), func(o *obs) { o.Orphans.Expired = 900 }).pages(sessiondrift.CauseTooMany).twin(sessiondrift.CauseLostOnReplica),
	}
}
