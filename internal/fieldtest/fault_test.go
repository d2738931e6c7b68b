package fieldtest

import (
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// fault is one thing that goes wrong, and what must come of it.
type fault struct {
	name, runbook string
	// rules is the file that finds it, and alert the alert of it that does.
	rules, alert string
	// cause is what is decided, changes are the orders as a record tells them, ends is the kind of event with which the change is over.
	cause   string
	changes []string
	ends    string
	// told is how many changes PagerDuty hears of: making one, and giving one back.
	told int
	// newer says that a short test goes by the newer Alertmanager.
	newer bool
	// worlds is in how many worlds beside each other the runs are made, which is for faults that mostly wait: for the next time that Firebreak
	// measures a store, which is every 30 s. They need no core for themselves, and go by either Alertmanager. 0: one after the other.
	worlds  int
	targets []target
	start   func(t *testing.T, a addresses) scene
	// alone is a fault that Firebreak must leave to a person; nil: there is none.
	alone func(t *testing.T, s scene) *left
}

// target is what the runbook promises of one stage.
type target struct {
	stage  stage
	within time.Duration
}

// addresses are known before anything listens there.
type addresses struct {
	listen, bus string
}

// scene is where a fault is made: real servers, and somebody who uses them.
type scene interface {
	// targets are what Prometheus scrapes here.
	targets() []testbed.ScrapeTarget
	// policy is what an operator writes about it: sections of their own, and the handler's.
	policy(prometheus string) string
	// well says that whoever uses it is served as ever, now.
	well() bool
	// begin makes the fault, and returns when it is there for all to see. When it began is what it returns.
	begin(t *testing.T) time.Time
	// mend takes away what had caused it, as the world does after the change was made; it does nothing where the change itself is the cure.
	mend(t *testing.T)
	// judge says what is wrong at the servers themselves when all is over.
	judge(t *testing.T) []string
}

// left is a fault that was left to a person: alert, cause and orders are those of the record, and end is what the person does.
type left struct {
	cause string
	end   func(t *testing.T)
}

// faults are one for each handler.
func faults() []fault {
	cascade := []target{{firing, 10 * time.Second}, {applied, 30 * time.Second}, {recovered, 5 * time.Minute}}
	return []fault{
		{name: "session drift", runbook: "RB-012", rules: "sessions.yaml", alert: "SessionDataInconsistency", cause: "lost_on_replica",
			changes: []string{"sync sessions"}, ends: "spent", told: 1, worlds: 3, start: startDrift,
			targets: []target{{recovered, 15 * time.Minute}}},
		{name: "replication lag", runbook: "RB-009", rules: "postgres.yaml", alert: "PostgreSQLReplicationLag", cause: "write_burst",
			changes: []string{"drain pg2"}, ends: "reverted", told: 2, newer: true, start: startLag,
			targets: []target{{applied, 2 * time.Minute}}},
		{name: "retry storm", runbook: "RB-011", rules: "retrystorm.yaml", alert: "RetryStorm", cause: "dependency_down",
			changes: []string{"open "}, ends: "reverted", told: 2, start: startStorm, targets: cascade},
		{name: "pool exhaustion", runbook: "RB-011", rules: "pgbouncer.yaml", alert: "PgBouncerPoolExhausted", cause: "leak",
			changes: []string{"end_leaked pg1"}, ends: "spent", told: 1, newer: true, start: startPool, alone: leakOfOthers, targets: cascade},
	}
}
