package sessiondrift_test

import (
	"time"

	"github.com/firebreak-sre/firebreak/handlers/sessiondrift"
	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/policy"
)

// doubtCases are those in which orphans are left alone for now, although the cluster looks whole.
func doubtCases() []*scene {
	rolls := func(o *obs) { o.Around.Deploying = new(true) }
	flaps := well("unstable for long", "It has been unstable for twice as long as it would have to be stable.").looks(27).
		policy(func(s *settings) { s.Stable = policy.Duration(time.Minute) }).each(dead(10)).pages(sessiondrift.CauseUnstable, "no end of it")
	for i := range flaps.Looks {
		flaps.in(i, func(o *obs) { o.Members.StableSince = o.Members.At.Add(-30 * time.Second) })
	}
	return []*scene{
		well("deploy", "The application is being deployed: sessions change their owners.").each(dead(10), rolls).waits(sessiondrift.CauseDeploy, "being deployed").twin(sessiondrift.CauseOrphans),
		well("deploy just over", "It was being deployed in an earlier look.").looks(4).each(dead(10)).in(0, rolls).waits(sessiondrift.CauseDeploy, "15s ago").twin(sessiondrift.CauseOrphans),
		well("deploy over", "That was longer ago than the membership has to stand.").looks(20).policy(func(s *settings) { s.Stable = policy.Duration(time.Minute) }).
			each(dead(10)).in(0, rolls).acts(sessiondrift.CauseOrphans, "quarantine").twin(sessiondrift.CauseDeploy),
		well("deploy two away", "Two nodes are away at once, and the application is being deployed: nobody is called, and nothing is touched.").
			each(member("node-c", func(m *sessions.Member) { m.Since = ago(2 * time.Hour) }), goneFor("node-e", 20*time.Minute), dead(10), rolls).
			waits(sessiondrift.CauseDeploy).twin(sessiondrift.CausePartition),
		well("deploy many", "A tenth of all are overdue, for the same reason.").each(dead(420), rolls).waits(sessiondrift.CauseDeploy).twin(sessiondrift.CauseTooMany),
		well("deploy no quorum", "Most nodes are away: that is no deploy that anybody wants.").each(dead(10), noQuorum, rolls).pages(sessiondrift.CauseNoQuorum).twin(sessiondrift.CauseDeploy),
		well("deploy epoch", "Who is registered has changed in between.").looks(4).each(dead(10)).in(0, epoch(6)).waits(sessiondrift.CauseDeploy, "of epoch 6").twin(sessiondrift.CauseOrphans),
		well("deploy copies", "Copies are on their way while the application is deployed.").each(rolls, dominated(older("u1"))).waits(sessiondrift.CauseDeploy).twin(sessiondrift.CauseDominated),
		well("deploy sync", "So are replicas' contents.").each(rolls, differs(sessions.Behind, "u1")).waits(sessiondrift.CauseDeploy).twin(sessiondrift.CauseSlowSync),
		well("unstable", "The owner is gone since five minutes.").each(orphaned("node-d", 10), goneFor("node-d", 5*time.Minute)).
			waits(sessiondrift.CauseUnstable, "before 10m0s have passed").twin(sessiondrift.CauseOrphans),
		well("unstable silent", "node-d is gone for long, and node-c has just fallen silent.").each(dead(10), member("node-c", func(m *sessions.Member) {
			m.State, m.Vouched, m.Since = sessions.Silent, nil, ago(20*time.Second)
		}), member("node-d", func(m *sessions.Member) { m.Since = ago(time.Hour) }), func(o *obs) {
			o.Members.Members = append(o.Members.Members, sessions.Member{Name: "node-f", State: sessions.Alive, Since: ago(time.Hour), Vouched: []string{"node-a"}})
		}).waits(sessiondrift.CauseUnstable, "node-c is silent").twin(sessiondrift.CauseOrphans),
		well("unstable unknown", "The store does not say since when it is stable.").each(dead(10), func(o *obs) {
			o.Members.StableSince = time.Time{}
			for i := range o.Members.Members {
				o.Members.Members[i].Since = time.Time{}
			}
		}, member("node-d", func(m *sessions.Member) { m.Since = time.Time{} })).waits(sessiondrift.CauseUnstable, "does not say since when").twin(sessiondrift.CauseOrphans),
		well("unstable lie", "The store says that it is stable, and a member says when it came.").each(dead(10), member("node-b", func(m *sessions.Member) {
			m.Since = ago(time.Minute)
		})).waits(sessiondrift.CauseUnstable).twin(sessiondrift.CauseOrphans),
		well("unstable copies", "Older copies are not taken away either before it is stable.").each(goneFor("node-d", 5*time.Minute), dominated(older("u1"))).
			waits(sessiondrift.CauseUnstable).twin(sessiondrift.CauseDominated),
		well("unstable sync", "What a replica lacks is sent again all the same: that takes nothing away.").each(goneFor("node-d", 5*time.Minute), differs(sessions.Lost, "u1")).
			acts(sessiondrift.CauseLostOnReplica, "sync").twin(sessiondrift.CauseUnstable),
		well("unstable replica down", "While it is waited for, a replica that is down is not kept from people.").each(orphaned("node-d", 10), goneFor("node-d", 5*time.Minute),
			replica("replica1", func(r *sessions.Replica) { r.State, r.Known = "down", false })).pages(sessiondrift.CauseReplicaDown, "replica1 is down").twin(sessiondrift.CauseUnstable),
		well("unstable for a minute", "It takes minutes, which is known: nobody is called yet.").looks(14).each(orphaned("node-d", 10), goneFor("node-d", 5*time.Minute)).
			waits(sessiondrift.CauseUnstable).twin(sessiondrift.CauseOrphans),
		flaps,
	}
}

func epoch(n uint64) func(*obs) { return func(o *obs) { o.Members.Epoch = n } }

// unknownCases are those in which too little is known.
func unknownCases() []*scene {
	dumb := func(o *obs) {
		for i := range o.Members.Members {
			o.Members.Members[i].Vouched = nil
		}
	}
	alone := func(o *obs) { o.Members.Members = o.Members.Members[:1]; dumb(o) }
	around := func(change func(*sessiondrift.Around)) func(*obs) { return func(o *obs) { change(&o.Around) } }
	doubtful := func(name, note, said string, change func(*sessiondrift.Around)) *scene {
		return well("not measured "+name, note).each(dead(10), around(change)).waits(sessiondrift.CauseNotMeasured, said).twin(sessiondrift.CauseOrphans)
	}
	return []*scene{
		well("one view", "node-a is the only node that is registered: nobody else says anything.").each(alone, orphaned("node-d", 10)).pages(sessiondrift.CauseOneView, "node-a alone").twin(sessiondrift.CauseOrphans),
		well("one view dumb", "Three nodes are alive, and none says whom it hears: the owner is given up by its lease alone.").each(dead(10), dumb).
			pages(sessiondrift.CauseOneView, "0 of 4").twin(sessiondrift.CauseOrphans),
		well("one view two of four", "Two of four say whom they hear.").each(dead(10), dumb, member("node-a", func(m *sessions.Member) { m.Vouched = []string{"node-b"} }),
			member("node-b", func(m *sessions.Member) { m.Vouched = []string{"node-a"} }), member("node-c", func(m *sessions.Member) { m.Vouched = []string{"node-a"} })).
			pages(sessiondrift.CauseOneView, "2 of 4").twin(sessiondrift.CauseOrphans),
		well("two views", "Two registered nodes hear each other, and the owner is no longer registered.").each(orphaned("node-d", 10), func(o *obs) {
			o.Members.Members = o.Members.Members[:2]
		}, member("node-a", func(m *sessions.Member) { m.Vouched = []string{"node-b"} }), member("node-b", func(m *sessions.Member) { m.Vouched = []string{"node-a"} })).
			acts(sessiondrift.CauseOrphans, "quarantine").twin(sessiondrift.CauseOneView),
		well("no epoch", "The membership has no epoch.").each(dead(10), epoch(0)).each(func(o *obs) {
			for i := range o.Orphans.Oldest {
				o.Orphans.Oldest[i].Epoch = 0
			}
		}).pages(sessiondrift.CauseNoEpoch).twin(sessiondrift.CauseOrphans),
		well("no epoch sync", "Nothing is sent without one either.").each(epoch(0), differs(sessions.Lost, "u1")).pages(sessiondrift.CauseNoEpoch).twin(sessiondrift.CauseLostOnReplica),
		well("no epoch sessions", "The membership has epochs, and the sessions do not.").each(dead(10), func(o *obs) {
			for i := range o.Orphans.Oldest {
				o.Orphans.Oldest[i].Epoch = 0
			}
		}).pages(sessiondrift.CauseNoEpoch, "None of them").twin(sessiondrift.CauseOrphans),
		well("no epoch healthy", "Without epochs nothing is wrong either.").each(epoch(0)).wants(sessiondrift.CauseHealthy, "false_positive").twin(sessiondrift.CauseNoEpoch),
		doubtful("partition", "Whether there is a partition is asked for and not known.", "a partition is not known", func(a *sessiondrift.Around) { a.PartitionProblem = "503" }),
		doubtful("deploying", "Whether there is a deploy is not known.", "503", func(a *sessiondrift.Around) { a.Deploying, a.DeployingProblem = nil, "503" }),
		doubtful("deploying nothing", "Nothing was said about a deploy.", "nothing was said", func(a *sessiondrift.Around) { a.Deploying = nil }),
		doubtful("not found", "How many miss their session is not known.", "503", func(a *sessiondrift.Around) { a.NotFound, a.NotFoundProblem = nil, "503" }),
		doubtful("orphans before", "How many orphans there were is not known.", "503", func(a *sessiondrift.Around) { a.OrphansBefore, a.OrphansBeforeProblem = nil, "503" }),
		well("not measured for long", "Prometheus is down for a minute.").looks(14).each(dead(10), around(func(a *sessiondrift.Around) { a.PartitionProblem = "503" })).
			pages(sessiondrift.CauseNotMeasured, "no end of it"),
		well("not measured scan", "There are more sessions than were read.").each(dead(10), func(o *obs) { o.Orphans.Complete = false }).
			pages(sessiondrift.CauseNotMeasured, "only 4200").twin(sessiondrift.CauseOrphans),
		well("not measured contradiction", "More orphans are listed than counted.").each(dead(10), func(o *obs) { o.Orphans.Count = 4 }).
			pages(sessiondrift.CauseNotMeasured, "contradicts itself").twin(sessiondrift.CauseOrphans),
		well("not measured unreadable", "A tenth of what is there are no sessions.").each(dead(10), func(o *obs) { o.Orphans.Unreadable = 467 }).
			pages(sessiondrift.CauseNotMeasured, "467 of 4667").twin(sessiondrift.CauseOrphans),
	}
}

// orphanCases are true orphans, and those that are none.
func orphanCases() []*scene {
	big := func(n int) func(*obs) { return func(o *obs) { o.Members.Total, o.Orphans.Read = n, n } }
	change := func(from, until int, change func(*sessions.Session)) func(*obs) {
		return func(o *obs) {
			for i := from; i < until; i++ {
				change(&o.Orphans.Oldest[i])
			}
		}
	}
	touched := func(s *sessions.Session) { s.Version = s.Version.Next("") }
	fresh := func(s *sessions.Session) { s.LeaseUntil = ago(61 * time.Second) }
	alive := member("node-d", func(m *sessions.Member) { m.State, m.Vouched = sessions.Alive, []string{"node-a"} })
	slow := func(o *obs) { o.Members.TTL = sessions.Seconds(5 * time.Minute) }
	return []*scene{
		well("orphans", "Ten sessions of a node that is gone.").each(dead(10)).acts(sessiondrift.CauseOrphans, "quarantine", "10 sessions are orphans", "node-d", "no alert tells of a partition"),
		well("orphans 1 in 100", "Of 130 as many as 1 in 100 of all are taken.").each(dead(130), func(o *obs) { o.Around.OrphansBefore = new(130.0) }).
			acts(sessiondrift.CauseOrphans, "quarantine", "The 42 oldest are"),
		well("orphans 50", "Of many never more than 50.").each(dead(290), big(6000), func(o *obs) { o.Around.OrphansBefore = new(290.0) }).
			acts(sessiondrift.CauseOrphans, "quarantine", "The 50 oldest are"),
		well("orphans 3", "The policy lets one action take three.").each(dead(10)).policy(func(s *settings) { s.MaxSessions = 3 }).acts(sessiondrift.CauseOrphans, "quarantine", "at most 3"),
		well("orphans 1", "Of thirty sessions one at most.").each(dead(1), big(30)).acts(sessiondrift.CauseOrphans, "quarantine", "1 session is an orphan"),
		well("orphans of nobody", "Their owner is not registered any more.").each(orphaned("node-x", 10)).acts(sessiondrift.CauseOrphans, "quarantine", "node-x"),
		well("orphans unasked", "The policy names no alert of a partition: that is said.").each(dead(10), func(o *obs) { o.Around = sessiondrift.Around{} }).
			policy(func(s *settings) { s.Asks = &[]string{} }).acts(sessiondrift.CauseOrphans, "quarantine", "the policy names no alert"),
		well("orphans forbidden", "The policy allows nothing.").each(dead(10)).allow().pages(sessiondrift.CauseOrphans, "fix.allow (add quarantine), or add recover").twin(sessiondrift.CauseOrphans),
		well("orphans some touched", "Four of ten were written between the looks: their owner is not dead.").each(dead(10)).in(-1, change(0, 4, touched)).pages(sessiondrift.CausePartition, "Sessions of node-d were written").twin(sessiondrift.CauseOrphans),
		well("orphans touched", "All of them were written: somebody serves them.").each(dead(10)).in(-1, change(0, 10, touched)).pages(sessiondrift.CausePartition, "Sessions of node-d were written").twin(sessiondrift.CauseOrphans),
		well("orphans touched for long", "They are written all the time.").looks(4).each(dead(10)).pages(sessiondrift.CausePartition).twin(sessiondrift.CauseOrphans).growing(),
		well("orphans touched long ago", "One was written three minutes ago, before a pause.").looks(4).each(dead(10)).in(0, change(0, 1, touched)).later(1, 3*time.Minute).
			pages(sessiondrift.CausePartition).twin(sessiondrift.CauseOrphans),
		well("orphans new", "They came with the last look.").in(-1, dead(10)).in(0, gone("node-d")).waits(sessiondrift.CauseUndecided).twin(sessiondrift.CauseOrphans),
		well("orphans fresh", "Their leases have been over for twice their length for a second: more will come.").each(dead(10), change(0, 10, fresh)).
			waits(sessiondrift.CauseOrphans, "within the last minute").twin(sessiondrift.CauseOrphans),
		well("orphans some fresh", "Three of ten are that fresh.").each(dead(10), change(7, 10, fresh)).acts(sessiondrift.CauseOrphans, "quarantine", "The 7 oldest are"),
		well("orphans alive", "The look calls them orphans, and their owner is alive.").each(dead(10), alive).waits(sessiondrift.CauseUndecided).twin(sessiondrift.CauseOrphans),
		well("orphans of a newer epoch", "They were taken in an epoch that this membership does not know.").each(dead(10), change(0, 10, func(s *sessions.Session) { s.Epoch = 8 })).
			waits(sessiondrift.CauseUndecided).twin(sessiondrift.CauseOrphans),
		well("orphans quarantined", "They are in quarantine already.").each(dead(10), change(0, 10, func(s *sessions.Session) { s.Quarantined = &sessions.Quarantined{Action: "x"} })).
			waits(sessiondrift.CauseUndecided).twin(sessiondrift.CauseOrphans),
		well("orphans leased", "Their leases are not over for twice their length, whatever the look says.").each(dead(10), change(0, 10, func(s *sessions.Session) { s.LeaseUntil = ago(50 * time.Second) })).
			waits(sessiondrift.CauseUndecided).twin(sessiondrift.CauseOrphans),
		well("orphans unnamed", "They are counted and not listed.").each(dead(10), func(o *obs) { o.Orphans.Oldest = nil }).waits(sessiondrift.CauseUndecided, "none is named").twin(sessiondrift.CauseOrphans),
		well("orphans uncounted", "The store counts no sessions.").each(dead(10), func(o *obs) { o.Members.Total = 0 }).waits(sessiondrift.CauseUndecided, "counts no session").twin(sessiondrift.CauseOrphans),
		well("recover", "The policy allows recover: it is asked for before anything is taken away.").each(dead(10)).allow("quarantine", "recover").
			acts(sessiondrift.CauseRecoverable, "recover", "given to node-a", "if a person consents"),
		well("recover fewest", "node-b is overdue with the fewest.").each(dead(10), func(o *obs) { o.Orphans.ByOwner = map[string]int{"node-d": 10, "node-a": 2, "node-c": 1} }).allow("recover").
			acts(sessiondrift.CauseRecoverable, "recover", "given to node-b"),
		well("recover named", "The policy names who gets them.").each(dead(10)).allow("recover").policy(func(s *settings) { s.RecoverTo = "node-c" }).acts(sessiondrift.CauseRecoverable, "recover", "given to node-c"),
		well("recover to the dead", "Who the policy names is gone.").each(dead(10)).allow("quarantine", "recover").policy(func(s *settings) { s.RecoverTo = "node-d" }).
			pages(sessiondrift.CauseRecoverable, "not alive").twin(sessiondrift.CauseRecoverable),
		well("recover 4", "Critical ones come first.").each(dead(90)).allow("recover").policy(func(s *settings) { s.MaxSessions = 1 }).acts(sessiondrift.CauseRecoverable, "recover", "4 sessions would be"),
		well("recover unseen", "With leases of five minutes nobody could see in ten whether they are renewed.").each(dead(10), slow).allow("recover").
			policy(func(s *settings) { s.TTL = policy.Duration(5 * time.Minute) }).pages(sessiondrift.CauseRecoverable, "verify_within above 15m5s").twin(sessiondrift.CauseRecoverable),
		well("recover touched", "One of them was written: somebody serves it.").each(dead(10)).allow("recover").in(0, change(0, 1, touched)).pages(sessiondrift.CausePartition).twin(sessiondrift.CauseRecoverable),
	}
}

// growing makes each look's orphans newer than those of the look before.
func (c *scene) growing() *scene {
	for i := range c.Looks {
		for n := range c.Looks[i].Seen.Orphans.Oldest {
			c.Looks[i].Seen.Orphans.Oldest[n].Version = sessions.Counter(uint64(100*i + n + 1))
		}
	}
	return c
}
