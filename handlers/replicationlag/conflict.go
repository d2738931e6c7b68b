package replicationlag

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"
)

// conflict is what is known about sessions that hold replay up.
type conflict struct {
	// age is for how long replay has stood still for it, by the best proof there is, and how says by which.
	age time.Duration
	how string
	// victims may be ended, the oldest transaction first; spared may not, and the first of why says what keeps it.
	victims, spared []Session
	why             string
	// doubt is why the sessions cannot be judged; more is how many would be ended if the policy's bound were higher.
	doubt string
	more  int
	// tooMany says why the victims are more than one action may end; "" if they are not.
	tooMany string
}

// conflict reads the sessions of the newest look. A session counts only if each of the looks that must agree saw it, in the same
// transaction, and if that transaction is as old as the conflict must be: what began later does not hold replay up for so long.
func (r deciding) conflict(f finding) conflict {
	var c conflict
	c.age, c.how = r.conflictAge(f)
	s := f.last().standby()
	if s.HoldersProblem != "" {
		c.doubt = "the sessions that hold replay up could not be found: " + s.HoldersProblem
		return c
	}
	limit := r.thresholds.ConflictAge.D().Seconds()
	for _, session := range s.Holders {
		if session.Holds != holds(f.cause) || !f.throughout(session) || !session.unknown() && float64(session.XactAge) <= limit {
			continue
		}
		if why := r.spares(session); why != "" {
			if c.spared = append(c.spared, session); c.why == "" {
				c.why = why
			}
			continue
		}
		c.victims = append(c.victims, session)
	}
	slices.SortFunc(c.victims, func(a, b Session) int {
		return cmp.Or(a.XactStart.Compare(b.XactStart), cmp.Compare(a.PID, b.PID))
	})
	if most := r.cluster.maxSessions(); len(c.victims) > most {
		c.more, c.victims = len(c.victims)-most, c.victims[:most]
	}
	if most := tenthOf(s.Clients); most < len(c.victims) {
		c.tooMany = words("it has %d sessions of clients, and one action ends at most a tenth of them, here %d", *s.Clients, most)
	}
	return c
}

// tenthOf is how many sessions one action may end of so many, but at least one: what remediations/postgres holds too. Of an unknown
// number it is any: the server decides then.
func tenthOf(clients *int) int {
	if clients == nil {
		return math.MaxInt
	}
	return max(1, *clients/10)
}

func holds(c Cause) string {
	if c == CauseLockConflict {
		return "lock"
	}
	return "snapshot"
}

// throughout says that each of the looks saw the session hold replay up, in the same transaction.
func (f finding) throughout(session Session) bool {
	for _, s := range f.states {
		if !s.readable() || !slices.ContainsFunc(s.standby().Holders, session.same) {
			return false
		}
	}
	return true
}

// same says that it is the same transaction of the same session.
func (s Session) same(o Session) bool {
	return s.PID == o.PID && s.BackendStart.Equal(o.BackendStart) && s.XactStart.Equal(o.XactStart) && s.User == o.User
}

// unknown says that a session cannot be told from another one, so that it could not be ended safely.
func (s Session) unknown() bool { return s.PID <= 0 || s.BackendStart.IsZero() || s.XactStart.IsZero() }

// spares says why a session may not be ended; "" if it may.
func (r deciding) spares(s Session) string {
	switch tool := tool(s.ApplicationName); {
	case s.unknown():
		return "its pid, its start or its transaction is not known"
	case s.BackendType != "client backend":
		return words("it is a %s, no client's session", cmp.Or(s.BackendType, "process of unknown kind"))
	case s.Superuser:
		return "its role is a superuser"
	case tool != "":
		return words("its application_name says that it is %s", tool)
	case r.ours(s.User):
		return "it is our own role"
	case len(r.cluster.Fix.Roles) == 0:
		return words("handlers.replicationlag.clusters[%s].fix.roles names no role", r.cluster.Cluster)
	case !slices.Contains(r.cluster.Fix.Roles, s.User):
		return words("its role is not in handlers.replicationlag.clusters[%s].fix.roles", r.cluster.Cluster)
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
func tool(applicationName string) string {
	name := strings.ToLower(applicationName)
	for _, t := range []string{"pg_dump", "pg_restore", "pg_basebackup", "pg_receive", "pg_recvlogical", "pg_rewind", "backup", "backrest", "barman",
		"wal-g", "wal-e", "walreceiver", "repmgr", "patroni", "firebreak"} {
		if strings.Contains(name, t) {
			return t
		}
	}
	return ""
}

// conflictAge is for how long replay has waited in this conflict. The startup process' own wait is the best proof (version 14 and later,
// locks only), then the time over which our looks saw its position stand still. Where no look ever saw it move, the conflict began before
// the first of them: then it is the primary's replay_lag, the age of the oldest WAL that is not replayed. That is too much if the standby
// was behind already when the conflict began, and so it counts only together with the age of the session's transaction; see [deciding.conflict].
func (r deciding) conflictAge(f finding) (time.Duration, string) {
	waits := func(s state) bool { return s.waitsForSnapshot() || s.waitsForLock() }
	stood := r.unmoved(f.name, waits)
	age, how := stood, words("replay has not moved over %s of looks", stood.Round(time.Second))
	last := f.last()
	if w := last.standby().Startup; w != nil && w.LockWait != nil {
		if own := span(*w.LockWait); own > age {
			age, how = own, "the startup process has waited for the lock since then"
		}
	}
	if last.lag.kind == exactly && stood > 0 && r.neverMoved(f.name) {
		if behind := span(Seconds(last.lag.seconds)); behind > age {
			age, how = behind, "by the primary's replay_lag; no look saw replay move"
		}
	}
	return age, how
}

// neverMoved says that all looks of this story saw replay at one position.
func (r deciding) neverMoved(node string) bool {
	n, ok := r.named(node)
	if !ok {
		return false
	}
	var at *LSN
	for _, s := range r.sights {
		if s.trouble != "" {
			return false
		}
		st := r.stateOf(s, n)
		if !st.readable() || st.standby().Replayed == nil {
			return false
		}
		if at != nil && *at != *st.standby().Replayed {
			return false
		}
		at = st.standby().Replayed
	}
	return at != nil
}

// span is a number of seconds as a time span.
func span(s Seconds) time.Duration { return time.Duration(float64(s) * float64(time.Second)) }
