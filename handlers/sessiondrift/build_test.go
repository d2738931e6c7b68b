package sessiondrift_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/handlers/sessiondrift"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/sessions"
)

type obs = sessiondrift.Observation

const (
	ttl = 30 * time.Second
	// every is the time between two looks.
	every = 5 * time.Second
)

// t0 is when the first look of every scene is made.
func t0() time.Time { return time.Date(2026, 3, 2, 3, 0, 2, 0, time.UTC) }

// ago is a time before the first look.
func ago(d time.Duration) time.Time { return t0().Add(-d) }

// scene is a snapshot while it is built. Without anything else it is the store webshop in two looks at which all is well.
type scene struct{ snapshot }

func well(name, note string) *scene {
	c := &scene{snapshot{Name: name, Note: note}}
	c.Alerts = []alerts.Alert{{Fingerprint: "a1b2c3d4e5f60718", Status: alerts.Firing, StartsAt: ago(5 * time.Minute),
		Labels: map[string]string{"alertname": "OrphanedSessionsDetected", "store": "webshop"}}}
	return c.looks(2)
}

// looks makes the scene n looks long, every apart; all is well in each.
func (c *scene) looks(n int) *scene {
	c.Looks = nil
	for i := range n {
		c.Looks = append(c.Looks, look{At: t0().Add(time.Duration(i) * every)})
	}
	for i := range c.Looks {
		c.Looks[i].Seen = whole(c.Looks[i].At)
	}
	return c
}

// whole is a look at a store with three nodes, two replicas and 4200 sessions, in which nothing is wrong.
func whole(at time.Time) obs {
	var o obs
	o.Members.Membership = sessions.Membership{Epoch: 7, Quorum: true, StableSince: ago(time.Hour), At: at.Add(3 * time.Millisecond),
		TTL: sessions.Seconds(ttl), Total: 4200}
	for _, name := range []string{"node-a", "node-b", "node-c"} {
		m := sessions.Member{Name: name, State: sessions.Alive, Since: ago(time.Hour)}
		for _, other := range []string{"node-a", "node-b", "node-c"} {
			if other != name {
				m.Vouched = append(m.Vouched, other)
			}
		}
		o.Members.Members = append(o.Members.Members, m)
	}
	cut := sessions.Cut{History: "h1", Position: 1000}
	o.Replicas.Cut, o.Replicas.At = cut, o.Members.At
	o.Contents.Cut = cut
	for _, name := range []string{"replica1", "replica2"} {
		o.Replicas.Replicas = append(o.Replicas.Replicas, sessions.Replica{Name: name, State: "online", Known: true, LagSeconds: 0.2, LastContact: o.Members.At})
		o.Contents.Replicas = append(o.Contents.Replicas, sessiondrift.Compared{Name: name})
	}
	o.Orphans = sessiondrift.Orphans{Read: 4200, Complete: true}
	o.Around = sessiondrift.Around{Deploying: new(bool), NotFound: new(0.2), OrphansBefore: new(0.0)}
	o.Clock = sessiondrift.Clock{Offset: 0.003, Within: 0.001}
	return o
}

// each changes all looks alike; in only the look with that number, from the end if it is negative.
func (c *scene) each(changes ...func(*obs)) *scene {
	for i := range c.Looks {
		c.in(i, changes...)
	}
	return c
}

func (c *scene) in(i int, changes ...func(*obs)) *scene {
	if i < 0 {
		i += len(c.Looks)
	}
	for _, change := range changes {
		change(&c.Looks[i].Seen)
	}
	return c
}

func (c *scene) policy(change func(*settings)) *scene {
	change(&c.Policy)
	return c
}

func (c *scene) allow(fixes ...string) *scene {
	return c.policy(func(s *settings) { s.Allow = new(append([]string{}, fixes...)) })
}

func (c *scene) twin(of sessiondrift.Cause) *scene {
	c.TwinOf = string(of)
	return c
}

func (c *scene) wants(cause sessiondrift.Cause, v incidents.Verdict, contains ...string) *scene {
	c.Want = want{Cause: string(cause), Verdict: v, Contains: contains}
	return c
}

func (c *scene) pages(cause sessiondrift.Cause, contains ...string) *scene {
	return c.wants(cause, incidents.Page, contains...)
}

func (c *scene) waits(cause sessiondrift.Cause, contains ...string) *scene {
	return c.wants(cause, incidents.Wait, contains...)
}

func (c *scene) acts(cause sessiondrift.Cause, fix string, contains ...string) *scene {
	c.wants(cause, incidents.Act, contains...)
	c.Want.Fix, c.Want.Node, c.Want.Remediation = fix, "sessions", "sessions"
	return c
}

// applied says that the looks so far were before a change, and adds n looks after it at which all is well.
func (c *scene) applied(fix string, params any, n int) *scene {
	text, err := json.Marshal(params)
	if err != nil {
		panic(err)
	}
	last := c.Looks[len(c.Looks)-1].At
	c.Step = &stood{Fix: fix, Params: text, Since: last.Add(2 * time.Second), Until: last.Add(2*time.Second + 10*time.Minute)}
	for i := range n {
		at := last.Add(time.Duration(i+1) * every)
		c.Looks = append(c.Looks, look{At: at, Seen: whole(at)})
	}
	return c
}

// after changes the looks since the change.
func (c *scene) after(changes ...func(*obs)) *scene {
	for i, l := range c.Looks {
		if l.At.After(c.Step.Since) {
			c.in(i, changes...)
		}
	}
	return c
}

func (c *scene) effect(e incidents.Effect, contains ...string) *scene {
	c.Want = want{Effect: e, Contains: contains}
	return c
}

// What happens to a look.

// ofNode are sessions of an owner, the one whose lease ended first at the front.
func ofNode(owner string, n int) []sessions.Session {
	var list []sessions.Session
	for i := range n {
		list = append(list, sessions.Session{Key: sessions.Key{ID: fmt.Sprintf("s%03d", i)}, Owner: owner, Epoch: 6, Version: sessions.Counter(uint64(i + 3)),
			LeaseUntil: ago(16*time.Minute - time.Duration(i)*100*time.Millisecond), Priority: sessions.Priorities()[3-i%4]})
	}
	return list
}

// gone adds a member that has been gone for 15 minutes.
func gone(name string) func(*obs) { return goneFor(name, 15*time.Minute) }

func goneFor(name string, d time.Duration) func(*obs) {
	return func(o *obs) {
		o.Members.Members = append(o.Members.Members, sessions.Member{Name: name, State: sessions.Gone, Since: ago(d), Vouched: []string{}})
		o.Members.StableSince = ago(d)
	}
}

// orphaned makes n orphans of an owner, which is not added to the members.
func orphaned(owner string, n int) func(*obs) {
	return func(o *obs) {
		list := ofNode(owner, n)
		o.Orphans.Expired, o.Orphans.Count, o.Orphans.Owners = n, n, 1
		o.Orphans.ByOwner, o.Orphans.ByPriority = map[string]int{owner: n}, map[sessions.Priority]int{}
		for _, s := range list {
			o.Orphans.ByPriority[s.Priority]++
		}
		o.Orphans.Oldest = list[:min(n, 200)]
	}
}

// dead is node-d, gone for long, with n orphans.
func dead(n int) func(*obs) {
	return func(o *obs) {
		gone("node-d")(o)
		orphaned("node-d", n)(o)
	}
}

// member changes one member.
func member(name string, change func(*sessions.Member)) func(*obs) {
	return func(o *obs) {
		for i := range o.Members.Members {
			if o.Members.Members[i].Name == name {
				change(&o.Members.Members[i])
			}
		}
	}
}

// noQuorum is the same as the small side of a partition sees it: nobody is gone for it, and there are no orphans, however many are overdue.
func noQuorum(o *obs) {
	o.Members.Quorum = false
	for i := range o.Members.Members {
		if m := &o.Members.Members[i]; m.Name != "node-a" {
			m.State, m.Since = sessions.Silent, ago(12*time.Minute)
		}
		o.Members.Members[i].Vouched = nil
	}
	o.Orphans.Count, o.Orphans.Oldest, o.Orphans.ByPriority = 0, nil, nil
}

// replica changes one replica's position, contents its contents.
func replica(name string, change func(*sessions.Replica)) func(*obs) {
	return func(o *obs) {
		for i := range o.Replicas.Replicas {
			if o.Replicas.Replicas[i].Name == name {
				change(&o.Replicas.Replicas[i])
			}
		}
	}
}

func late(by float64) func(*obs) {
	return replica("replica2", func(r *sessions.Replica) { r.LagSeconds, r.LagUnits = by, uint64(by*100) })
}

// differs adds differences of replica1, all of one kind.
func differs(kind sessions.Drift, ids ...string) func(*obs) {
	return func(o *obs) {
		c := &o.Contents.Replicas[0]
		c.Buckets, c.Examined = c.Buckets+1, c.Examined+1
		for _, id := range ids {
			s := sessions.Session{Key: sessions.Key{ID: id}, Owner: "node-a", Epoch: 7, Version: sessions.Version{"node-a": 4}, LeaseUntil: ago(-time.Minute),
				Priority: sessions.Normal}
			d := sessions.Difference{Key: s.Key, Drift: kind, Primary: s, Replica: s}
			switch kind {
			case sessions.Lost:
				d.Replica = sessions.Session{}
			case sessions.Surplus:
				d.Primary = sessions.Session{}
			case sessions.Behind:
				d.Replica.Version = sessions.Version{"node-a": 3}
			case sessions.Ahead:
				d.Replica.Version = sessions.Version{"node-a": 5}
			case sessions.Apart:
				d.Replica.Version = sessions.Version{"node-b": 1}
			case sessions.OtherOwner:
				d.Replica.Owner = "node-b"
			}
			c.Differences = append(c.Differences, d)
		}
	}
}

// copies is one session with a copy at node-a and one at each further version.
func copies(id string, versions ...sessions.Version) []sessions.Session {
	var list []sessions.Session
	for i, v := range versions {
		name := "node-" + string(rune('a'+i))
		list = append(list, sessions.Session{Key: sessions.Key{ID: id, Copy: name}, Owner: name, Epoch: 7, Version: v, LeaseUntil: ago(-time.Minute),
			Priority: sessions.Normal})
	}
	return list
}

// older is a session of which node-b holds an older copy, apart one of which the copies are concurrent.
func older(id string) []sessions.Session {
	return copies(id, sessions.Version{"node-a": 3}, sessions.Version{"node-a": 2})
}

func apart(id string) []sessions.Session {
	return copies(id, sessions.Version{"node-a": 3}, sessions.Version{"node-a": 2, "node-b": 1})
}

func dominated(groups ...[]sessions.Session) func(*obs) {
	return func(o *obs) { o.Copies.Dominated = slices.Clone(groups) }
}

func concurrent(groups ...[]sessions.Session) func(*obs) {
	return func(o *obs) { o.Copies.Concurrent = slices.Clone(groups) }
}

func notFound(rate float64) func(*obs) { return func(o *obs) { o.Around.NotFound = &rate } }

// nothing is a look at which nothing at all could be read.
func nothing(o *obs) { *o = obs{Problem: "no answer within 5s"} }

// scenes are all that are written to testdata/snapshots.
func scenes(t *testing.T) []snapshot {
	t.Helper()
	var all []snapshot
	for _, list := range [][]*scene{lookingCases(), shakenCases(), clockCases(), doubtCases(), unknownCases(), orphanCases(), driftedCases(), olderCases(), replicaCases(), judgeTakenCases(), judgeOtherCases()} {
		for _, c := range list {
			c.Name = strings.ReplaceAll(c.Name, " ", "-")
			all = append(all, c.snapshot)
		}
	}
	return all
}
