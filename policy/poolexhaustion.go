package policy

// poolExhaustion is the name of the handler that [PoolExhaustion] is the policy of.
const poolExhaustion = "poolexhaustion"

// PoolExhaustion is the policy of the handler "poolexhaustion": clients that wait for a database connection.
type PoolExhaustion struct {
	// Mode of all clusters that do not name their own, default observe.
	Mode Mode `yaml:"mode" rule:"default=observe;mode"`
	// Alerts are the alertnames that this handler answers, default PgBouncerPoolExhausted, PgBouncerPaused, PgBouncerClientsNearLimit,
	// PostgreSQLConnectionsNearLimit, PostgreSQLIdleInTransaction, PostgreSQLLockConvoy, PostgreSQLPreparedTransactionOld,
	// PostgreSQLSyncStandbyMissing, AppPoolExhausted.
	Alerts     []string       `yaml:"alerts"`
	Thresholds PoolThresholds `yaml:"thresholds"`
	// Clusters are the targets: nothing is looked at or changed that is not named here.
	Clusters []PoolCluster `yaml:"clusters"`
}

// PoolThresholds are the numbers that tell one cause of waiting from another, and that judge a fix. Zero takes the default.
type PoolThresholds struct {
	// Waiting is how many clients must wait for there to be a fault, default 1. MaxWait is how long the oldest of them must have, default 1s.
	Waiting int      `yaml:"waiting" rule:"default=1;min=1"`
	MaxWait Duration `yaml:"max_wait" rule:"default=1s;min=10ms"`
	// LeakAge is how old a transaction that does nothing must be to be leaked, default 5m. It is never less than LeakFactor times the p99 of
	// transactions, where that is known; LeakFactor defaults to 3.
	LeakAge    Duration `yaml:"leak_age" rule:"default=5m;min=10ms"`
	LeakFactor float64  `yaml:"leak_factor" rule:"default=3;min=1"`
	// Victims is how many sessions must wait behind one for a lock convoy, default 3, at least 1.
	Victims int `yaml:"victims" rule:"default=3;min=1"`
	// Headroom is the share of usable server connections that must be free before a pool may grow, default 0.3. No pool grows above UsableShare of
	// the server's usable connections over all pools, default 0.8.
	Headroom    float64 `yaml:"headroom" rule:"default=0.3;over=0;under=1"`
	UsableShare float64 `yaml:"usable_share" rule:"default=0.8;over=0;under=1"`
	// ClientShare is the share of max_client_conn at which clients are the fault, default 0.9.
	ClientShare float64 `yaml:"client_share" rule:"default=0.9;over=0;under=1"`
	// BusyShare is the share of a pool's servers that run a query at which the database itself is the limit, default 0.8.
	BusyShare float64 `yaml:"busy_share" rule:"default=0.8;over=0;under=1"`
	// SampleEvery is the time between two looks, default 5s, at least what pg_blocking_pids may be asked for. Samples is how many must agree in
	// one decision, default 1. ConfirmAfter is when to look again before acting, default sample_every.
	SampleEvery  Duration `yaml:"sample_every" rule:"default=5s;min=10ms"`
	Samples      int      `yaml:"samples" rule:"default=1;min=1;max=6"`
	ConfirmAfter Duration `yaml:"confirm_after" rule:"min=10ms"`
	// VerifyWithin is how long an effect is looked for, default 60s; HoldFor how long nobody must have waited before a larger pool is given
	// back, default 60s.
	VerifyWithin Duration `yaml:"verify_within" rule:"default=60s;min=10ms"`
	HoldFor      Duration `yaml:"hold_for" rule:"default=60s;min=10ms"`
}

// PoolCluster is what may be done about waiting clients in one cluster.
type PoolCluster struct {
	// Cluster is a name of postgres[].cluster. Required.
	Cluster string `yaml:"cluster" rule:"need=orders;name"`
	// Mode of this cluster, default the handler's. It can only be stricter than the handler's.
	Mode Mode    `yaml:"mode" rule:"mode"`
	Fix  PoolFix `yaml:"fix"`
	// Apps are pools inside of applications, without PgBouncer: HikariCP, pgxpool and the like.
	Apps []AppPool `yaml:"apps"`
}

// The fixes of an exhausted pool.
const (
	fixEndLeaked  = "end_leaked"
	fixEndBlocker = "end_blocker"
	fixGrowPool   = "grow_pool"
	fixResume     = "resume"
)

// poolFixes are the names that allow may use.
func poolFixes() []string { return []string{fixEndLeaked, fixEndBlocker, fixGrowPool, fixResume} }

// PoolFix is what may be changed. With an empty Allow nothing is.
type PoolFix struct {
	// Allow names the fixes that may be used: end_leaked ends sessions that sit idle in a transaction (class A); end_blocker ends the one
	// session that all others wait for (class A); grow_pool raises a pool's size by at most a quarter, for a time (class A); resume ends
	// a pause of PgBouncer: our own (class A), or somebody's (class P).
	Allow []string `yaml:"allow" rule:"poolfix"`
	// Roles are those whose sessions may be ended. Empty: nobody's.
	Roles []string `yaml:"roles"`
	// MaxSessions is how many sessions one action may end, 1 to 3, default 3.
	MaxSessions int `yaml:"max_sessions" rule:"default=3;min=1;max=3"`
	// GrowPercent is by how much a pool may grow, 1 to 25, default 25.
	GrowPercent int `yaml:"grow_percent" rule:"default=25;min=1;max=25"`
	// Limit is how long a larger pool stands at most, default 30m, which is also the most.
	Limit Duration `yaml:"limit" rule:"default=30m;min=1s;max=30m"`
	// Timeout of one command, default 5s.
	Timeout Duration `yaml:"timeout" rule:"default=5s;min=10ms"`
}

// AppPool is a connection pool inside of an application.
type AppPool struct {
	// App is its name, once only in its cluster, and not that of a node or pooler. Required.
	App string `yaml:"app" rule:"need=checkout;name"`
	// Match are labels that an alert must carry to be about it, default {app: App}.
	Match map[string]string `yaml:"match"`
	// Prometheus gives the pool's numbers.
	Prometheus AppPoolMetrics `yaml:"prometheus"`
	// HTTP raises the pool's size by the application's own endpoint; its control takes .Params with "size", which is that of one
	// instance: all of them are named. Nil: it cannot be changed.
	HTTP *AppPoolHTTP `yaml:"http"`
}

// AppPoolMetrics are expressions that each give one number. "$" in an expression is left alone.
type AppPoolMetrics struct {
	URL             string `yaml:"url" rule:"need=http://prometheus:9090;base"`
	BearerToken     Secret `yaml:"bearer_token"`
	BearerTokenFile string `yaml:"bearer_token_file" rule:"into=BearerToken"`
	// Waiting are callers that wait for a connection, Busy connections in use, Size how many there may be.
	Waiting string `yaml:"waiting" rule:"need=sum(hikaricp_connections_pending);raw"`
	Busy    string `yaml:"busy" rule:"need=sum(hikaricp_connections_active);raw"`
	Size    string `yaml:"size" rule:"need=sum(hikaricp_connections_max);raw"`
	// Timeout of one look, default 3s.
	Timeout Duration `yaml:"timeout" rule:"default=3s;min=1ms"`
}

// AppPoolHTTP is an application's own endpoint for the size of its pool.
type AppPoolHTTP struct {
	Instances       []string    `yaml:"instances" rule:"need=http://checkout-1:8081;base"`
	BearerToken     Secret      `yaml:"bearer_token"`
	BearerTokenFile string      `yaml:"bearer_token_file" rule:"into=BearerToken"`
	Grow            HTTPControl `yaml:"grow" rule:"raw"`
}

// fill puts in the defaults that depend on others.
func (x *PoolExhaustion) fill() {
	if x.Alerts == nil {
		x.Alerts = []string{"PgBouncerPoolExhausted", "PgBouncerPaused", "PgBouncerClientsNearLimit", "PostgreSQLConnectionsNearLimit",
			"PostgreSQLIdleInTransaction", "PostgreSQLLockConvoy", "PostgreSQLPreparedTransactionOld",
			"PostgreSQLSyncStandbyMissing", "AppPoolExhausted"}
	}
	if x.Thresholds.ConfirmAfter == 0 {
		x.Thresholds.ConfirmAfter = x.Thresholds.SampleEvery
	}
	for i := range x.Clusters {
		c := &x.Clusters[i]
		c.Mode = or(c.Mode, x.Mode)
		for j := range c.Apps {
			if a := &c.Apps[j]; a.Match == nil {
				a.Match = map[string]string{"app": a.App}
			}
		}
	}
}
