package measure

import (
	"slices"
	"time"
)

// Target is a figure that a runbook demands. It is a span of time of every incident, or a share of many.
type Target struct {
	// Runbook is whose it is, e.g. "RB-011". Name is which of its figures, the same word in every runbook.
	Runbook string
	Name    string
	// Source is the row of the runbook, as it is written there.
	Source string
	// From and To are the moments between which less than Limit may pass. Empty: it is not a span.
	From  Moment
	To    Moment
	Limit time.Duration
	// Share is how many of the incidents with a change must end fixed, from 0 to 1; 0: it is not a share.
	Share float64
	// Unknown says why no record can tell. Empty: it can.
	Unknown string
}

// The names of targets.
const (
	Detection  = "detection"
	Mitigation = "mitigation"
	Recovery   = "recovery"
	Repair     = "repair"
	Manual     = "manual recovery"
	Response   = "response"
	Success    = "success"
	DataLoss   = "data loss"
	Sessions   = "session failover"
	Lag        = "lag after recovery"
)

// Runbook is the runbook that a handler automates; empty if it is none of those that have targets.
func Runbook(handler string) string {
	switch handler {
	case "replicationlag", "failover":
		return "RB-009"
	case "partition":
		return "RB-010"
	case "retrystorm", "poolexhaustion":
		return "RB-011"
	case "sessiondrift":
		return "RB-012"
	}
	return ""
}

// Targets are those of all runbooks. All spans count from when the alert began to fire, or from when a person was called.
func Targets() []Target {
	return slices.Concat(databaseTargets(), partitionTargets(), cascadeTargets(), sessionTargets())
}

// TargetsOf are the targets of a handler's runbook.
func TargetsOf(handler string) []Target {
	runbook := Runbook(handler)
	return slices.DeleteFunc(Targets(), func(t Target) bool { return runbook == "" || t.Runbook != runbook })
}

func databaseTargets() []Target {
	const rb = "RB-009"
	return []Target{
		{Runbook: rb, Name: Recovery, Source: "RTO < 2 min", From: Started, To: Recovered, Limit: 2 * time.Minute},
		{Runbook: rb, Name: DataLoss, Source: "RPO < 5 s", Unknown: "the record does not count lost transactions"},
		{Runbook: rb, Name: Success, Source: "failover success > 99 %", Share: 0.99},
		repair(rb, "MTTR target, database: 30 min", 30*time.Minute),
		response(rb),
	}
}

func partitionTargets() []Target {
	const rb = "RB-010"
	return []Target{
		{Runbook: rb, Name: Detection, Source: "detected < 30 s", From: Started, To: Detected, Limit: 30 * time.Second},
		{Runbook: rb, Name: Success, Source: "automatic recovery > 95 %", Share: 0.95},
		{Runbook: rb, Name: Manual, Source: "manual recovery < 5 min", From: Escalated, To: Recovered, Limit: 5 * time.Minute},
		repair(rb, "MTTR target, network: 1 h", time.Hour),
		response(rb),
	}
}

func cascadeTargets() []Target {
	const rb = "RB-011"
	return []Target{
		{Runbook: rb, Name: Detection, Source: "cascade detected < 10 s", From: Started, To: Detected, Limit: 10 * time.Second},
		{Runbook: rb, Name: Mitigation, Source: "mitigated < 30 s", From: Started, To: Mitigated, Limit: 30 * time.Second},
		{Runbook: rb, Name: Recovery, Source: "recovered < 5 min", From: Started, To: Recovered, Limit: 5 * time.Minute},
		{Runbook: rb, Name: DataLoss, Source: "no data lost", Unknown: "the record does not count lost data"},
		repair(rb, "MTTR target, application: 2 h", 2*time.Hour),
		response(rb),
	}
}

func sessionTargets() []Target {
	const rb = "RB-012"
	return []Target{
		{Runbook: rb, Name: Sessions, Source: "session failover < 5 s", Unknown: "the record does not see single sessions; a drill does"},
		{Runbook: rb, Name: DataLoss, Source: "session loss 0 %", Unknown: "the record does not count lost sessions"},
		{Runbook: rb, Name: Lag, Source: "replication lag < 1 s", Unknown: "what was measured is with the judgement; no moment is"},
		{Runbook: rb, Name: Success, Source: "recovery success > 99.9 %", Share: 0.999},
		repair(rb, "MTTR target, application: 2 h", 2*time.Hour),
		response(rb),
	}
}

// repair is the target of the runbook's category.
func repair(runbook, source string, limit time.Duration) Target {
	return Target{Runbook: runbook, Name: Repair, Source: source, From: Started, To: Recovered, Limit: limit}
}

// response is how soon a person answers a call; all of these runbooks are of the highest severity.
func response(runbook string) Target {
	return Target{Runbook: runbook, Name: Response, Source: "SEV-1: respond within 15 min", From: Escalated, To: Answered, Limit: 15 * time.Minute}
}
