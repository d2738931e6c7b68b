package poolexhaustion

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"
	"time"
)

// queue is one place where clients wait for a connection: a database at a pooler, or the pool inside of an application.
type queue struct {
	pooler string
	db     *Database // nil for an application
	app    *App      // nil for a database
	// waiting clients, and how long the first of them has; an application does not say how long.
	waiting float64
	maxWait Seconds
	// busy are connections that a client has, idle those that nobody has, open all that there are, size how many there may be.
	busy, idle, open, size float64
	// logins are connections that are being made.
	logins int
}

// queuesOf are all queues of a look that could be read, in the order of the policy.
func queuesOf(o Observation) []queue {
	var all []queue
	for i := range o.Poolers {
		p := &o.Poolers[i]
		for j := range p.Databases {
			all = append(all, queueOf(p.Name, &p.Databases[j]))
		}
	}
	for i := range o.Apps {
		a := &o.Apps[i]
		if a.Problem == "" && finite(a.Waiting) && finite(a.Busy) && finite(a.Size) {
			all = append(all, queue{app: a, waiting: a.Waiting, busy: a.Busy, open: a.Size, size: a.Size, idle: max(0, a.Size-a.Busy)})
		}
	}
	return all
}

// queueOf adds the pools of all users up.
func queueOf(pooler string, d *Database) queue {
	q := queue{pooler: pooler, db: d, size: float64(max(1, len(d.Pools)) * d.Size)}
	for _, p := range d.Pools {
		q.waiting += float64(p.Waiting)
		q.maxWait = max(q.maxWait, p.MaxWait)
		q.busy += float64(p.ServersActive)
		q.idle += float64(p.ServersIdle)
		q.open += float64(p.servers())
		q.logins += p.ServersLogin
	}
	return q
}

// servers are all connections of a pool to the server.
func (p Pool) servers() int {
	return p.ServersActive + p.ServersIdle + p.ServersUsed + p.ServersTested + p.ServersLogin
}

// key tells queues apart; name is for people.
func (q queue) key() string {
	if q.app != nil {
		return "app/" + q.app.Name
	}
	return q.pooler + "/" + q.db.Name
}

func (q queue) name() string {
	if q.app != nil {
		return "the pool of " + q.app.Name
	}
	return q.db.Name + " on " + q.pooler
}

// words are the numbers of a queue for people.
func (q queue) words() string {
	text := counted(whole(q.waiting), "client waits", "clients wait")
	if q.app == nil && q.waiting > 0 {
		text += ", the first of them for " + seconds(float64(q.maxWait))
	}
	return text + words("; %.0f of %.0f connections are in use", q.busy, q.size)
}

// knocks says that clients wait while the pooler has no session at the server, and tries to get one.
func (q queue) knocks() bool {
	return q.app == nil && q.waiting > 0 && q.logins > 0 && q.open == float64(q.logins)
}

// backend is the database's name at the server; "" for an application, which may use any.
func (q queue) backend() string {
	if q.app != nil {
		return ""
	}
	return cmp.Or(q.db.Backend, q.db.Name)
}

// waits says that there is a fault: enough clients wait, and the first of them for long enough.
func (h *Handler) waits(q queue) bool {
	t := h.thresholds
	return q.waiting >= float64(t.Waiting) && (q.app != nil || time.Duration(float64(q.maxWait)*float64(time.Second)) >= t.MaxWait.D())
}

// waiting are the queues of a look in which clients wait.
func (h *Handler) waiting(s sight) []queue {
	var all []queue
	for _, q := range s.queues {
		if h.waits(q) {
			all = append(all, q)
		}
	}
	return all
}

// queued adds clients that wait up; longest is how long the first of them all has.
func queued(all []queue) float64 {
	n := 0.0
	for _, q := range all {
		n += q.waiting
	}
	return n
}

func longest(all []queue) Seconds {
	var most Seconds
	for _, q := range all {
		most = max(most, q.maxWait)
	}
	return most
}

// worst is the queue that is decided on: of those in which clients waited in both looks the longest, in powers of four, so that two which are
// about equal do not take turns, then the first in the order of the policy. Nil if there is none.
func (r deciding) worst(p pair) *queue {
	all := slices.DeleteFunc(r.waiting(p.last), func(q queue) bool {
		before := p.first.find(q.key())
		return before == nil || !r.waits(*before)
	})
	if len(all) == 0 {
		return nil
	}
	slices.SortStableFunc(all, func(a, b queue) int {
		return cmp.Compare(bits.Len(uint(whole(b.waiting)))/2, bits.Len(uint(whole(a.waiting)))/2)
	})
	return &all[0]
}

// busy says that the server works on about as many statements as the pools in which clients wait can hand it: a larger pool would only let
// more of them compete.
func (r deciding) busy(s sight) bool {
	inUse := 0.0
	for _, q := range r.waiting(s) {
		inUse += q.busy
	}
	return inUse > 0 && float64(s.seen.Server.Running) >= r.thresholds.BusyShare*inUse
}

// nearlyFull says that more of the server's connections are used than the policy lets all pools take.
func (r deciding) nearlyFull(s sight) bool {
	server := s.seen.Server
	return server.Usable > 0 && float64(server.Used) > r.thresholds.UsableShare*float64(server.Usable)
}

// lockedInside says that half or more of what the waiting pools have out waits inside of PostgreSQL.
func (r deciding) lockedInside(s sight) bool {
	server, inUse := s.seen.Server, 0.0
	for _, q := range r.waiting(s) {
		inUse += q.busy
	}
	return 2*float64(server.LockWaiting+server.SyncRep) >= inUse && server.LockWaiting+server.SyncRep > 0
}

// conflict says in words what two sources do not agree on about a queue, in any of the two looks; "" if they do. Nothing is decided on such a
// picture: one of the two is wrong, or they were not read at the same time.
func (r deciding) conflict(p pair, q *queue) string {
	before := p.first.find(q.key())
	if before == nil {
		return "it was not there before"
	}
	if why := r.conflictIn(p.last, q); why != "" {
		return why
	}
	return r.conflictIn(p.first, before)
}

func (r deciding) conflictIn(s sight, q *queue) string {
	server, inUse := s.seen.Server, 0.0
	for _, other := range s.queues {
		if r.waits(other) {
			inUse += other.busy
		}
	}
	switch {
	case inUse > float64(server.Used):
		return words("the pools have %.0f sessions in use, and PostgreSQL knows of %d in all: they may be another server's", inUse, server.Used)
	case q.app != nil && q.size > 0 && q.busy < inUseOf*q.size:
		return words("callers wait, and only %.0f of %.0f connections are in use", q.busy, q.size)
	case q.app != nil:
		return ""
	}
	for _, pool := range q.db.Pools {
		if pool.Waiting == 0 {
			continue
		}
		switch free := pool.ServersIdle + pool.ServersUsed; {
		case free > 0:
			return words("clients of %s wait, and %s free", pool.User, counted(free, "session is", "sessions are"))
		case pool.servers() < q.db.Size && (q.db.MaxConnections <= 0 || q.db.Connections < q.db.MaxConnections):
			return words("clients of %s wait, and PgBouncer has opened only %d of %d sessions", pool.User, pool.servers(), q.db.Size)
		}
	}
	return ""
}

// inUseOf is the share of an application's connections that must be in use for its pool to be exhausted: its three numbers are not read
// at the same moment by everyone who adds them up.
const inUseOf = 0.9

// clientsWords are the kinds of clients that there are most of.
func clientsWords(all []Clients, most int) string {
	var list []string
	for i, c := range all {
		if i == most {
			break
		}
		text := words("%d of %s at %s", c.Count, c.User, c.Database)
		if c.App != "" {
			text += " (" + c.App + ")"
		}
		if c.Addr != "" {
			text += " from " + c.Addr
		}
		list = append(list, text)
	}
	return strings.Join(list, ", ")
}
