package sessiondrift_test

import (
	"time"

	"github.com/firebreak-sre/firebreak/handlers/sessiondrift"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/policy"
)

// Params as the steps have them.
type named map[string]any

func takenFrom(n int) named { return named{"epoch": 7, "total": 4200, "sessions": ofNode("node-d", n)} }

func given(n int) named {
	return named{"epoch": 7, "to": "node-a", "sessions": ofNode("node-d", n)}
}

func sent(ids ...string) named { return named{"epoch": 7, "ids": ids} }

func set(groups ...[]sessions.Session) named {
	var all []sessions.Session
	for _, g := range groups {
		all = append(all, g...)
	}
	return named{"epoch": 7, "sessions": all}
}

// hold makes what must hold shorter, so that fewer looks show it.
func hold(d time.Duration) func(*settings) {
	return func(s *settings) { s.HoldFor = policy.Duration(d) }
}

// judgeTakenCases are about what was quarantined. Ten looks after it span 45 seconds.
func judgeTakenCases() []*scene {
	after := func(name, note string, n int) *scene {
		return well("judge quarantine "+name, note).policy(hold(20*time.Second)).each(dead(10)).applied("quarantine", takenFrom(10), n).after(gone("node-d"))
	}
	alive := member("node-d", func(m *sessions.Member) { m.State, m.Since = sessions.Alive, ago(0) })
	heard := member("node-d", func(m *sessions.Member) { m.State, m.Vouched = sessions.Silent, []string{"node-c"} })
	alert := func(o *obs) { o.Around.Partition = []string{"NetworkPartitionSuspected"} }
	late := after("no effect", "They are listed still when the time is over.", 3).after(orphaned("node-d", 10)).effect(incidents.NoEffect, "10 of 10 are still listed")
	late.Step.Until = late.Looks[4].At
	stale := after("stale", "The newest look is two minutes old.", 6).effect(incidents.Pending, "2m0s old")
	stale.Now = stale.Looks[7].At.Add(2 * time.Minute)
	lost := after("no settings", "What was taken cannot be told.", 6).effect(incidents.Pending, "settings")
	lost.Step.Params = []byte(`{"epoch":7}`)
	other := after("unknown fix", "A fix that is not known here.", 6).effect(incidents.Pending, `"purge"`)
	other.Step.Fix = "purge"
	return []*scene{
		after("improved", "None is listed any more, and for twenty seconds nobody missed one.", 6).effect(incidents.Improved, "none of the 10", "for 25s"),
		after("too early", "Nobody has missed one for ten seconds only.", 3).effect(incidents.Pending, "for 10s"),
		after("default hold", "Without another word it takes two minutes.", 10).policy(hold(0)).effect(incidents.Pending, "2m0s are enough"),
		after("no look", "No look was made since.", 0).effect(incidents.Pending, "no look"),
		after("listed", "Some are listed still.", 6).after(orphaned("node-d", 4)).effect(incidents.Pending, "4 of 10 are still listed"),
		after("others listed", "Others are orphans now.", 6).after(orphaned("node-x", 7)).effect(incidents.Improved),
		after("cut short", "More are orphans than are listed, and these come before all that were taken: they could be among the rest.", 6).after(func(o *obs) {
			orphaned("node-x", 10)(o)
			for i := range o.Orphans.Oldest {
				o.Orphans.Oldest[i].LeaseUntil = ago(time.Hour)
			}
			o.Orphans.Count, o.Orphans.Expired = 60, 60
		}).effect(incidents.Pending, "not known"),
		after("not scanned", "The sessions could not be listed.", 6).after(func(o *obs) { o.Orphans = sessiondrift.Orphans{Problem: "503"} }).effect(incidents.Pending, "not known"),
		after("alive", "The owner is back in the last look: it may serve them.", 6).in(-1, alive).effect(incidents.Worse, "node-d is alive again"),
		after("alive at last", "It is back after nobody missed anything for long.", 10).in(-1, alive).effect(incidents.Worse),
		after("heard", "Another node hears from the owner.", 6).in(-1, heard).effect(incidents.Worse, "node-c still hears"),
		after("written", "Others of the owner's sessions are written: it lives.", 6).after(orphaned("node-d", 60), func(o *obs) { o.Orphans.Oldest = o.Orphans.Oldest[10:] }).
			in(-1, func(o *obs) { o.Orphans.Oldest[3].Version = sessions.Counter(900) }).effect(incidents.Worse, "sessions of node-d are written"),
		after("no quorum", "The quorum is gone in two looks: these may have been somebody's.", 6).in(-1, noQuorum).in(-2, noQuorum).effect(incidents.Worse, "other side"),
		after("no quorum once", "In one look only.", 6).in(-1, noQuorum).effect(incidents.Pending, "cannot be used"),
		after("partition", "An alert of a partition fires.", 6).in(-1, alert).in(-2, alert).effect(incidents.Worse, "NetworkPartitionSuspected"),
		after("missed", "More clients miss their session.", 6).in(-1, notFound(0.5)).in(-2, notFound(0.5)).effect(incidents.Worse, "0.50 requests/s"),
		after("missed once", "They did in one look: twenty seconds begin anew.", 6).in(-2, notFound(0.5)).effect(incidents.Pending, "for 0s"),
		after("missed as before", "As many as before miss theirs.", 6).in(0, notFound(3)).after(notFound(3.5)).effect(incidents.Improved),
		after("missed unknown", "How many do is asked for, and not known.", 6).after(func(o *obs) { o.Around.NotFound, o.Around.NotFoundProblem = nil, "503" }).effect(incidents.Pending),
		after("missed unasked", "It is not asked: the time alone has to pass, and that is said.", 6).policy(func(s *settings) { s.Asks = &[]string{"partition"} }).
			after(func(o *obs) { o.Around = sessiondrift.Around{} }).effect(incidents.Improved, "is not asked"),
		after("unreadable", "The store cannot be read.", 6).in(-1, nothing).effect(incidents.Pending, "no answer"),
		after("gap", "Three minutes passed between two looks: what was before does not count.", 6).later(5, 3*time.Minute).effect(incidents.Pending, "for 10s"),
		late, stale, lost, other,
	}
}

// later moves the looks from that number on.
func (c *scene) later(i int, by time.Duration) *scene {
	for ; i < len(c.Looks); i++ {
		c.Looks[i].At = c.Looks[i].At.Add(by)
		c.Looks[i].Seen.Members.At = c.Looks[i].Seen.Members.At.Add(by)
	}
	return c
}

// judgeOtherCases are about all other fixes.
func judgeOtherCases() []*scene {
	recovered := func(name, note string, n int) *scene {
		return well("judge recover "+name, note).policy(hold(20*time.Second)).allow("recover").each(dead(10)).applied("recover", given(10), n).after(gone("node-d"), func(o *obs) {
			for _, name := range []string{"node-e", "node-f"} {
				o.Members.Members = append(o.Members.Members, sessions.Member{Name: name, State: sessions.Alive, Since: ago(time.Hour), Vouched: []string{"node-b"}})
			}
		})
	}
	synced := func(name, note string, n int) *scene {
		return well("judge sync "+name, note).each(differs(sessions.Lost, "u1", "u2")).applied("sync", sent("u1", "u2"), n)
	}
	reconciled := func(name, note string) *scene {
		return well("judge reconcile "+name, note).policy(hold(20*time.Second)).each(dominated(older("u1"))).applied("reconcile", set(older("u1")), 6)
	}
	aside := func(name, note string) *scene {
		return well("judge set aside "+name, note).policy(hold(20*time.Second)).each(concurrent(apart("u1"))).applied("set_aside", set(apart("u1")), 6)
	}
	over := synced("no effect", "The replica lacks one when the time is over.", 3).after(differs(sessions.Lost, "u2")).effect(incidents.NoEffect, "still lacks")
	over.Step.Until = over.Looks[4].At
	return []*scene{
		recovered("improved", "None is an orphan, and after three lengths of a lease node-a is not overdue with them.", 21).effect(incidents.Improved, "node-a renews them"),
		recovered("too early", "After a minute nobody can see whether they are renewed.", 12).effect(incidents.Pending, "can be seen 1m35s after"),
		recovered("not renewed", "node-a is overdue with them.", 21).in(-1, func(o *obs) {
			o.Orphans.Expired, o.Orphans.Owners, o.Orphans.ByOwner = 10, 1, map[string]int{"node-a": 10}
		}).
			effect(incidents.Pending, "does not renew"),
		recovered("orphans", "They are orphans of node-d still.", 21).after(orphaned("node-d", 10)).effect(incidents.Pending, "10 of 10 are still orphans"),
		recovered("part", "It was cut short: six were not come to, and node-a serves the others.", 21).after(orphaned("node-d", 6)).effect(incidents.Improved, "4 of 10 are no orphans any more"),
		recovered("alive", "The old owner is back.", 21).in(-1, member("node-d", func(m *sessions.Member) { m.State = sessions.Alive })).effect(incidents.Worse, "node-d is alive again"),
		recovered("heir gone", "The new owner is gone itself.", 21).in(-1, member("node-a", func(m *sessions.Member) { m.State, m.Since, m.Vouched = sessions.Gone, ago(-30*time.Second), nil })).
			effect(incidents.Worse, "gone itself"),
		recovered("heir silent", "The new owner is silent.", 21).in(-1, member("node-a", func(m *sessions.Member) { m.State, m.Since, m.Vouched = sessions.Silent, ago(-80*time.Second), nil })).
			effect(incidents.Pending, "not alive"),
		synced("improved", "All replicas hold them in two looks.", 3).effect(incidents.Improved, "2 sessions that were sent"),
		synced("once", "They hold them in one look.", 1).effect(incidents.Pending, "one look only"),
		synced("lacks", "One is still missing.", 3).after(differs(sessions.Lost, "u2")).effect(incidents.Pending, "still lacks"),
		synced("lacks others", "Another one is missing: that is another matter.", 3).after(differs(sessions.Lost, "u9")).effect(incidents.Improved),
		synced("lag", "They hold them, and one is far behind.", 3).after(late(30)).effect(incidents.Pending, "replica2"),
		synced("unexamined", "More parts differ than were looked into.", 3).after(func(o *obs) { o.Contents.Replicas[0].Buckets = 5 }).effect(incidents.Pending, "only 0"),
		synced("unread", "What one replica holds is not known.", 3).after(func(o *obs) { o.Contents.Replicas[1].Problem = "503" }).effect(incidents.Pending, "503"),
		synced("ahead", "A replica turns out to be ahead with one of them.", 3).after(differs(sessions.Ahead, "u1")).effect(incidents.Worse, "u1 on replica1 is ahead"),
		synced("partition", "A partition shows: what was sent takes nothing away.", 3).after(func(o *obs) { o.Around.Partition = []string{"P"} }).effect(incidents.Pending, "cannot be used"),
		over,
		reconciled("improved", "No copies differ any more.").effect(incidents.Improved, "no copies of them differ"),
		reconciled("differ", "They differ still.").after(dominated(older("u1"))).effect(incidents.Pending, "u1"),
		reconciled("owner alive", "The owner of the older copy is alive, as it was before.").effect(incidents.Improved),
		reconciled("more", "There are more groups than are named.").after(func(o *obs) { o.Copies.More = true }).effect(incidents.Pending, "not known"),
		reconciled("missed", "More clients miss their session.").after(notFound(9)).effect(incidents.Worse, "9.00 requests/s"),
		reconciled("partition", "An alert of a partition fires.").after(func(o *obs) { o.Around.Partition = []string{"P"} }).effect(incidents.Worse),
		aside("improved", "Both copies are gone.").effect(incidents.Improved),
		aside("there", "They are there still.").after(concurrent(apart("u1"))).effect(incidents.Pending, "u1"),
		aside("unread", "Copies cannot be compared.").after(func(o *obs) { o.Copies.Problem = "503" }).effect(incidents.Pending, "503"),
	}
}
