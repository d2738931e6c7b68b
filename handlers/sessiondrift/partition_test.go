package sessiondrift_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/sessiondrift"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/policy"
)

// network is a cluster whose nodes all live, some of them behind a partition from the store and from others. Every session has an owner that
// serves it; those of owners that are cut off look like orphans.
type network struct {
	nodes int
	cut   []bool // by node: it reaches neither the store nor those that are not cut off
	// leaky is a node that is not cut off and hears one that is; -1 if none does.
	leaky int
	since time.Duration // how long ago it was cut, at the first look
}

func (n network) name(i int) string { return fmt.Sprintf("node-%02d", i) }

// seen is the store's membership, made by its own rule.
func (n network) seen(at time.Time) sessions.Membership {
	var all []sessions.Node
	for i := range n.nodes {
		node := sessions.Node{Name: n.name(i), Epoch: 3, Since: ago(3 * time.Hour), LeaseUntil: at.Add(20 * time.Second)}
		if n.cut[i] {
			node.LeaseUntil = ago(n.since).Add(time.Duration(i) * time.Second)
		}
		for j := range n.nodes {
			if i != j && (n.cut[i] == n.cut[j] || n.leaky == i && n.cut[j]) {
				node.Sees = append(node.Sees, n.name(j))
			}
		}
		all = append(all, node)
	}
	m := sessions.Judge(at, ttl, all)
	m.Total = 4200
	return m
}

// look is what a look at the store sees: a hundred sessions, evenly spread, and the rest elsewhere.
func (n network) look(at time.Time) look {
	o := whole(at)
	o.Members.Membership = n.seen(at.Add(3 * time.Millisecond))
	o.Orphans = sessiondrift.Orphans{Read: 4200, Complete: true, ByOwner: map[string]int{}, ByPriority: map[sessions.Priority]int{}}
	for i := range 100 {
		s := sessions.Session{Key: sessions.Key{ID: fmt.Sprintf("s%03d", i)}, Owner: n.name(i % n.nodes), Epoch: 3, Version: sessions.Counter(1),
			LeaseUntil: at.Add(10 * time.Second), Priority: sessions.Normal}
		if n.cut[i%n.nodes] {
			s.LeaseUntil = ago(n.since).Add(time.Duration(i) * 100 * time.Millisecond)
		}
		if o.Members.At.Sub(s.LeaseUntil) > 2*ttl {
			o.Orphans.Expired++
			o.Orphans.ByOwner[s.Owner]++
		}
		if sessions.Orphan(s, o.Members.Membership) {
			o.Orphans.Count++
			o.Orphans.Oldest = append(o.Orphans.Oldest, s)
		}
	}
	o.Orphans.Owners = len(o.Orphans.ByOwner)
	before := float64(o.Orphans.Count)
	o.Around.OrphansBefore = &before
	return look{At: at, Seen: o}
}

// Where nodes live behind a partition nothing of theirs is touched, however long it lasts, if there is any sign of it: the store is on the
// smaller side, more than one node is cut off, or somebody still hears one. A single node that nobody hears, for longer than the membership
// has to be stable, is all that is ever given up: there no sign is left.
func TestPartitionsAreNeverOrphans(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(11, 12))
	h := newHandler(t, settings{Allow: &[]string{"quarantine", "recover", "reconcile", "set_aside", "sync"}})
	plain := newHandler(t, settings{})
	looked, alone := 0, 0
	for range 800 {
		n := network{nodes: 2 + r.IntN(8), leaky: -1, since: time.Duration(r.IntN(7200)) * time.Second}
		n.cut = make([]bool, n.nodes)
		for _, i := range r.Perm(n.nodes)[:r.IntN(n.nodes)] {
			n.cut[i] = r.IntN(2) == 0
		}
		cutOff := 0
		for i, c := range n.cut {
			if c {
				cutOff++
			} else if r.IntN(8) == 0 {
				n.leaky = i
			}
		}
		c := think.Case[sessiondrift.Observation]{Target: think.Target{Name: "webshop", Mode: policy.Auto}}
		for i := range 3 {
			c.Before = append(c.Before, n.look(t0().Add(time.Duration(i)*every)))
		}
		c.Now = c.Before[2].At
		looked += c.Before[2].Seen.Orphans.Count
		for _, h := range []*sessiondrift.Handler{h, plain} {
			d := h.Decide(c)
			if d.Verdict != incidents.Act {
				continue
			}
			if cutOff != 1 || n.leaky >= 0 || n.since < 10*time.Minute-20*time.Second {
				t.Fatalf("%+v: %s of %s (%s)", n, d.Step.Fix, d.Cause, d.Reason)
			}
			alone++
		}
	}
	if looked < 1000 || alone < 20 {
		t.Errorf("only %d sessions looked like orphans, and %d times one node was given up: it shows nothing", looked, alone)
	}
}
