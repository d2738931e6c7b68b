package poolexhaustion

import "github.com/firebreak-sre/firebreak/incidents"

// considered are the causes that a look is held against, in the order of the rules, and what is done about each.
func considered() []incidents.Other {
	return []incidents.Other{
		{Name: string(CausePaused), Why: "page or " + fixResume},
		{Name: string(CauseServerFull), Why: "page"},
		{Name: string(CauseServerDown), Why: "page"},
		{Name: string(CauseSyncStandbyGone), Why: "page"},
		{Name: string(CausePreparedTransaction), Why: "page"},
		{Name: string(CauseLockConvoy), Why: fixEndBlocker},
		{Name: string(CauseLeak), Why: fixEndLeaked},
		{Name: string(CauseClientStorm), Why: "page"},
		{Name: string(CauseRecovering), Why: "wait"},
		{Name: string(CauseOverload), Why: "page"},
		{Name: string(CausePoolTooSmall), Why: fixGrowPool},
	}
}

// ruleWords is the rule of a cause, with the policy's limits in it; "" for causes that are no rule's.
func (r deciding) ruleWords(c Cause) string {
	t := r.thresholds
	switch c {
	case CauseTwoPrimaries:
		return "more than one node takes writes → page, touch nothing"
	case CauseNoPrimary:
		return "all nodes are in recovery → page, touch nothing"
	case CausePaused:
		return words("a database is paused or disabled → page; resume, by a person's consent, if it is paused and %d or more wait for %s", t.Waiting, t.MaxWait)
	case CauseServerFull:
		return words("no connection slot is left for us, or clients wait and the pooler cannot log in while all are used, or more than %s are used → page, never a larger pool",
			percent(t.UsableShare))
	case CauseServerDown:
		return "PostgreSQL refuses everybody, or clients wait and the pooler has no session and tries to log in → page, never a larger pool"
	case CauseSyncStandbyGone:
		return "commits wait for a synchronous standby, fewer stream than synchronous_standby_names asks for, and the commits become no fewer → page"
	case CausePreparedTransaction:
		return words("a prepared transaction is the root of waiting, or is older than %s → page", t.LeakAge)
	case CauseLockConvoy:
		return words("%d or more wait behind one session, in two looks → end_blocker if it may be ended", t.Victims)
	case CauseLeak:
		return words("a transaction has done nothing for longer than %s, or %g times the p99 of its database's if that is more → end_leaked, %d at most",
			t.LeakAge, t.LeakFactor, mostSessions)
	case CauseClientStorm:
		return words("%s of max_client_conn or more are connected → page", percent(t.ClientShare))
	case CauseOverload:
		return words("%d or more wait for %s, and PostgreSQL runs %s or more of the pools' busy sessions → page, never a larger pool",
			t.Waiting, t.MaxWait, percent(t.BusyShare))
	case CausePoolTooSmall:
		return words("%d or more wait for %s, PostgreSQL runs less than %s of the pools' busy sessions, and %s of its connections are free → grow_pool, below %s over all pools",
			t.Waiting, t.MaxWait, percent(t.BusyShare), percent(t.Headroom), percent(t.UsableShare))
	case CauseRecovering:
		return words("%s or less of those who waited still do, no longer than before, and transactions end → wait", percent(shrinks))
	case CauseHealthy:
		return words("fewer than %d wait, or for less than %s, and nothing is held → false positive", t.Waiting, t.MaxWait)
	case CauseGathering, CauseProbeUnknown, CauseUndecided:
	}
	return ""
}

// others are the rules that did not hold, each with the number that was in the way.
func (r deciding) others(chosen Cause, f finding) []incidents.Other {
	if len(r.sights) == 0 || r.newest().trouble != "" && r.newest().trouble != CausePaused {
		return nil
	}
	var out []incidents.Other
	for _, o := range considered() {
		c := Cause(o.Name)
		if c == chosen {
			continue
		}
		if why := r.whyNot(c, r.newest(), f); why != "" {
			out = append(out, incidents.Other{Name: o.Name + " → " + o.Why, Why: why})
		}
	}
	return out
}

// whyNot is what keeps a rule from holding; "" where nothing of its own does, but a rule before it.
func (r deciding) whyNot(c Cause, s sight, f finding) string {
	server, waiting := s.seen.Server, r.waiting(s)
	if server.Problem != "" && c != CausePaused {
		return "the server could not be read: " + server.Problem
	}
	switch c {
	case CausePaused:
		return r.notPaused(s)
	case CauseServerFull:
		if !r.nearlyFull(s) {
			return words("%d of %d connections are used", server.Used, server.Usable)
		}
	case CauseServerDown:
		return words("PostgreSQL answers, and has %d sessions", server.Used)
	case CauseSyncStandbyGone:
		if missing(server) <= 0 {
			return words("%d synchronous standbys stream, and %d must", server.SyncStandbys, wanted(server.SyncNames))
		}
		return words("%s for one", counted(server.SyncRep, "commit waits", "commits wait"))
	case CausePreparedTransaction:
		return words("%s, and nobody is known to wait for one", counted(len(server.Prepared), "transaction is prepared", "transactions are prepared"))
	case CauseLockConvoy:
		return r.noConvoy(s)
	case CauseLeak:
		return r.noLeak(s)
	case CauseClientStorm:
		return r.noStorm(s)
	case CauseRecovering, CauseOverload, CausePoolTooSmall:
		if len(waiting) == 0 {
			return "nobody waits"
		}
		return r.notOfSize(c, s, waiting, f)
	}
	return ""
}

func (r deciding) notPaused(s sight) string {
	for _, q := range s.queues {
		if q.db != nil && q.db.Disabled {
			return words("%s is disabled, but nobody waits for it, and others wait elsewhere", q.name())
		}
	}
	return "no database is paused or disabled"
}

func (r deciding) noConvoy(s sight) string {
	server, most := s.seen.Server, 0
	for _, b := range server.Blockers {
		most = max(most, b.Victims)
	}
	switch {
	case !s.blockersKnown():
		return "who blocks whom could not be found out: " + server.BlockersProblem
	case most >= r.thresholds.Victims:
		return words("%d wait behind one, but not behind the same transaction in both looks", most)
	}
	return words("%d wait for locks, at most %d behind one; %d would be a convoy", server.LockWaiting, most, r.thresholds.Victims)
}

func (r deciding) noLeak(s sight) string {
	oldest, found := Session{}, false
	for _, x := range s.seen.Server.Sessions {
		if x.idleInTransaction() && (!found || min(x.XactAge, x.StateAge) > min(oldest.XactAge, oldest.StateAge)) {
			oldest, found = x, true
		}
	}
	if !found {
		return "no session is idle in a transaction"
	}
	limit, _ := r.leakLimit(s, oldest.Database)
	if age := float64(min(oldest.XactAge, oldest.StateAge)); age <= limit {
		return words("the oldest that does nothing in its transaction does so for %s; more than %s would be a leak", seconds(age), seconds(limit))
	}
	return words("pid %d of %s does nothing for %s, but it is of no pool for which clients wait, or began it since the look before",
		oldest.PID, oldest.User, seconds(float64(min(oldest.XactAge, oldest.StateAge))))
}

func (r deciding) noStorm(s sight) string {
	for i := range s.seen.Poolers {
		if p := &s.seen.Poolers[i]; p.Problem == "" && !r.stormed(p) {
			return words("%s has %d clients; from %s of %s on it would be too many", p.Name, p.ClientsTotal, percent(r.thresholds.ClientShare), p.Config["max_client_conn"])
		}
	}
	return ""
}

// notOfSize is for the rules about the pool itself.
func (r deciding) notOfSize(c Cause, s sight, waiting []queue, f finding) string {
	server, inUse := s.seen.Server, 0.0
	for _, q := range waiting {
		inUse += q.busy
	}
	switch {
	case c == CauseRecovering:
		return words("%.0f wait now, which is not %s or less of those before, or no transaction ends", queued(waiting), percent(shrinks))
	case c == CauseOverload && !r.busy(s):
		return words("the server runs %d statements, and the pools have %.0f sessions in use; from %s on it would be the database",
			server.Running, inUse, percent(r.thresholds.BusyShare))
	case c == CausePoolTooSmall && r.busy(s):
		return words("the server runs %d statements for the %.0f sessions that the pools have in use: it has no room", server.Running, inUse)
	case c == CausePoolTooSmall && f.cause == CauseUndecided && f.why != "":
		return f.why
	}
	return ""
}
