package policy

// sessionDrift is the name of the handler that [SessionDrift] is the policy of.
const sessionDrift = "sessiondrift"

// SessionDrift is the policy of the handler "sessiondrift": sessions that nobody serves any more, or that are not the same everywhere.
type SessionDrift struct {
	// Mode of all stores that do not name their own, default observe.
	Mode Mode `yaml:"mode" rule:"default=observe;mode"`
	// Alerts are the alertnames that this handler answers, default SessionReplicationLag, OrphanedSessionsDetected,
	// SessionDataInconsistency, SessionRecoverySlow, SessionsNotMeasured.
	Alerts     []string        `yaml:"alerts"`
	Thresholds DriftThresholds `yaml:"thresholds"`
	// Stores are the targets: nothing is looked at or changed that is not named here.
	Stores []DriftStore `yaml:"stores"`
}

// DriftThresholds are the numbers that tell orphans from a partition, and that judge a fix. Zero takes the default.
type DriftThresholds struct {
	// Lag is how far behind a replica of the sessions may be, default 5s.
	Lag Duration `yaml:"lag" rule:"default=5s;min=10ms"`
	// Stable is how long no member must have changed its state before anything is taken away, default 10m.
	Stable Duration `yaml:"stable" rule:"default=10m;min=1s"`
	// OrphanPercent is the share of all sessions past which they are no orphans but a partition, a clock or a deploy, default 5.
	OrphanPercent float64 `yaml:"orphan_percent" rule:"default=5;over=0;max=100"`
	// OrphanJump is how many times as many as some minutes ago (prometheus.orphans_before) mean the same, default 10.
	OrphanJump float64 `yaml:"orphan_jump" rule:"default=10;over=1"`
	// ClockSkew is how far the store's clock may be from ours, default 1s.
	ClockSkew Duration `yaml:"clock_skew" rule:"default=1s;min=10ms"`
	// SampleEvery is the time between two looks, default 5s. ConfirmAfter is when to look again before acting, default sample_every.
	SampleEvery  Duration `yaml:"sample_every" rule:"default=5s;min=10ms"`
	ConfirmAfter Duration `yaml:"confirm_after" rule:"min=10ms"`
	// VerifyWithin is how long an effect is looked for, default 10m; HoldFor is how long nobody must have missed a session that was taken
	// away before that is good, default 2m, less than VerifyWithin.
	VerifyWithin Duration `yaml:"verify_within" rule:"default=10m;min=10ms"`
	HoldFor      Duration `yaml:"hold_for" rule:"default=2m;min=10ms"`
}

// DriftStore is what may be done about the sessions of one store.
type DriftStore struct {
	// Store is a name of sessions[].store. Required.
	Store string `yaml:"store" rule:"need=webshop;name"`
	// Mode of this store, default the handler's. It can only be stricter than the handler's.
	Mode Mode `yaml:"mode" rule:"mode"`
	// Match are labels that an alert must carry to be about this store, default {store: Store}. No two stores the same.
	Match map[string]string `yaml:"match"`
	// Prometheus tells what happens around the store. Nil: it is not asked.
	Prometheus *DriftMetrics `yaml:"prometheus"`
	Fix        DriftFix      `yaml:"fix"`
}

// DriftMetrics are expressions about what happens around a store; at least one. Each is optional: what is not named is not asked, and
// what is named and not answered is not known. "$" in an expression is left alone.
type DriftMetrics struct {
	URL             string `yaml:"url" rule:"need=http://prometheus:9090;base"`
	BearerToken     Secret `yaml:"bearer_token"`
	BearerTokenFile string `yaml:"bearer_token_file" rule:"into=BearerToken"`
	// Partition gives what means that nodes cannot reach each other: each element that is not zero is one sign of it, named by its label
	// alertname. No element is none.
	Partition string `yaml:"partition" rule:"raw"`
	// Deploying is one number: more than zero while the application is being deployed. No element is not known.
	Deploying string `yaml:"deploying" rule:"raw"`
	// NotFound is one number: how many requests per second found no session where they had one.
	NotFound string `yaml:"not_found" rule:"raw"`
	// OrphansBefore is one number: how many orphans there were some minutes ago.
	OrphansBefore string `yaml:"orphans_before" rule:"raw"`
	// Timeout of one look, all expressions together, default 3s.
	Timeout Duration `yaml:"timeout" rule:"default=3s;min=1ms;max=10s"`
}

// The fixes of sessions that have drifted.
const (
	fixSync       = "sync"
	fixQuarantine = "quarantine"
	fixReconcile  = "reconcile"
	fixSetAside   = "set_aside"
	fixRecover    = "recover"
)

// driftFixes are the names that allow may use.
func driftFixes() []string {
	return []string{fixSync, fixQuarantine, fixReconcile, fixSetAside, fixRecover}
}

// DriftFix is what may be changed. With an empty Allow nothing is.
type DriftFix struct {
	// Allow names the fixes that may be used: sync sends sessions to the replicas again (class A); quarantine takes orphans out of sight for
	// a day, with a way back (class A); reconcile sets copies aside that another copy dominates (class A); set_aside sets all copies aside
	// of which none dominates (class P); recover gives orphans to a living node (class P).
	Allow []string `yaml:"allow" rule:"driftfix"`
	// MaxSessions is how many sessions one action may take away, 1 to 50, default 50. It is never more than one in a hundred either.
	MaxSessions int `yaml:"max_sessions" rule:"default=50;min=1;max=50"`
	// RecoverTo is the member that recover gives sessions to. Empty: one of those that are alive is chosen.
	RecoverTo string `yaml:"recover_to" rule:"member"`
	// Limit is how long a recovery may take altogether, the waits between its stages included, default 2m, at most 10m; never more than a
	// minute is taken. What has not begun by then is not done.
	Limit Duration `yaml:"limit" rule:"default=2m;min=1s;max=10m"`
	// Timeout of one order at the store, default 15s: longer than it may wait for replicas.
	Timeout Duration `yaml:"timeout" rule:"default=15s;min=10ms;max=60s"`
}

// fill puts in the defaults that depend on others.
func (s *SessionDrift) fill() {
	if s.Alerts == nil {
		s.Alerts = []string{"SessionReplicationLag", "OrphanedSessionsDetected", "SessionDataInconsistency",
			"SessionRecoverySlow", "SessionsNotMeasured"}
	}
	if s.Thresholds.ConfirmAfter == 0 {
		s.Thresholds.ConfirmAfter = s.Thresholds.SampleEvery
	}
	for i := range s.Stores {
		t := &s.Stores[i]
		t.Mode = or(t.Mode, s.Mode)
		if t.Match == nil {
			t.Match = map[string]string{"store": t.Store}
		}
	}
}
