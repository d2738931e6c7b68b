package runbooks

import "slices"

// Row is one sign of trouble, and the rule that notices it. What the rule says (its expression, for how long, how bad) is in its file alone.
type Row struct {
	// Runbook is the number of the one that it belongs to; empty for what is about Firebreak itself.
	Runbook string
	// Sign is what is noticed, in words.
	Sign string
	// Alert is the rule's name, and File the file of alerts/rules that has it, without its ending.
	Alert string
	File  string
	// Handler answers it with its default alert names; empty: nobody but people does, since no handler is built for it.
	Handler string
	// Asked says that the row is one of the handbook's own; all others were added because something went unnoticed without them.
	Asked bool
}

// Rows are all signs with their rules, in the order of [All], and what is about Firebreak itself at the end.
func Rows() []Row {
	return slices.Concat(database(), partition(), cascade(), sessions(), regions(), minority(), itself())
}

// asked are rows of the handbook, added those beside them.
func asked(runbook, sign, alert, file, handler string) Row {
	return Row{Runbook: runbook, Sign: sign, Alert: alert, File: file, Handler: handler, Asked: true}
}

func added(runbook, sign, alert, file, handler string) Row {
	return Row{Runbook: runbook, Sign: sign, Alert: alert, File: file, Handler: handler}
}

func database() []Row {
	const rb, lag, pages = "RB-009", "replicationlag", ""
	return []Row{
		asked(rb, "replication lag above 30 s", "PostgreSQLReplicationLag", "postgres", lag),
		asked(rb, "no primary that answers", "PostgreSQLPrimaryDown", "postgres", pages),
		asked(rb, "fewer replicas than there should be", "PostgreSQLReplicaCount", "postgres", lag),
		added(rb, "a standby that is not connected", "PostgreSQLStandbyAbsent", "postgres", lag),
		added(rb, "a slot that loses its WAL", "PostgreSQLSlotRetention", "postgres", lag),
		added(rb, "replication that is not measured", "PostgreSQLReplicationNotMeasured", "postgres", lag),
		added(rb, "no leader that Patroni finds", "PatroniNoLeader", "cluster", pages),
		added(rb, "a failover that happened", "PatroniFailedOver", "cluster", pages),
		added(rb, "Patroni that does not reach its store", "PatroniStoreUnreachable", "cluster", pages),
		added(rb, "Patroni that is paused", "PatroniPaused", "cluster", pages),
		added(rb, "etcd without a leader", "EtcdNoLeader", "cluster", pages),
		added(rb, "etcd without a quorum", "EtcdQuorumLost", "cluster", pages),
	}
}

func partition() []Row {
	const rb, pages = "RB-010", ""
	return []Row{
		asked(rb, "a node that is down", "NodeDown", "cluster", pages),
		asked(rb, "members that are not those expected: split brain suspected", "ClusterMembersMissing", "cluster", pages),
		asked(rb, "receive errors", "NetworkReceiveErrors", "cluster", pages),
		added(rb, "no side with a quorum", "ClusterQuorumLost", "cluster", pages),
		added(rb, "two that lead", "ClusterTwoLeaders", "cluster", pages),
		added(rb, "two primaries of one database", "PostgreSQLTwoPrimaries", "cluster", pages),
		added(rb, "membership that is not measured", "ClusterMembersNotMeasured", "cluster", pages),
	}
}

func minority() []Row {
	return []Row{asked("RB-008", "a node on the smaller side", "ClusterMinority", "cluster", "")}
}

func cascade() []Row {
	const rb, pool, pages = "RB-011", "poolexhaustion", ""
	return []Row{
		asked(rb, "a circuit breaker that stays open", "CircuitBreakerOpen", "cascade", pages),
		asked(rb, "most attempts at a dependency fail", "DependencyFailing", "cascade", pages),
		asked(rb, "memory of a machine above 90 %", "MemoryNearlyFull", "cascade", pages),
		asked(rb, "a retry storm", "RetryStorm", "retrystorm", "retrystorm"),
		asked(rb, "clients that wait for a connection", "PgBouncerPoolExhausted", "pgbouncer", pool),
		added(rb, "memory of a container above 90 %", "ContainerMemoryNearlyFull", "cascade", pages),
		added(rb, "many dependencies that fail at once", "ManyDependenciesFailing", "cascade", pages),
		added(rb, "an application's own pool without a free connection", "AppPoolExhausted", "cascade", pool),
		added(rb, "a pool that is paused", "PgBouncerPaused", "pgbouncer", pool),
		added(rb, "a pooler that is down", "PgBouncerDown", "pgbouncer", pages),
		added(rb, "a pooler near its limit of clients", "PgBouncerClientsNearLimit", "pgbouncer", pool),
		added(rb, "PostgreSQL near its limit of connections", "PostgreSQLConnectionsNearLimit", "pgbouncer", pool),
		added(rb, "a transaction that does nothing", "PostgreSQLIdleInTransaction", "pgbouncer", pool),
		added(rb, "many sessions that wait for one lock", "PostgreSQLLockConvoy", "pgbouncer", pool),
		added(rb, "a prepared transaction that nobody ends", "PostgreSQLPreparedTransactionOld", "pgbouncer", pool),
		added(rb, "too few synchronous standbys", "PostgreSQLSyncStandbyMissing", "pgbouncer", pool),
		added(rb, "connections that are not measured", "PostgreSQLConnectionsNotMeasured", "pgbouncer", pages),
	}
}

func sessions() []Row {
	const rb, drift = "RB-012", "sessiondrift"
	return []Row{
		asked(rb, "replication of sessions that lags above 5 s", "SessionReplicationLag", "sessions", drift),
		asked(rb, "more than 100 orphaned sessions", "OrphanedSessionsDetected", "sessions", drift),
		asked(rb, "sessions that are not the same everywhere", "SessionDataInconsistency", "sessions", drift),
		asked(rb, "a recovery that takes more than five minutes", "SessionRecoverySlow", "sessions", drift),
		added(rb, "sessions that are not measured", "SessionsNotMeasured", "sessions", drift),
	}
}

func regions() []Row {
	const rb, pages = Region, ""
	return []Row{
		asked(rb, "a region whose health endpoint fails three times", "RegionUnhealthy", "region", pages),
		asked(rb, "a region whose metrics do not answer", "RegionMetricsUnreachable", "region", pages),
		added(rb, "a region that only some reach", "RegionPartlyReached", "region", pages),
		added(rb, "a region that nobody asks", "RegionNotProbed", "region", pages),
	}
}

func itself() []Row {
	row := func(sign, alert string) Row { return added("", sign, alert, "firebreak", "") }
	return []Row{
		row("it is down", "FirebreakDown"),
		row("the alert that always fires", "Watchdog"),
		row("alerts that no handler takes up", "FirebreakAlertsWaiting"),
		row("alerts that are turned away", "FirebreakTurnsAlertsAway"),
		row("a change that stands beyond its limit", "FirebreakFixNotReverted"),
		row("a change that stood too long while it was down", "FirebreakFixOverdue"),
		row("a command that came late", "FirebreakCommandLate"),
		row("a change of which nobody knows what became", "FirebreakOutcomeUnknown"),
		row("an undo in doubt", "FirebreakRevertInDoubt"),
		row("approvals that wait", "FirebreakApprovalWaiting"),
		row("approvals that nobody gave", "FirebreakApprovalExpired"),
		row("the same refusal again and again", "FirebreakRefused"),
		row("refusals because of itself", "FirebreakRefusesItself"),
		row("what waits or stands cannot be read", "FirebreakStateUnread"),
		row("a clock that is ahead", "FirebreakClockAhead"),
		row("a place that is not told", "FirebreakNotTelling"),
		row("Slack refuses it", "FirebreakSlackRefused"),
		row("Alertmanager cannot be asked", "FirebreakCannotReconcile"),
		row("its journal is nearly full", "FirebreakJournalFull"),
		row("its records are nearly full", "FirebreakIncidentsFull"),
		row("its archive is behind", "FirebreakArchiveBehind"),
		row("its archive has a gap", "FirebreakArchiveGap"),
	}
}
