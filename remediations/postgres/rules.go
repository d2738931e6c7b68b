package postgres

import (
	"fmt"
	"strings"
)

// rule is a condition of an act, in SQL, and what it means if it is not so. What is neither true nor false does not hold.
type rule struct{ holds, otherwise string }

// where is a condition that all rules hold.
func where(rules []rule) string {
	var all []string
	for _, r := range rules {
		all = append(all, "("+r.holds+")")
	}
	return strings.Join(all, "\n   AND ")
}

// why is the number of the first rule that does not hold, counted from one; zero if all do.
func why(rules []rule) string {
	var text strings.Builder
	text.WriteString("CASE")
	for i, r := range rules {
		fmt.Fprintf(&text, "\n  WHEN (%s) IS NOT TRUE THEN %d", r.holds, i+1)
	}
	text.WriteString("\n  ELSE 0 END")
	return text.String()
}

// words are what a number of why means.
func words(rules []rule, n int) string {
	if n < 1 || n > len(rules) {
		return "another action was at work at that moment, or what stood in the way is over"
	}
	return rules[n-1].otherwise
}

// turn is true for one statement at a time in a database, until it ends.
const turn = "(SELECT pg_try_advisory_xact_lock(1179210309, 1))"

// serverRules are about the server and the order, and the same for all. g is what was given.
func serverRules() []rule {
	return []rule{
		{"clock_timestamp() < g.deadline", "the deadline has passed by the server's clock"},
		{"(SELECT system_identifier::text FROM pg_control_system()) = g.system_identifier",
			"another server answers there: its system_identifier is not the plan's"},
	}
}

// signalRules are about what our own login sees and may do.
func signalRules() []rule {
	return []rule{
		{"pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')",
			"our login does not see others' sessions: on the primary, GRANT pg_read_all_stats TO {login}"},
		{"pg_has_role(current_user, 'pg_signal_backend', 'USAGE')",
			"our login may not end others' sessions: on the primary, GRANT pg_signal_backend TO {login}"},
	}
}

// tools are what sessions call themselves that are never ended: dumps, backups, replication, cluster managers, ourselves. The name is
// the client's own word, so this spares too many rather than too few.
const tools = "(pg_dump|pg_restore|repmgr|patroni|firebreak|" + streamTools + ")"

// streamTools are those of them that speak the replication protocol without being a standby. What every standby is called by default,
// walreceiver, is none of them. No backslash is in a pattern here: what it means is a setting of the server.
const streamTools = "pg_basebackup|pg_receive|pg_recvlogical|pg_rewind|backup|backrest|barman|(^|[^[:alnum:]])wal-[eg]([^[:alnum:]]|$)"

// doing is what a session may be doing for a statement to touch it.
type doing string

// The closed set of what it may be.
const (
	idle    doing = "a.state LIKE 'idle in transaction%'"
	running doing = "a.state = 'active'"
	either  doing = "a.state = 'active' OR a.state LIKE 'idle in transaction%'"
)

func (d doing) otherwise() string {
	switch d {
	case idle:
		return "it is not idle in its transaction"
	case running:
		return "it runs no statement"
	}
	return "it neither runs a statement nor is idle in a transaction"
}

// sessionRules are all that must hold of a session that is ended or cancelled. g is what was given, w the session that is wanted, a what
// the server shows of its pid, and r its role.
func sessionRules(version int, fix string, d doing) []rule {
	rules := append(serverRules(), rule{"pg_is_in_recovery() = g.standby", "the server is not what the plan says it is, standby or primary"})
	rules = append(rules, rule{"a.pid IS NOT NULL", "it has gone already"})
	rules = append(rules, signalRules()...)
	rules = append(rules,
		rule{"a.backend_start = w.backend_start", "it has gone already, and another session has its pid"},
		rule{"a.backend_type = 'client backend'", "it is no client's session"},
		rule{"a.pid <> pg_backend_pid() AND a.usename <> current_user", "it is our own"},
		rule{"a.usename = w.usename AND a.usename = ANY (g.roles)", "its role is not the plan's, or not listed"},
		rule{"NOT r.rolsuper", "its role is a superuser"},
		rule{"NOT r.rolreplication", "its role has REPLICATION"},
		rule{"a.application_name !~* '" + tools + "'", "its application_name is that of a tool that is never ended"},
		rule{"a.wait_event IS DISTINCT FROM 'SyncRep'",
			"it waits for a synchronous standby (SyncRep): ending it would commit what is not replicated"},
		rule{"a.xact_start = w.xact_start", "it is in another transaction, or in none"},
		rule{string(d), d.otherwise()},
	)
	if fix == FixEndBlocker {
		rules = append(rules, rule{"a.wait_event_type IS DISTINCT FROM 'Lock'", "it waits for a lock itself, so it is not the one that all wait for"})
	}
	for _, view := range progressViews(version) {
		rules = append(rules, rule{"NOT EXISTS (SELECT FROM pg_stat_progress_" + view + " p WHERE p.pid = a.pid)",
			"pg_stat_progress_" + view + " shows it at work"})
	}
	return append(rules, rule{"room.left > 0",
		"as many sessions of the order have gone as one action may end: at most max, and a tenth of the client backends, but one"})
}

// progressViews are the maintenance commands that a server shows.
func progressViews(version int) []string {
	views := []string{"create_index", "vacuum", "cluster"}
	if version >= since13 {
		views = append(views, "analyze", "basebackup")
	}
	if version >= since14 {
		views = append(views, "copy")
	}
	return views
}
