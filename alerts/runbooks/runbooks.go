// Package runbooks is what people agreed on beforehand: how soon somebody answers an alert of each severity, who is called next, what each
// runbook is for, and how often the whole thing is practised. It holds no targets: those are measured, and live with what measures them. What is
// done about a fault is in the runbook beside each handler.
package runbooks

import "time"

// Severity says how bad it is; SEV-1 is the worst.
type Severity string

// The severities, worst first.
const (
	SEV1 Severity = "SEV-1"
	SEV2 Severity = "SEV-2"
	SEV3 Severity = "SEV-3"
	SEV4 Severity = "SEV-4"
)

// Level is what a severity means for people.
type Level struct {
	Severity Severity
	// Means are the faults that are of this severity.
	Means string
	// Respond is within what time a person has answered.
	Respond time.Duration
	// Calls are who is called while it lasts, first to last.
	Calls []Call
}

// Call is who is called, and when: After is how long after the alert. It is zero for those who are called at once.
type Call struct {
	After time.Duration
	Who   string
}

// Levels are all severities, worst first.
func Levels() []Level {
	return []Level{
		{Severity: SEV1, Means: "full outage, database failover, partition, cascading failure, loss of sessions", Respond: 15 * time.Minute,
			Calls: []Call{{Who: "on-call"}, {After: 5 * time.Minute, Who: "engineering manager"},
				{After: 15 * time.Minute, Who: "head of engineering"}, {After: 30 * time.Minute, Who: "executives"}}},
		{Severity: SEV2, Means: "memory, CPU, database connections, a bad deployment", Respond: time.Hour, Calls: []Call{{Who: "engineering manager"}}},
		{Severity: SEV3, Means: "a crash loop, a partition of a minority", Respond: 4 * time.Hour, Calls: []Call{{Who: "tech lead"}}},
		{Severity: SEV4, Means: "everything else", Respond: 24 * time.Hour, Calls: []Call{{Who: "developer"}}},
	}
}

// Runbook is one of those that the product automates, or is to.
type Runbook struct {
	// ID is its number in the operations handbook, e.g. "RB-011".
	ID       string
	Title    string
	Severity Severity
	// Escalations are what must reach certain people sooner than the severity says.
	Escalations []Escalation
	// Commands are what a person types first, as they stand.
	Commands []string
}

// Region is the runbook of moving to another region, which has no number of its own.
const Region = "REGION"

// Escalation is who learns of what, and how soon. Within is zero for at once.
type Escalation struct {
	When   string
	Who    string
	Within time.Duration
}

// All are the runbooks, worst severity first, then by number.
func All() []Runbook {
	return []Runbook{
		{ID: "RB-009", Title: "Database: replication and failover", Severity: SEV1, Escalations: []Escalation{
			{When: "an automatic failover was triggered", Who: "DBA lead"},
			{When: "a manual failover is required", Who: "engineering manager", Within: 5 * time.Minute},
			{When: "corruption is suspected", Who: "on-call"},
			{When: "a failover failed", Who: "crisis team", Within: 15 * time.Minute}},
			Commands: []string{"firebreak incidents list", "psql -h NODE -c 'SELECT pg_is_in_recovery()'", "curl -s http://NODE:8008/patroni"}},
		{ID: "RB-010", Title: "Network partition", Severity: SEV1, Escalations: []Escalation{
			{When: "both sides go on (split brain)", Who: "lead", Within: 2 * time.Minute},
			{When: "it must be healed by hand", Who: "crisis team", Within: 5 * time.Minute},
			{When: "data is inconsistent", Who: "on-call"}},
			Commands: []string{"firebreak blocked", "firebreak pause --for 1h --reason 'split brain'", "curl -s http://NODE:8008/cluster"}},
		{ID: "RB-011", Title: "Cascading failure: retry storm, pool exhaustion", Severity: SEV1,
			Commands: []string{"firebreak incidents watch", "firebreak approvals", "psql -h POOLER -p 6432 pgbouncer -c 'SHOW POOLS'"}},
		{ID: "RB-012", Title: "Session failover and drift", Severity: SEV1, Escalations: []Escalation{
			{When: "lag of more than 30 s", Who: "DBA lead", Within: 5 * time.Minute},
			{When: "more than 1000 orphaned sessions", Who: "engineering", Within: 10 * time.Minute},
			{When: "sessions are inconsistent", Who: "on-call"},
			{When: "a recovery failed", Who: "crisis team", Within: 15 * time.Minute}},
			Commands: []string{"firebreak sessions status STORE", "firebreak incidents list"}},
		{ID: Region, Title: "Failover to another region", Severity: SEV1,
			Commands: []string{"curl -s https://REGION/health", "firebreak sessions status STORE"}},
		{ID: "RB-008", Title: "Partition of a minority", Severity: SEV3,
			Commands: []string{"firebreak blocked", "curl -s http://NODE:8008/cluster"}},
	}
}
