package sessiondrift_test

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/sessiondrift"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// spoil changes some things of a record, in all looks or in one: holes, jumps in time, and all that keeps a change from being made.
func spoil(r *rand.Rand, c *think.Case[sessiondrift.Observation]) {
	all := slices.Concat(changes(), otherChanges())
	for range r.IntN(3) {
		change := all[r.IntN(len(all))]
		seed, only := r.Uint64(), -1
		if len(c.Before) > 0 && r.IntN(2) == 0 {
			only = r.IntN(len(c.Before))
		}
		for i := range c.Before {
			if only < 0 || only == i {
				change(rand.New(rand.NewPCG(seed, 5)), &c.Before[i].Seen)
			}
		}
	}
	n := len(c.Before)
	switch {
	case n > 0 && r.IntN(10) == 0:
		c.Before = append(c.Before[:r.IntN(n):n], c.Before[r.IntN(n):]...)
	case n > 0 && r.IntN(10) == 0:
		c.Before[r.IntN(n)].At = c.Now.Add(time.Duration(r.IntN(200)-100) * time.Second)
	case r.IntN(10) == 0:
		c.Now = c.Now.Add(time.Duration(r.IntN(120)-20) * time.Second)
	}
	if r.IntN(3) == 0 {
		texts := []string{`{"sessions":[{"id":"s000","owner":"node-d","version":3}]}`, `{"ids":["u1"]}`, `{`, ``}
		c.Step = &think.Stood{Fix: []string{"sync", "quarantine", "reconcile", "set_aside", "recover", "?"}[r.IntN(6)], Params: []byte(texts[r.IntN(4)]),
			Since: c.Now.Add(-time.Duration(r.IntN(60)) * time.Second), Until: c.Now.Add(time.Duration(r.IntN(60)-30) * time.Second)}
		c.After = append(c.After, c.Before...)
	}
}

// changes are the ways in which the members and the listed sessions of a look are spoiled. Given the same numbers they do the same to each.
func changes() []func(*rand.Rand, *obs) {
	member := func(change func(*rand.Rand, *obs, *sessions.Member)) func(*rand.Rand, *obs) {
		return func(r *rand.Rand, o *obs) {
			if n := len(o.Members.Members); n > 0 {
				change(r, o, &o.Members.Members[r.IntN(n)])
			}
		}
	}
	listed := func(change func(*rand.Rand, *sessions.Session)) func(*rand.Rand, *obs) {
		return func(r *rand.Rand, o *obs) {
			for _, list := range append(append([][]sessions.Session{o.Orphans.Oldest}, o.Copies.Dominated...), o.Copies.Concurrent...) {
				for i := range list {
					if r.IntN(2) == 0 {
						change(r, &list[i])
					}
				}
			}
		}
	}
	return []func(*rand.Rand, *obs){
		func(_ *rand.Rand, o *obs) { *o = obs{} },
		func(_ *rand.Rand, o *obs) { *o = obs{Problem: "no answer"} },
		func(_ *rand.Rand, o *obs) { o.Members.Quorum = !o.Members.Quorum },
		func(r *rand.Rand, o *obs) { o.Members.Epoch = r.Uint64N(3) + 6 },
		func(r *rand.Rand, o *obs) { o.Members.Total = []int{-1, 0, 1, 99, 150, 4200, 100_000}[r.IntN(7)] },
		func(r *rand.Rand, o *obs) {
			o.Members.StableSince = o.Members.At.Add(-time.Duration(r.IntN(1500)-50) * time.Second)
		},
		func(r *rand.Rand, o *obs) {
			o.Members.At = o.Members.At.Add(time.Duration(r.IntN(240)-120) * time.Second)
		},
		func(r *rand.Rand, o *obs) {
			o.Members.TTL = sessions.Seconds(r.IntN(120)) * sessions.Seconds(time.Second)
		},
		member(func(r *rand.Rand, _ *obs, m *sessions.Member) {
			m.State = []sessions.State{sessions.Alive, sessions.Silent, sessions.Gone, "?"}[r.IntN(4)]
		}),
		member(func(r *rand.Rand, o *obs, m *sessions.Member) {
			m.Vouched = [][]string{nil, {"node-a"}, {"node-b", "node-c"}}[r.IntN(3)]
		}),
		member(func(r *rand.Rand, o *obs, m *sessions.Member) {
			m.Since = o.Members.At.Add(-time.Duration(r.IntN(1500)-50) * time.Second)
		}),
		member(func(r *rand.Rand, o *obs, m *sessions.Member) {
			m.Name = []string{"node-d", "node-x", "", "node-a"}[r.IntN(4)]
		}),
		func(r *rand.Rand, o *obs) { o.Members.Members = o.Members.Members[:r.IntN(len(o.Members.Members)+1)] },
		listed(func(_ *rand.Rand, s *sessions.Session) { s.Version = s.Version.Next("node-c") }),
		listed(func(r *rand.Rand, s *sessions.Session) { s.Epoch = r.Uint64N(9) }),
		listed(func(r *rand.Rand, s *sessions.Session) {
			s.LeaseUntil = s.LeaseUntil.Add(time.Duration(r.IntN(20)) * time.Minute)
		}),
		listed(func(r *rand.Rand, s *sessions.Session) {
			s.Owner = []string{"node-a", "node-x", "", "node-d"}[r.IntN(4)]
		}),
		listed(func(_ *rand.Rand, s *sessions.Session) { s.Quarantined = &sessions.Quarantined{Action: "a"} }),
		listed(func(_ *rand.Rand, s *sessions.Session) { s.ID = "s001" }),
	}
}

// otherChanges are those of what was found, and of what goes on around.
func otherChanges() []func(*rand.Rand, *obs) {
	return []func(*rand.Rand, *obs){
		func(r *rand.Rand, o *obs) { o.Orphans.Expired = r.IntN(400) - 10 },
		func(r *rand.Rand, o *obs) { o.Orphans.Count = r.IntN(400) - 10 },
		func(r *rand.Rand, o *obs) { o.Orphans.Read, o.Orphans.Complete = r.IntN(9000), r.IntN(2) == 0 },
		func(_ *rand.Rand, o *obs) { o.Orphans.Problem = "503" },
		func(r *rand.Rand, o *obs) { dead(r.IntN(250))(o) },
		func(_ *rand.Rand, o *obs) { o.Copies.Problem = "503" },
		func(_ *rand.Rand, o *obs) { dominated(older("u1"), older("u2"), apart("u3"))(o) },
		func(r *rand.Rand, o *obs) { concurrent(apart("u1"), older("u2"))(o) },
		func(r *rand.Rand, o *obs) {
			if len(o.Contents.Replicas) > 0 {
				kinds := []sessions.Drift{sessions.Lost, sessions.Behind, sessions.Ahead, sessions.Apart, sessions.OtherOwner, sessions.Surplus}
				differs(kinds[r.IntN(len(kinds))], "u1", "u7")(o)
			}
		},
		func(_ *rand.Rand, o *obs) { o.Contents = sessiondrift.Contents{Problem: "503"} },
		func(r *rand.Rand, o *obs) { late(float64(r.IntN(60)))(o) },
		func(_ *rand.Rand, o *obs) { o.Around.Partition = []string{"P"} },
		func(_ *rand.Rand, o *obs) { o.Around.PartitionProblem = "503" },
		func(r *rand.Rand, o *obs) { o.Around.Deploying = []*bool{nil, new(true), new(false)}[r.IntN(3)] },
		func(r *rand.Rand, o *obs) { o.Around.NotFound = []*float64{nil, new(-3.0), new(1e9)}[r.IntN(3)] },
		func(r *rand.Rand, o *obs) {
			o.Around.OrphansBefore = []*float64{nil, new(-3.0), new(1.0), new(1e9)}[r.IntN(4)]
		},
		func(_ *rand.Rand, o *obs) { o.Around.OrphansBeforeProblem = "503" },
		func(r *rand.Rand, o *obs) {
			o.Clock = sessiondrift.Clock{Offset: r.Float64()*4 - 2, Within: r.Float64() - 0.2}
		},
	}
}
