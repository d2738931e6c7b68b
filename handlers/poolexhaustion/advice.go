package poolexhaustion

import (
	"cmp"
	"slices"
	"strings"
)

// pageWords is what a person needs to know about a cause that is never acted on.
func (r deciding) pageWords(f finding) string {
	s := r.newest()
	server := s.seen.Server
	text := f.why
	switch f.cause {
	case CauseServerFull, CauseServerDown:
		text = r.serverWords(f)
	case CauseSyncStandbyGone:
		text = words("%s for a synchronous standby: synchronous_standby_names is %q and %s; they are no fewer than in the look before",
			counted(server.SyncRep, "commit waits", "commits wait"), server.SyncNames, counted(server.SyncStandbys, "such standby streams", "such standbys stream"))
	case CauseClientStorm:
		text = r.stormWords(s)
	case CauseOverload:
		text = words("%s: %s, and the server runs %d statements at once. The database itself is the limit; a larger pool would make it slower",
			f.queue.name(), f.queue.words(), server.Running)
	}
	return text + ". " + byHand(f.cause)
}

// serverWords says who gets in and who does not.
func (r deciding) serverWords(f finding) string {
	server := r.newest().seen.Server
	switch {
	case f.why != "":
		return f.why
	case f.queue != nil && f.queue.knocks():
		return words("%s: %s, and PgBouncer has no session there and tries to log in (%d at once). PostgreSQL lets us in, and has %d of %d connections used",
			f.queue.name(), f.queue.words(), f.queue.logins, server.Used, server.Usable)
	}
	text := words("%d of the %d connections of %s are used, more than the %s that all pools may take together", server.Used, server.Usable, server.Node,
		percent(r.thresholds.UsableShare))
	if f.queue != nil {
		text += words("; %s: %s", f.queue.name(), f.queue.words())
	}
	return text + words("; %d of the sessions run, %d are idle in a transaction, %d are idle", server.Running, server.Leaked, server.Idle)
}

func (r deciding) stormWords(s sight) string {
	var list []string
	for i := range s.seen.Poolers {
		if p := &s.seen.Poolers[i]; r.stormed(p) {
			list = append(list, words("%s has %d clients of the %s that it takes; most are %s", p.Name, p.ClientsTotal, p.Config["max_client_conn"], clientsWords(p.Clients, 5)))
		}
	}
	return strings.Join(list, "; ")
}

// byHand is what a person does about a cause; the runbook says more.
func byHand(c Cause) string {
	switch c {
	case CauseTwoPrimaries:
		return "Nothing is touched. Find which one the clients follow, fence the other one, and only then compare the rows"
	case CauseNoPrimary:
		return "Nothing is touched: electing one is Patroni's, or a person's"
	case CauseProbeUnknown:
		return "Nothing is touched while that is not known"
	case CausePaused:
		return "Ask who works there: a switchover, an upgrade, a migration. RESUME or ENABLE is theirs; clients are sent away after query_wait_timeout"
	case CauseServerFull, CauseServerDown:
		return "Never make a pool larger now. Is the server up, does its log say why it lets nobody in, who has the connections?"
	case CauseSyncStandbyGone:
		return "Cancel and end none of them: that commits what is not replicated. Bring the standby back, or change the synchronous set through Patroni"
	case CausePreparedTransaction:
		return "Its coordinator decides between COMMIT PREPARED and ROLLBACK PREPARED; do not guess, it may be committed elsewhere. It takes two people"
	case CauseLockConvoy, CauseLeak:
		return "Find whose sessions they are, and let their owner end them"
	case CauseClientStorm:
		return "Stop what opens them. Never KILL the database: it drops everybody and leaves it paused"
	case CauseOverload:
		return "Shed at the edge: rate-limit, or refuse the least important callers, and find the statements that take the time"
	case CausePoolTooSmall:
		return "A lasting size belongs in the file of PgBouncer, and below max_connections over all pools"
	}
	return "A person must look"
}

// healthyWords says what was seen where there is no fault, and what an alert may have measured instead.
func (r deciding) healthyWords() string {
	s := r.newest()
	server := s.seen.Server
	text := "nobody waits for a connection"
	if n := queued(s.queues); n > 0 {
		text = words("%s for a connection, none of them for as long as %s", counted(whole(n), "client waits", "clients wait"), r.thresholds.MaxWait)
	}
	text += words(", and PostgreSQL uses %d of %d connections", server.Used, server.Usable)
	if len(s.queues) == 0 {
		text = words("the policy names no pooler and no application whose clients could wait, and PostgreSQL uses %d of %d connections", server.Used, server.Usable)
	}
	if server.Leaked > 0 {
		text += words("; %s idle in a transaction now, none for longer than a leak takes", counted(server.Leaked, "session is", "sessions are"))
	}
	if server.LockWaiting > 0 {
		text += words("; %s for locks, fewer than %d behind one", counted(server.LockWaiting, "session waits", "sessions wait"), r.thresholds.Victims)
	}
	if server.SyncRep > 0 {
		text += words("; %s for synchronous standbys, and %d of them stream", counted(server.SyncRep, "commit waits", "commits wait"), server.SyncStandbys)
	}
	return text + ". The rule sees something else than a fault, or it is over"
}

// words names a session for people. Its query is not in it: that is in the look.
func (s Session) words() string {
	text := words("pid %d of %s", s.PID, cmp.Or(s.User, "nobody"))
	if s.ApplicationName != "" {
		text += words(" (%s)", s.ApplicationName)
	}
	text += words(", %s", s.State)
	if !s.XactStart.IsZero() {
		text += words(", its transaction %s old", seconds(float64(s.XactAge)))
	}
	return text
}

func sessionWords(all []Session) string {
	var list []string
	for _, s := range all {
		list = append(list, s.words())
	}
	return strings.Join(list, "; ")
}

// roleHint says what the policy would need, where it is only that.
func roleHint(f finding) string {
	if strings.Contains(f.keeps, "fix.roles") && len(f.spared) > 0 {
		return words("; add %q there if its sessions may be ended", f.spared[0].User)
	}
	return ""
}

// limitWords is how long a transaction may do nothing, and why so long.
func (r deciding) limitWords(s sight, f finding) (limit, how string) {
	database := ""
	for _, x := range slices.Concat(f.ends, f.spared) {
		database = x.Database
		break
	}
	most, p99 := r.leakLimit(s, database)
	switch own := r.thresholds.LeakAge.D().Seconds(); {
	case p99 == 0:
		return seconds(most), "leak_age; the p99 of transactions is not known"
	case most > own:
		return seconds(most), words("%g times %s, which bounds the p99 of transactions: a hundred times their mean", r.thresholds.LeakFactor, seconds(p99))
	default:
		return seconds(most), words("leak_age; the p99 of transactions is below %s", seconds(p99))
	}
}

func blockersWords(s Server) string {
	if s.BlockersProblem != "" {
		return "; who blocks them could not be found out: " + s.BlockersProblem
	}
	return ""
}

// stormed says that a pooler has nearly as many clients as it takes.
func (r deciding) stormed(p *Pooler) bool {
	most := p.setting("max_client_conn")
	return most > 0 && float64(p.ClientsTotal) >= r.thresholds.ClientShare*float64(most)
}

// clientStorm is for clients, not connections to the server, that are nearly too many.
func (r deciding) clientStorm(p pair) (finding, bool) {
	for i := range p.last.seen.Poolers {
		now := &p.last.seen.Poolers[i]
		if before := p.first.pooler(now.Name); r.stormed(now) && before != nil && r.stormed(before) {
			return finding{cause: CauseClientStorm}, true
		}
	}
	return finding{}, false
}
