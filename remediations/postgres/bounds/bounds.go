// Package bounds says what the remediation postgres can never pass. It brings no client, so that what was decided in the past, or would be
// by another policy, is held against the same bounds as the change itself.
package bounds

import (
	"time"

	"github.com/firebreak-sre/firebreak/remediations"
)

// Name is what a [remediations.Step] calls the remediation.
const Name = "postgres"

// The fixes.
const (
	FixEndConflict   = "end_conflict"
	FixEndLeaked     = "end_leaked"
	FixEndBlocker    = "end_blocker"
	FixRestartStream = "restart_stream"
	FixResumeReplay  = "resume_replay"
)

// MaxLimit is the longest that the effect of a change is looked for.
const MaxLimit = 10 * time.Minute

// MaxSessions is the most sessions that one action may end.
const MaxSessions = 3

// Of a step are those of its fix, wherever it is made; a fix that is not known is of class N.
func Of(s remediations.Step) remediations.Bounds {
	b := remediations.Bounds{Class: remediations.ClassN, MaxLimit: MaxLimit, Once: true}
	switch s.Fix {
	case FixEndConflict, FixEndLeaked, FixEndBlocker:
		b.Class, b.Never = remediations.ClassA, neverEnded()
	case FixRestartStream:
		b.Class, b.Never = remediations.ClassP, neverRestarted()
	case FixResumeReplay:
		b.Class, b.Never = remediations.ClassP, neverResumed()
	}
	return b
}

func neverEnded() []string {
	return []string{
		"a session whose role the policy does not name, of a superuser, or of a role with REPLICATION",
		"a session that waits for a synchronous standby: ending it commits what is not replicated",
		"walsenders, autovacuum, workers: only client backends",
		"a dump, a backup, the cluster's manager, or Firebreak itself, by application_name or role",
		"a session that a pg_stat_progress view shows: VACUUM, ANALYZE, CREATE INDEX, CLUSTER, COPY",
		"more than 3 sessions, or more than a tenth of the client backends, but one",
		"another transaction than the one that the plan saw",
	}
}

func neverRestarted() []string {
	return []string{
		"a walsender that a commit may wait for: sync, quorum or potential, or named in synchronous_standby_names",
		"the last standby that streams",
		"a base backup, a WAL archive, logical replication, or a superuser's walsender",
	}
}

func neverResumed() []string {
	return []string{
		"a replay that moved since the plan was made, or whose pause has not begun",
		"a standby with one of five settings lower than the primary's: resuming would shut it down",
	}
}
