package policy

// replicationLag is the name of the handler that [ReplicationLag] is the policy of.
const replicationLag = "replicationlag"

// ReplicationLag is the policy of the handler "replicationlag": standbys that fall behind, or that are gone.
type ReplicationLag struct {
	// Mode of all clusters that do not name their own, default observe.
	Mode Mode `yaml:"mode" rule:"default=observe;mode"`
	// Alerts are the alertnames that this handler answers, default PostgreSQLReplicationLag, PostgreSQLReplicaCount, PostgreSQLStandbyAbsent,
	// PostgreSQLReplicationNotMeasured, PostgreSQLSlotRetention.
	Alerts     []string      `yaml:"alerts"`
	Thresholds LagThresholds `yaml:"thresholds"`
	// Clusters are the targets: nothing is looked at or changed that is not named here.
	Clusters []LagCluster `yaml:"clusters"`
}

// LagThresholds are the numbers that tell one cause of lag from another, and that judge a fix. Zero takes the default.
type LagThresholds struct {
	// SLO is how far behind a reader may be, default 30s.
	SLO Duration `yaml:"slo" rule:"default=30s;min=10ms"`
	// SlackBytes is how much WAL behind still counts as nothing, default 64KiB: a standby is never at exactly the primary's position
	// while there is work.
	SlackBytes Bytes `yaml:"slack_bytes" rule:"default=64KiB;min=1"`
	// CatchUpWithin is within what a standby that gains on the primary must be there to be left alone, default 5m.
	CatchUpWithin Duration `yaml:"catch_up_within" rule:"default=5m;min=1s"`
	// ConflictAge is how long a standby's session must have held replay up before it may be ended, default 60s.
	ConflictAge Duration `yaml:"conflict_age" rule:"default=60s;min=10ms"`
	// ReplyAge is how old the receiver's last word to the primary may be, default 20s: it speaks each wal_receiver_status_interval (10 s).
	ReplyAge Duration `yaml:"reply_age" rule:"default=20s;min=10ms"`
	// PausedFor is how long replay must have been paused before it may be proposed to resume it, default 30m.
	PausedFor Duration `yaml:"paused_for" rule:"default=30m;min=1s"`
	// RetainedShare is the share of max_slot_wal_keep_size that a slot must hold back before that too is a reason to resume, default 0.7.
	RetainedShare float64 `yaml:"retained_share" rule:"default=0.7;over=0;under=1"`
	// BurstRatio is the primary's WAL rate, over that of the minutes before, at which a burst explains the lag, default 2.
	BurstRatio float64 `yaml:"burst_ratio" rule:"default=2;over=1"`
	// SampleEvery is the time between two looks, default 5s. Samples is how many must agree in one decision, default 2, at least 2: a
	// slope needs two.
	SampleEvery Duration `yaml:"sample_every" rule:"default=5s;min=10ms"`
	Samples     int      `yaml:"samples" rule:"default=2;min=2;max=6"`
	// ConfirmAfter is when to look again before acting, default sample_every.
	ConfirmAfter Duration `yaml:"confirm_after" rule:"min=10ms"`
	// VerifyWithin is how long an effect is looked for, default 60s; HoldFor how long a node that was taken out must be under half of
	// the SLO before it is put back, default 60s.
	VerifyWithin Duration `yaml:"verify_within" rule:"default=60s;min=10ms"`
	HoldFor      Duration `yaml:"hold_for" rule:"default=60s;min=10ms"`
}

// LagCluster is what may be done about lag in one cluster.
type LagCluster struct {
	// Cluster is a name of postgres[].cluster. Required.
	Cluster string `yaml:"cluster" rule:"need=orders;name"`
	// Mode of this cluster, default the handler's. It can only be stricter than the handler's.
	Mode Mode   `yaml:"mode" rule:"mode"`
	Fix  LagFix `yaml:"fix"`
}

// The fixes of a lagging standby.
const (
	fixDrain         = "drain"
	fixEndConflict   = "end_conflict"
	fixRestartStream = "restart_stream"
	fixResumeReplay  = "resume_replay"
)

// lagFixes are the names that allow may use.
func lagFixes() []string {
	return []string{fixDrain, fixEndConflict, fixRestartStream, fixResumeReplay}
}

// LagFix is what may be changed. With an empty Allow nothing is.
type LagFix struct {
	// Allow names the fixes that may be used: drain takes a standby out of the read pool (class A); end_conflict ends the standby's
	// sessions that hold replay up (class A); restart_stream ends the walsender of an async standby whose receiver hangs (class P);
	// resume_replay resumes replay that somebody paused (class P).
	Allow []string `yaml:"allow" rule:"lagfix"`
	// Roles are those whose sessions end_conflict may end. Empty: nobody's.
	Roles []string `yaml:"roles"`
	// MaxSessions is how many sessions one action may end, 1 to 3, default 3.
	MaxSessions int `yaml:"max_sessions" rule:"default=3;min=1;max=3"`
	// Limit is how long drain stands at most, default 10m, which is also the most.
	Limit Duration `yaml:"limit" rule:"default=10m;min=1s;max=10m"`
	// Timeout of one command, default 5s.
	Timeout Duration `yaml:"timeout" rule:"default=5s;min=10ms"`
}

// fill puts in the defaults that depend on others.
func (l *ReplicationLag) fill() {
	if l.Alerts == nil {
		l.Alerts = []string{"PostgreSQLReplicationLag", "PostgreSQLReplicaCount", "PostgreSQLStandbyAbsent",
			"PostgreSQLReplicationNotMeasured", "PostgreSQLSlotRetention"}
	}
	if l.Thresholds.ConfirmAfter == 0 {
		l.Thresholds.ConfirmAfter = l.Thresholds.SampleEvery
	}
	for i := range l.Clusters {
		l.Clusters[i].Mode = or(l.Clusters[i].Mode, l.Mode)
	}
}
