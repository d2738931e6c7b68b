package poolexhaustion_test

import (
	"math/rand/v2"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/poolexhaustion"
	"github.com/firebreak-sre/firebreak/handlers/think"
)

// spoil changes some things of a record, in all looks or in one: holes, jumps in time, and all that keeps a change from being made.
func spoil(r *rand.Rand, c *think.Case[poolexhaustion.Observation]) {
	for range r.IntN(4) {
		change := changes()[r.IntN(len(changes()))]
		seed := r.Uint64()
		only := -1
		if len(c.Before) > 0 && r.IntN(3) == 0 {
			only = r.IntN(len(c.Before))
		}
		for _, looks := range [][]look{c.Before, c.After} {
			for i := range looks {
				if only < 0 || only == i {
					change(rand.New(rand.NewPCG(seed, 5)), &looks[i].Seen)
				}
			}
		}
	}
	switch n := len(c.Before); {
	case n > 0 && r.IntN(8) == 0:
		c.Before = append(c.Before[:r.IntN(n):n], c.Before[r.IntN(n):]...)
	case n > 0 && r.IntN(8) == 0:
		c.Before[r.IntN(n)].At = c.Now.Add(time.Duration(r.IntN(200)-100) * time.Second)
	case r.IntN(8) == 0:
		c.Now = c.Now.Add(time.Duration(r.IntN(120)-20) * time.Second)
	}
	if r.IntN(3) == 0 {
		c.Step = &think.Stood{Fix: []string{"end_leaked", "end_blocker", "grow_pool", "resume", "?"}[r.IntN(5)],
			Since: c.Now.Add(-time.Duration(r.IntN(60)) * time.Second), Until: c.Now.Add(time.Duration(r.IntN(60)-30) * time.Second)}
		if n := len(c.Before); n > 2 && r.IntN(2) == 0 {
			c.Before, c.After = c.Before[:n-1], append(c.Before[n-1:n:n], c.After...)
		}
	}
}

// changes are the ways in which one look is spoiled. Given the same numbers they do the same to each.
func changes() []func(*rand.Rand, *poolexhaustion.Observation) {
	session := func(change func(*rand.Rand, *poolexhaustion.Session)) func(*rand.Rand, *poolexhaustion.Observation) {
		return func(r *rand.Rand, o *poolexhaustion.Observation) {
			for i := range o.Server.Sessions {
				if n := r.Uint64(); r.IntN(2) == 0 {
					change(rand.New(rand.NewPCG(n, 3)), &o.Server.Sessions[i])
				}
			}
		}
	}
	database := func(change func(*rand.Rand, *poolexhaustion.Database)) func(*rand.Rand, *poolexhaustion.Observation) {
		return func(r *rand.Rand, o *poolexhaustion.Observation) {
			for i := range o.Poolers {
				for j := range o.Poolers[i].Databases {
					if n := r.Uint64(); r.IntN(2) == 0 {
						change(rand.New(rand.NewPCG(n, 3)), &o.Poolers[i].Databases[j])
					}
				}
			}
		}
	}
	server := func(change func(*rand.Rand, *poolexhaustion.Server)) func(*rand.Rand, *poolexhaustion.Observation) {
		return func(r *rand.Rand, o *poolexhaustion.Observation) { change(r, &o.Server) }
	}
	return []func(*rand.Rand, *poolexhaustion.Observation){
		session(func(_ *rand.Rand, s *poolexhaustion.Session) { s.Superuser = true }),
		session(func(_ *rand.Rand, s *poolexhaustion.Session) { s.Replication = true }),
		session(func(_ *rand.Rand, s *poolexhaustion.Session) { s.Progress = "CREATE INDEX" }),
		session(func(_ *rand.Rand, s *poolexhaustion.Session) { s.WaitEventType, s.WaitEvent = "IPC", "SyncRep" }),
		session(func(_ *rand.Rand, s *poolexhaustion.Session) { s.ApplicationName = "pg_dump" }),
		session(func(_ *rand.Rand, s *poolexhaustion.Session) { s.BackendType = "walsender" }),
		session(func(_ *rand.Rand, s *poolexhaustion.Session) { s.User = "batch" }),
		session(func(r *rand.Rand, s *poolexhaustion.Session) {
			s.State = []string{"active", "idle", "idle in transaction"}[r.IntN(3)]
		}),
		session(func(r *rand.Rand, s *poolexhaustion.Session) { s.StateAge = poolexhaustion.Seconds(r.IntN(600)) }),
		session(func(r *rand.Rand, s *poolexhaustion.Session) { s.PID = r.IntN(3) - 1 }),
		session(func(r *rand.Rand, s *poolexhaustion.Session) {
			s.XactStart = s.XactStart.Add(time.Duration(r.IntN(5)) * time.Second)
		}),
		database(func(_ *rand.Rand, d *poolexhaustion.Database) { d.Paused = true }),
		database(func(_ *rand.Rand, d *poolexhaustion.Database) { d.Disabled = true }),
		database(func(r *rand.Rand, d *poolexhaustion.Database) { d.Size = r.IntN(60) - 1 }),
		database(func(r *rand.Rand, d *poolexhaustion.Database) {
			d.Reserve, d.MaxConnections = r.IntN(3)*4, r.IntN(3)*15
		}),
		database(func(r *rand.Rand, d *poolexhaustion.Database) {
			d.Totals.Transactions = r.Int64N(1e6)
			d.Totals.XactTime *= 50
		}),
		database(func(r *rand.Rand, d *poolexhaustion.Database) {
			d.Pools = append(d.Pools, poolexhaustion.Pool{User: "other", ServersActive: r.IntN(20)})
		}),
		database(func(r *rand.Rand, d *poolexhaustion.Database) {
			for i := range d.Pools {
				d.Pools[i].Waiting, d.Pools[i].MaxWait = r.IntN(30), poolexhaustion.Seconds(r.Float64()*4)
				d.Pools[i].ServersActive, d.Pools[i].ServersLogin = r.IntN(2*d.Size+5), r.IntN(5)/4
			}
		}),
		server(func(_ *rand.Rand, s *poolexhaustion.Server) { s.Hidden = true }),
		server(func(_ *rand.Rand, s *poolexhaustion.Server) { s.Primaries = []string{"pg1", "pg2"} }),
		server(func(_ *rand.Rand, s *poolexhaustion.Server) { s.Problem, s.Full = "it is full", true }),
		server(func(_ *rand.Rand, s *poolexhaustion.Server) {
			s.Problem, s.Unread = "connection refused", []string{"pg1"}
		}),
		server(func(_ *rand.Rand, s *poolexhaustion.Server) { s.SystemIdentifier = "" }),
		server(func(r *rand.Rand, s *poolexhaustion.Server) { s.Used, s.Usable = r.IntN(110), r.IntN(2000) }),
		server(func(r *rand.Rand, s *poolexhaustion.Server) { s.Used = r.IntN(100) }),
		server(func(r *rand.Rand, s *poolexhaustion.Server) { s.Running, s.LockWaiting = r.IntN(25), r.IntN(5) }),
		server(func(r *rand.Rand, s *poolexhaustion.Server) {
			s.SyncNames, s.SyncRep, s.SyncStandbys = "ANY 2 (a, b)", r.IntN(4), r.IntN(3)
		}),
		server(func(r *rand.Rand, s *poolexhaustion.Server) {
			s.Blockers = []poolexhaustion.Blocker{{PID: r.IntN(2) * 7201, Victims: r.IntN(9)}}
		}),
		server(func(_ *rand.Rand, s *poolexhaustion.Server) { s.Blockers, s.BlockersProblem = nil, "left out" }),
		func(r *rand.Rand, o *poolexhaustion.Observation) {
			if len(o.Poolers) > 0 {
				p := &o.Poolers[r.IntN(len(o.Poolers))]
				*p = poolexhaustion.Pooler{Name: p.Name, Problem: "no answer within 5s"}
			}
		},
		func(r *rand.Rand, o *poolexhaustion.Observation) {
			o.Apps = append(o.Apps, poolexhaustion.App{Name: []string{"checkout", "other"}[r.IntN(2)],
				Waiting: float64(r.IntN(9)), Busy: float64(r.IntN(40)), Size: []float64{-3, 20, 20.5, 1e12}[r.IntN(4)]})
		},
		func(_ *rand.Rand, o *poolexhaustion.Observation) { *o = poolexhaustion.Observation{} },
	}
}
