package poolexhaustion

import "strings"

// Cause is why clients wait, or what looks like it. The set is closed.
type Cause string

// The causes that are about looking at all, and about the cluster as a whole. Only a pause is acted on, and only with a person's consent.
const (
	CauseGathering    Cause = "gathering"     // there are not enough looks yet
	CauseProbeUnknown Cause = "probe_unknown" // what decides could not be read: nothing is known, nothing is touched
	CauseTwoPrimaries Cause = "two_primaries" // two nodes take writes: nothing here may be touched by a machine
	CauseNoPrimary    Cause = "no_primary"    // all nodes are in recovery: a failover is under way, or is needed
	CausePaused       Cause = "paused"        // somebody paused or disabled a database of a pooler
	CauseServerFull   Cause = "server_full"   // the server has no connection left, or hardly any
	CauseServerDown   Cause = "server_down"   // the server lets nobody in
	CauseHealthy      Cause = "healthy"       // nobody waits, and nothing is held
	CauseRecovering   Cause = "recovering"    // the queue gets shorter by itself
	CauseUndecided    Cause = "undecided"     // none of the rules holds, or two sources tell different stories
)

// The causes of waiting, in the order of decision-table 2.2, which is the order in which they are looked for.
const (
	CauseSyncStandbyGone     Cause = "sync_standby_gone"    // commits wait for a synchronous standby that is not there
	CausePreparedTransaction Cause = "prepared_transaction" // a prepared transaction holds what others wait for
	CauseLockConvoy          Cause = "lock_convoy"          // many wait for one session
	CauseLeak                Cause = "leak"                 // sessions sit idle in a transaction
	CauseClientStorm         Cause = "client_storm"         // there are nearly as many clients as the pooler takes
	CauseOverload            Cause = "overload"             // the pool works: the database itself is the limit
	CausePoolTooSmall        Cause = "pool_too_small"       // the server has room, and the pool does not let the clients use it
)

// The fixes, as the policy names them in fix.allow.
const (
	fixEndLeaked  = "end_leaked"
	fixEndBlocker = "end_blocker"
	fixGrowPool   = "grow_pool"
	fixResume     = "resume"
)

// finding is what one pair of looks says.
type finding struct {
	cause Cause
	// why says in words what was found, where the cause alone does not.
	why string
	// queue is the one that the finding is about; nil: none in particular.
	queue *queue
	// root is the session that others wait for, with its victims; roots is how many there are of the kind.
	root    *Session
	victims int
	roots   int
	// ends are the sessions that would be ended, the oldest transaction first, and more how many there are beyond what one action may end.
	// spared may not be ended, and keeps says what keeps the first of them.
	ends, spared []Session
	more         int
	keeps        string
}

// same says that two findings are the same cause at the same place.
func (f finding) same(g finding) bool {
	switch {
	case f.cause != g.cause:
		return false
	case f.queue != nil && g.queue != nil && f.queue.key() != g.queue.key():
		return false
	case f.root != nil && g.root != nil && !f.root.same(*g.root):
		return false
	}
	return true
}

// classify is the first row of decision-table 2.2 that two looks in a row satisfy. What is said of a session or of a queue was so in both.
func (r deciding) classify(p pair) finding {
	for _, rule := range []func(pair) (finding, bool){
		r.cannotLogIn, r.syncStandbyGone, r.preparedRoot, r.lockConvoy, r.leak, r.clientStorm,
	} {
		if f, ok := rule(p); ok {
			return f
		}
	}
	if f, ok := r.changing(p); ok {
		return f
	}
	if q := r.worst(p); q != nil {
		return r.classifyQueue(p, q)
	}
	return r.classifyCalm(p)
}

// classifyQueue is for a queue that stands while nothing is known that holds its servers.
func (r deciding) classifyQueue(p pair, q *queue) finding {
	if why := r.conflict(p, q); why != "" {
		return finding{cause: CauseUndecided, queue: q, why: why}
	}
	if why := r.unsettled(p); why != "" {
		return finding{cause: CauseUndecided, queue: q, why: why}
	}
	before, now := r.busy(p.first), r.busy(p.last)
	s := p.last.seen.Server
	switch {
	case before && now:
		return finding{cause: CauseOverload, queue: q}
	case before != now:
		return finding{cause: CauseUndecided, queue: q,
			why: words("one look says that the database works as much as the pool lets it, and the other that it does not (%d run now)",
				s.Running)}
	case r.nearlyFull(p.first) && r.nearlyFull(p.last):
		return finding{cause: CauseServerFull, queue: q}
	case r.lockedInside(p.last):
		return finding{cause: CauseUndecided, queue: q, why: words("it is no matter of size: %s for locks and %d for a synchronous standby inside of PostgreSQL%s",
			counted(s.LockWaiting, "session waits", "sessions wait"), s.SyncRep, blockersWords(s))}
	case 2*r.stuck(p, q) >= q.busy:
		return finding{cause: CauseUndecided, queue: q, why: words("%.0f of the %.0f sessions in use have done nothing in their transaction since the look before: "+
			"a larger pool would only feed that. They are a leak when they have done nothing for longer than %s", r.stuck(p, q), q.busy, r.thresholds.LeakAge)}
	}
	return finding{cause: CausePoolTooSmall, queue: q}
}

// classifyCalm is for looks in which nobody waits.
func (r deciding) classifyCalm(p pair) finding {
	if why := r.unsettled(p); why != "" {
		return finding{cause: CauseUndecided, why: why}
	}
	before, unread := unreadWords(p.first.seen), unreadWords(p.last.seen)
	switch old := r.oldPrepared(p); {
	case len(old) > 0:
		return finding{cause: CausePreparedTransaction, why: preparedWords(old) + ". Nobody waits for it now; it keeps VACUUM from its work, and what it changed locked"}
	case r.nearlyFull(p.first) && r.nearlyFull(p.last):
		return finding{cause: CauseServerFull}
	case unread != "" && before != "":
		return finding{cause: CauseProbeUnknown, why: "nobody is seen to wait, but these could not be read: " + unread}
	case unread != "":
		return finding{cause: CauseUndecided, why: "nobody is seen to wait, but the last look could not read these: " + unread}
	}
	return finding{cause: CauseHealthy}
}

// unsettled says in words what began with the last look, or is another one in each of them; "" if nothing is. It is no cause yet, and it is
// no health either.
func (r deciding) unsettled(p pair) string {
	s := p.last.seen.Server
	most := 0
	for _, b := range s.Blockers {
		if b.PID == 0 {
			return words("%s for a prepared transaction, since the last look only", counted(b.Victims, "session waits", "sessions wait"))
		}
		most = max(most, b.Victims)
	}
	switch {
	case most >= r.thresholds.Victims:
		return words("%d sessions wait behind one, which is not the same transaction in both looks", most)
	case !p.last.blockersKnown() && s.LockWaiting >= r.thresholds.Victims: // what the look before says of it may be over
		return words("%d sessions wait for locks, and for whom could not be found out: %s", s.LockWaiting, s.BlockersProblem)
	case missing(s) > 0 && s.SyncRep >= 1:
		return words("%s for a synchronous standby that is not there, since the last look only, or fewer than before",
			counted(s.SyncRep, "commit waits", "commits wait"))
	}
	return ""
}

// stuck counts the sessions of a queue's database that are idle in the same transaction in both looks, and did nothing in between.
func (r deciding) stuck(p pair, q *queue) float64 {
	n, between := 0.0, p.last.at.Sub(p.first.at).Seconds()
	for _, s := range p.last.seen.Server.Sessions {
		ofQueue := q.app != nil || s.Database == q.backend()
		if ofQueue && s.idleInTransaction() && p.first.has(s) && float64(s.StateAge) >= between {
			n++
		}
	}
	return n
}

// changing is for a queue that has just begun, or that gets shorter by itself.
func (r deciding) changing(p pair) (finding, bool) {
	before, now := r.waiting(p.first), r.waiting(p.last)
	switch {
	case len(before) == 0 && len(now) > 0:
		return finding{cause: CauseUndecided, queue: &now[0], why: words("clients wait for %s since the last look only", now[0].name())}, true
	case len(before) > 0 && len(now) == 0:
		return finding{cause: CauseRecovering, queue: &before[0], why: words("nobody waits for %s any more", before[0].name())}, true
	case len(before) == 0:
		return finding{}, false
	case r.worst(p) == nil:
		return finding{cause: CauseUndecided, queue: &now[0], why: words("clients wait for %s now, and waited for %s in the look before",
			now[0].name(), before[0].name())}, true
	}
	a, b := queued(before), queued(now)
	rate, known := r.goodput(p.first, p.last)
	if b > shrinks*a || longest(now) > longest(before) || !known || rate.perSecond() <= 0 {
		return finding{}, false
	}
	text := words("the queue gets shorter: %.0f waited and %.0f do now", a, b)
	if head := longest(now); head > 0 {
		text += ", the first of them for " + seconds(float64(head))
	}
	return finding{cause: CauseRecovering, queue: &now[0], why: words("%s, and %.0f transactions/s end", text, rate.perSecond())}, true
}

// shrinks is what is left of a queue at most, from one look to the next, that gets shorter by itself.
const shrinks = 0.8

// cannotLogIn is for a pooler that has clients and gets no session at the server.
func (r deciding) cannotLogIn(p pair) (finding, bool) {
	for _, q := range r.waiting(p.last) {
		before := p.first.find(q.key())
		if before == nil || !q.knocks() || !before.knocks() {
			continue
		}
		cause, s := CauseServerDown, p.last.seen.Server
		if s.Usable > 0 && s.Used >= s.Usable {
			cause = CauseServerFull
		}
		return finding{cause: cause, queue: &q}, true
	}
	return finding{}, false
}

// syncStandbyGone is for commits that wait for a synchronous standby that is not there, and become no fewer.
func (r deciding) syncStandbyGone(p pair) (finding, bool) {
	a, b := p.first.seen.Server, p.last.seen.Server
	if missing(a) > 0 && missing(b) > 0 && a.SyncRep >= 1 && b.SyncRep >= a.SyncRep {
		return finding{cause: CauseSyncStandbyGone}, true
	}
	return finding{}, false
}

// missing is how many synchronous standbys the setting asks for beyond those that stream.
func missing(s Server) int { return wanted(s.SyncNames) - s.SyncStandbys }

// wanted is how many standbys a commit waits for, by synchronous_standby_names: "a, b" is one, "FIRST 2 (a, b)", "ANY 2 (a, b)" and
// "2 (a, b)" are two, and none if it is empty.
func wanted(setting string) int {
	setting = strings.TrimSpace(setting)
	if setting == "" {
		return 0
	}
	head, _, listed := strings.Cut(setting, "(")
	if !listed {
		return 1
	}
	n := 0
	for _, c := range head {
		if c >= '0' && c <= '9' {
			n = min(10*n+int(c-'0'), 1000)
		}
	}
	return max(1, n)
}
