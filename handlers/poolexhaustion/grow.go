package poolexhaustion

import "strconv"

// meansReserve is how a pool grows whose database has a size of its own: default_pool_size does not reach it. Where "means" is empty it
// is default_pool_size.
const meansReserve = "reserve_pool_size"

// growth is a larger pool, or why there is none.
type growth struct {
	from, to int
	// usable is how many sessions all pools of this pooler may have together; means is by which setting.
	usable int
	means  string
	// why says what is in the way; "" if nothing is.
	why string
}

// growPool is the arithmetic of a larger pool at a pooler. From `from` it may go to at most grow_percent more, and
//
//	Σ over all pools of all poolers and applications, grown  ≤  usable_share × usable
//	used + what comes on top                                 ≤  usable_share × usable
//	(usable − used) ÷ usable                                 ≥  headroom
//
// The first is made of sizes only, so that two looks come to the same; the others only say yes or no. The size is one that no person would
// choose, so that it tells ours from theirs: 23, not 25.
func (r deciding) growPool(s sight, q *queue) growth {
	g := growth{from: q.db.Size}
	p := s.pooler(q.pooler)
	if g.why = r.cannotGrow(s); g.why != "" {
		return g
	}
	if g.means, g.why = meansOf(p, q.db); g.why != "" {
		return g
	}
	elsewhere := appSizes(s.seen)
	for i := range s.seen.Poolers {
		if other := &s.seen.Poolers[i]; other.Name != p.Name {
			elsewhere += other.mayTake(g.means, -1, 0)
		}
	}
	ceiling := r.ceiling(s)
	g.usable = ceiling - elsewhere
	most := g.from + g.from*r.cluster.growPercent()/100
	if most == g.from {
		g.why = words("%s of %d is less than one session", percent(float64(r.cluster.growPercent())/100), g.from)
		return g
	}
	if bound := q.db.MaxConnections; bound > 0 {
		most = min(most, bound)
	}
	now := p.mayTake(g.means, -1, 0)
	for most > g.from && p.mayTake(g.means, g.from, most) > g.usable {
		most--
	}
	if bound := q.db.MaxConnections; bound > 0 && bound <= g.from {
		g.why = words("max_db_connections keeps it at %d sessions, so that a larger pool would have no effect", bound)
		return g
	}
	g.fit(most, now+elsewhere, ceiling, s.seen.Server, func(to int) int { return p.mayTake(g.means, g.from, to) - now })
	return g
}

// fit takes the largest size that there is room for, if there is any. all is what all pools may take now, and adds what a size adds to it.
func (g *growth) fit(most, all, ceiling int, server Server, adds func(to int) int) {
	if most <= g.from {
		g.why = words("all pools together may take %d sessions already, and no more than %d of %d may be", all, ceiling, server.Usable)
		return
	}
	to := unusual(g.from, most)
	if server.Used+adds(to) > ceiling {
		g.why = words("%d sessions are used, and with %d more it would be more than %d of %d", server.Used, adds(to), ceiling, server.Usable)
		return
	}
	g.to = to
}

// growApp is the same for the pool of an application. All of its instances are told the same size, so what is read over all of them is
// divided by how many there are.
func (r deciding) growApp(s sight, q *queue, instances int) growth {
	g := growth{}
	size := whole(q.size)
	if g.why = r.cannotGrow(s); g.why != "" {
		return g
	}
	if instances < 1 || size%instances != 0 || float64(size) != q.size {
		g.why = words("%g connections over %s is not a size that one of them has: http.instances must be all of them",
			q.size, counted(instances, "instance", "instances"))
		return g
	}
	g.from = size / instances
	all := appSizes(s.seen)
	for i := range s.seen.Poolers {
		all += s.seen.Poolers[i].mayTake("", -1, 0)
	}
	ceiling := r.ceiling(s)
	most := g.from + g.from*r.cluster.growPercent()/100
	if most == g.from {
		g.why = words("%s of %d is less than one session", percent(float64(r.cluster.growPercent())/100), g.from)
		return g
	}
	for most > g.from && all+(most-g.from)*instances > ceiling {
		most--
	}
	g.fit(most, all, ceiling, s.seen.Server, func(to int) int { return (to - g.from) * instances })
	return g
}

// ceiling is how many of the server's connections all pools may take together.
func (r deciding) ceiling(s sight) int {
	return int(r.thresholds.UsableShare * float64(s.seen.Server.Usable))
}

// cannotGrow says why no pool of the cluster may grow; "" if one may. What could not be read may take any number of sessions.
func (r deciding) cannotGrow(s sight) string {
	server := s.seen.Server
	free := server.Usable - server.Used
	switch unread := unreadWords(s.seen); {
	case unread != "":
		return "how many sessions all pools may take is not known: " + unread
	case server.Usable <= 0:
		return "how many connections the server has is not known"
	case float64(free) < r.thresholds.Headroom*float64(server.Usable):
		return words("only %d of %d connections of the server are free, and %s must be", max(0, free), server.Usable, percent(r.thresholds.Headroom))
	}
	return ""
}

// meansOf says by which setting a database's pools can be made larger while the pooler runs.
func meansOf(p *Pooler, d *Database) (means, why string) {
	usual, err := strconv.Atoi(p.Config["default_pool_size"])
	switch {
	case d.Disabled:
		return "", "it is disabled"
	case d.Size < 1:
		return "", "its size is not known"
	case err != nil:
		return "", "default_pool_size is not known, so it cannot be told which setting its size comes from"
	case d.Size == usual:
		return "", ""
	case d.Reserve == 0:
		return meansReserve, ""
	}
	return "", words("its pool_size of %d is its own (default_pool_size is %d) and it has a reserve of %d: PgBouncer can change neither while it runs",
		d.Size, usual, d.Reserve)
}

// mayTake is how many sessions all pools of a pooler may have together, if the setting went up from one value to the other: it holds for all
// databases that follow it. With from below zero nothing grows.
func (p *Pooler) mayTake(means string, from, to int) int {
	total := 0
	for i := range p.Databases {
		d := &p.Databases[i]
		each := d.Size + d.Reserve
		switch {
		case from < 0:
		case means == meansReserve && d.Reserve == 0:
			each = d.Size + to - from
		case means != meansReserve && d.Size == from:
			each = to + d.Reserve
		}
		all := max(1, len(d.Pools)) * each
		if d.MaxConnections > 0 {
			all = min(all, d.MaxConnections)
		}
		total += all
	}
	return total
}

// appSizes are the connections that all applications' pools may have.
func appSizes(o Observation) int {
	n := 0
	for _, a := range o.Apps {
		n += whole(a.Size)
	}
	return n
}

// unusual is the largest size up to most that is odd and no multiple of five, else most.
func unusual(from, most int) int {
	for n := most; n > from; n-- {
		if n%2 == 1 && n%5 != 0 {
			return n
		}
	}
	return most
}

// pooler is a pooler of the look by its name; nil if it is not there.
func (s sight) pooler(name string) *Pooler {
	for i := range s.seen.Poolers {
		if s.seen.Poolers[i].Name == name {
			return &s.seen.Poolers[i]
		}
	}
	return nil
}
