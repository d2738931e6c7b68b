package poolexhaustion

import (
	"cmp"
	"slices"
	"strings"
)

// preparedRoot is for others that wait for a prepared transaction, which no session holds: it is nobody's to end but its coordinator's.
func (r deciding) preparedRoot(p pair) (finding, bool) {
	source, other, known := p.whoBlocks()
	root := source.blocker(0)
	if !known || root == nil || other.blockersKnown() && other.blocker(0) == nil {
		return finding{}, false
	}
	text := "the server does not say which"
	if all := p.last.seen.Server.Prepared; len(all) > 0 {
		text = preparedWords(all)
	}
	return finding{cause: CausePreparedTransaction, victims: root.Victims,
		why: words("%s for what a prepared transaction has locked: %s", counted(root.Victims, "session waits", "sessions wait"), text)}, true
}

// oldPrepared are the prepared transactions, of both looks, that are older than a leaked one would be.
func (r deciding) oldPrepared(p pair) []Prepared {
	var old []Prepared
	for _, x := range p.last.seen.Server.Prepared {
		kept := slices.ContainsFunc(p.first.seen.Server.Prepared, func(b Prepared) bool { return b.GID == x.GID && b.Database == x.Database })
		if kept && float64(x.Age) > r.thresholds.LeakAge.D().Seconds() {
			old = append(old, x)
		}
	}
	return old
}

func preparedWords(all []Prepared) string {
	var list []string
	for _, p := range all {
		list = append(list, words("gid %q of %s in %s, %s old", p.GID, p.Owner, p.Database, seconds(float64(p.Age))))
	}
	return strings.Join(list, "; ")
}

// whoBlocks is the newer of the two looks that found out who blocks whom, then the other one, which may not have: it may not be asked often.
func (p pair) whoBlocks() (source, other sight, known bool) {
	if p.last.blockersKnown() {
		return p.last, p.first, true
	}
	return p.first, p.last, p.first.blockersKnown()
}

// blockersKnown says that who blocks whom was found out in this look.
func (s sight) blockersKnown() bool { return s.seen.Server.BlockersProblem == "" }

// blocker is the root with a pid; nil if there is none.
func (s sight) blocker(pid int) *Blocker {
	all := s.seen.Server.Blockers
	if i := slices.IndexFunc(all, func(b Blocker) bool { return b.PID == pid }); i >= 0 {
		return &all[i]
	}
	return nil
}

// session is the one with a pid; nil if it is not among those that are kept.
func (s sight) session(pid int) *Session {
	all := s.seen.Server.Sessions
	if i := slices.IndexFunc(all, func(x Session) bool { return x.PID == pid }); i >= 0 {
		return &all[i]
	}
	return nil
}

// has says that a look saw the same transaction of the same session.
func (s sight) has(x Session) bool { return slices.ContainsFunc(s.seen.Server.Sessions, x.same) }

// lockConvoy is for many that wait for one. One of the two looks may not know who blocks whom; the session must be in both, in the same
// transaction.
func (r deciding) lockConvoy(p pair) (finding, bool) {
	source, other, known := p.whoBlocks()
	if !known {
		return finding{}, false
	}
	f := finding{cause: CauseLockConvoy}
	for _, b := range source.seen.Server.Blockers {
		if b.PID == 0 || b.Victims < r.thresholds.Victims {
			continue
		}
		if again := other.blocker(b.PID); other.blockersKnown() && (again == nil || again.Victims < r.thresholds.Victims) {
			continue
		}
		root := p.last.session(b.PID)
		if root == nil || !p.first.has(*root) {
			continue
		}
		if f.roots++; f.root == nil || b.Victims > f.victims {
			f.root, f.victims = root, b.Victims
		}
	}
	if f.root == nil {
		return finding{}, false
	}
	switch why := r.spares(*f.root); {
	case why != "":
		f.keeps, f.spared = why, []Session{*f.root}
	default:
		f.ends = []Session{*f.root}
	}
	return f, true
}

// leak is for transactions that do nothing, for so long that nobody will end them. While clients wait, only those count that may be what
// they wait for: sessions of their database.
func (r deciding) leak(p pair) (finding, bool) {
	f := finding{cause: CauseLeak}
	queues := r.waiting(p.last)
	for _, s := range p.last.seen.Server.Sessions {
		if !s.idleInTransaction() || !p.first.has(s) || !r.leaked(p.last, s) {
			continue
		}
		before := p.first.session(s.PID)
		if before == nil || !before.idleInTransaction() {
			continue
		}
		why := r.spares(s)
		switch {
		case len(queues) > 0 && !explains(queues, s, why != ""):
		case why != "":
			if f.spared = append(f.spared, s); f.keeps == "" {
				f.keeps = why
			}
		default:
			f.ends = append(f.ends, s)
		}
	}
	if len(f.ends)+len(f.spared) == 0 {
		return finding{}, false
	}
	oldestFirst(f.ends)
	used := min(p.first.seen.Server.Used, p.last.seen.Server.Used) - 1 // the session that ends them is not counted there
	if most := r.cluster.maxSessions(used); len(f.ends) > most {
		f.more, f.ends = len(f.ends)-most, f.ends[:most]
	}
	return f, true
}

func oldestFirst(all []Session) {
	slices.SortFunc(all, func(a, b Session) int {
		return cmp.Or(a.XactStart.Compare(b.XactStart), cmp.Compare(a.PID, b.PID))
	})
}

// explains says that a session may be what the clients of a queue wait for. One that is not ended counts only if it is certainly of a pool of
// theirs, by its user too: a DBA's own session must not hide what is wrong with the pool.
func explains(queues []queue, s Session, spared bool) bool {
	return slices.ContainsFunc(queues, func(q queue) bool {
		if q.app != nil {
			return true
		}
		ofPool := slices.ContainsFunc(q.db.Pools, func(p Pool) bool { return p.User == s.User })
		return s.Database == q.backend() && (!spared || ofPool)
	})
}

func (s Session) idleInTransaction() bool { return strings.HasPrefix(s.State, "idle in transaction") }

// leaked says that a session has done nothing in its transaction for longer than the limit. The age of the transaction alone is not it: a
// job that has worked for an hour is between two statements now and then.
func (r deciding) leaked(s sight, x Session) bool {
	limit, _ := r.leakLimit(s, x.Database)
	return float64(min(x.XactAge, x.StateAge)) > limit
}

// leakLimit is how long a transaction of a database may do nothing: leak_age, or leak_factor times the p99 of its transactions if that is more.
//
// PgBouncer counts transactions and adds their times up, so all that is known is their mean, since it was started. It begins to count when
// the client asks, so what clients waited for a server is in it, and is taken out: a pool that was exhausted before would spare every
// leak for minutes. A mean is no p99, but it
// bounds it: a time that is never negative is above a hundred times its mean in at most 1 of 100 cases (Markov). That bound is
// taken, which spares too many rather than too few. From fewer than enoughTransactions nothing is concluded.
func (r deciding) leakLimit(s sight, database string) (limit, p99 float64) {
	limit = r.thresholds.LeakAge.D().Seconds()
	for _, q := range s.queues {
		if q.db == nil || q.backend() != database || q.db.Totals.Transactions < enoughTransactions {
			continue
		}
		worked := max(0, q.db.Totals.XactTime-q.db.Totals.WaitTime)
		p99 = max(p99, markov*float64(worked)/float64(q.db.Totals.Transactions))
	}
	return max(limit, r.thresholds.LeakFactor*p99), p99
}

const (
	// enoughTransactions is from how many on their mean says something.
	enoughTransactions = 100
	// markov times the mean is a bound of the p99.
	markov = 100
)

// same says that it is the same transaction of the same session.
func (s Session) same(o Session) bool {
	return s.PID == o.PID && s.BackendStart.Equal(o.BackendStart) && s.XactStart.Equal(o.XactStart) && s.User == o.User
}

// unknown says that a session cannot be told from another one, so that it could not be ended safely.
func (s Session) unknown() bool { return s.PID <= 0 || s.BackendStart.IsZero() || s.XactStart.IsZero() }

// spares says why a session may not be ended; "" if it may. The remediation holds the same at the server, in the statement that ends it.
func (r deciding) spares(s Session) string {
	tool := cmp.Or(tool(s.ApplicationName), tool(s.User))
	switch {
	case s.WaitEvent == "SyncRep":
		return "it waits for a synchronous standby: ending it, or cancelling, would commit what is not replicated"
	case s.BackendType != "client backend":
		return words("it is no client's session (%s)", cmp.Or(s.BackendType, "of unknown kind"))
	case s.Superuser:
		return "its role is a superuser"
	case s.Replication:
		return "its role has REPLICATION"
	case s.Progress != "":
		return words("it runs %s, which would be lost, or leave an invalid index behind", s.Progress)
	case r.ours(s.User):
		return "it is our own role"
	case tool != "":
		return words("its application_name or its role says that it is %s", tool)
	case s.unknown():
		return "it is in no transaction (an advisory lock of the session?), or its start is not known"
	case !s.idleInTransaction() && s.State != "active":
		return words("its state is %q", s.State)
	case len(r.cluster.Fix.Roles) == 0:
		return words("handlers.poolexhaustion.clusters[%s].fix.roles names no role", r.cluster.Cluster)
	case !slices.Contains(r.cluster.Fix.Roles, s.User):
		return words("its role is not in handlers.poolexhaustion.clusters[%s].fix.roles", r.cluster.Cluster)
	}
	return ""
}

// ours says that a role is one that we log in with.
func (r deciding) ours(user string) bool {
	login := r.cluster.topology.Connect
	return user == login.Probe.User || login.Act != nil && user == login.Act.User
}

// tool says which tool a session belongs to that is never ended: a dump, a backup, replication, the manager, ourselves. The name is the
// client's own word, so this spares too many rather than too few.
func tool(name string) string {
	name = strings.ToLower(name)
	for _, t := range []string{"pg_dump", "pg_restore", "pg_basebackup", "pg_receive", "pg_recvlogical", "pg_rewind", "backup", "backrest", "barman",
		"wal-g", "wal-e", "walreceiver", "repmgr", "patroni", "firebreak"} {
		if strings.Contains(name, t) {
			return t
		}
	}
	return ""
}
