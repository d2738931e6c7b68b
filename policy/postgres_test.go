package policy_test

import (
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
)

// defaultLag is what the documentation says about replicationlag.
func defaultLag() policy.ReplicationLag {
	return policy.ReplicationLag{
		Mode: policy.Observe,
		Alerts: []string{"PostgreSQLReplicationLag", "PostgreSQLReplicaCount", "PostgreSQLStandbyAbsent", "PostgreSQLReplicationNotMeasured",
			"PostgreSQLSlotRetention"},
		Thresholds: policy.LagThresholds{
			SLO: policy.Duration(30 * time.Second), SlackBytes: 64 << 10, CatchUpWithin: policy.Duration(5 * time.Minute),
			ConflictAge: policy.Duration(time.Minute), ReplyAge: policy.Duration(20 * time.Second), PausedFor: policy.Duration(30 * time.Minute),
			RetainedShare: 0.7, BurstRatio: 2, SampleEvery: policy.Duration(5 * time.Second), Samples: 2,
			ConfirmAfter: policy.Duration(5 * time.Second), VerifyWithin: policy.Duration(time.Minute), HoldFor: policy.Duration(time.Minute),
		},
	}
}

// defaultPool is what the documentation says about poolexhaustion.
func defaultPool() policy.PoolExhaustion {
	return policy.PoolExhaustion{
		Mode: policy.Observe,
		Alerts: []string{"PgBouncerPoolExhausted", "PgBouncerPaused", "PgBouncerClientsNearLimit", "PostgreSQLConnectionsNearLimit",
			"PostgreSQLIdleInTransaction", "PostgreSQLLockConvoy", "PostgreSQLPreparedTransactionOld",
			"PostgreSQLSyncStandbyMissing", "AppPoolExhausted"},
		Thresholds: policy.PoolThresholds{
			Waiting: 1, MaxWait: policy.Duration(time.Second), LeakAge: policy.Duration(5 * time.Minute), LeakFactor: 3, Victims: 3,
			Headroom: 0.3, UsableShare: 0.8, ClientShare: 0.9, BusyShare: 0.8, SampleEvery: policy.Duration(5 * time.Second), Samples: 1,
			ConfirmAfter: policy.Duration(5 * time.Second), VerifyWithin: policy.Duration(time.Minute), HoldFor: policy.Duration(time.Minute),
		},
	}
}

// TestNoAlertOfTwoHandlers: by default no alert is answered by two handlers, since one fault would be two incidents.
func TestNoAlertOfTwoHandlers(t *testing.T) {
	t.Parallel()
	h := policy.Default().Handlers
	all := slices.Concat(h.RetryStorm.Alerts, h.ReplicationLag.Alerts, h.PoolExhaustion.Alerts, h.SessionDrift.Alerts)
	slices.Sort(all)
	if once := slices.Compact(slices.Clone(all)); !slices.Equal(all, once) {
		t.Errorf("got %q, want each once", all)
	}
}

// TestDefaultsOfClusters: what a cluster, its nodes, its poolers and the handlers' sections take from their own names, and from the
// documentation.
func TestDefaultsOfClusters(t *testing.T) {
	t.Parallel()
	p := parse(t, `
postgres:
  - cluster: orders
    connect: {probe: {user: probe, password: "${TOKEN}"}, act: {user: act, password_file: token}, sslrootcert_file: cert.pem}
    nodes: [{node: pg1, host: "${HOST}"}, {node: pg2, host: "::1", port: 5433, application_name: two, slot: two}, {node: pg3, host: /run/postgresql}]
    patroni: {urls: ["http://pg1:8008"]}
    reads: {haproxy: {address: "tcp://127.0.0.1:9999", backend: "pg:read.1", servers: {pg2: "${HOST}"}}}
    pgbouncers: [{pgbouncer: bouncer1, host: b1, stats: {user: stats}}]
handlers:
  replicationlag: {clusters: [{cluster: orders}], thresholds: {sample_every: 2s}}
  poolexhaustion:
    clusters:
      - cluster: orders
        apps: [{app: "${NAME}", prometheus: {url: "http://p", waiting: "${NAME}", busy: $b, size: s}}]
`)
	seconds := func(n int) policy.Duration { return policy.Duration(time.Duration(n) * time.Second) }
	want := policy.PostgresCluster{
		Cluster: "orders", Domain: "orders", Zone: "all", Match: map[string]string{"cluster": "orders"},
		Connect: policy.PostgresConnect{
			Database: "postgres", SSLMode: "verify-full", SSLRootCertFile: filepath.Join("testdata", "files", "cert.pem"), Timeout: seconds(5),
			Probe: policy.PostgresLogin{User: "probe", Password: "hunter2-hunter2-hunter2-hunter2"},
			Act: &policy.PostgresLogin{User: "act", Password: "a-token-of-twenty-four-chars",
				PasswordFile: filepath.Join("testdata", "files", "token")},
		},
		Nodes: []policy.PostgresNode{
			{Node: "pg1", Host: "am.example.com", Port: 5432, ApplicationName: "pg1"},
			{Node: "pg2", Host: "::1", Port: 5433, ApplicationName: "two", Slot: "two"},
			{Node: "pg3", Host: "/run/postgresql", Port: 5432, ApplicationName: "pg3"},
		},
		Patroni: &policy.Patroni{URLs: []string{"http://pg1:8008"}, Timeout: seconds(3)},
		Reads: &policy.ReadPool{MinReady: 1, HAProxy: &policy.HAProxyPool{Address: "tcp://127.0.0.1:9999", Backend: "pg:read.1",
			Servers: map[string]string{"pg2": "am.example.com"}}},
		PgBouncers: []policy.PgBouncer{{PgBouncer: "bouncer1", Host: "b1", Port: 6432, SSLMode: "verify-full", Stats: policy.PostgresLogin{User: "stats"}}},
	}
	if len(p.Postgres) != 1 || !reflect.DeepEqual(p.Postgres[0], want) {
		t.Errorf("cluster:\ngot  %+v\nwant %+v", p.Postgres, want)
	}
	lag := defaultLag()
	lag.Thresholds.SampleEvery, lag.Thresholds.ConfirmAfter = seconds(2), seconds(2)
	lag.Clusters = []policy.LagCluster{{Cluster: "orders", Mode: policy.Observe,
		Fix: policy.LagFix{MaxSessions: 3, Limit: seconds(600), Timeout: seconds(5)}}}
	if got := p.Handlers.ReplicationLag; !reflect.DeepEqual(got, lag) {
		t.Errorf("replicationlag:\ngot  %+v\nwant %+v", got, lag)
	}
	pool := defaultPool()
	pool.Clusters = []policy.PoolCluster{{Cluster: "orders", Mode: policy.Observe,
		Fix: policy.PoolFix{MaxSessions: 3, GrowPercent: 25, Limit: seconds(1800), Timeout: seconds(5)},
		Apps: []policy.AppPool{{App: "checkout", Match: map[string]string{"app": "checkout"},
			Prometheus: policy.AppPoolMetrics{URL: "http://p", Waiting: "${NAME}", Busy: "$b", Size: "s", Timeout: seconds(3)}}}}}
	if got := p.Handlers.PoolExhaustion; !reflect.DeepEqual(got, pool) {
		t.Errorf("poolexhaustion:\ngot  %+v\nwant %+v", got, pool)
	}
}
