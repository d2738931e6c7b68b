package policy_test

import (
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
)

// defaultDrift is what the documentation says about sessiondrift.
func defaultDrift() policy.SessionDrift {
	return policy.SessionDrift{
		Mode: policy.Observe,
		Alerts: []string{"SessionReplicationLag", "OrphanedSessionsDetected", "SessionDataInconsistency", "SessionRecoverySlow",
			"SessionsNotMeasured"},
		Thresholds: policy.DriftThresholds{
			Lag: policy.Duration(5 * time.Second), Stable: policy.Duration(10 * time.Minute), OrphanPercent: 5, OrphanJump: 10,
			ClockSkew: policy.Duration(time.Second), SampleEvery: policy.Duration(5 * time.Second), ConfirmAfter: policy.Duration(5 * time.Second),
			VerifyWithin: policy.Duration(10 * time.Minute), HoldFor: policy.Duration(2 * time.Minute),
		},
	}
}

// defaultDriftFix is what may be done where a policy names nothing.
func defaultDriftFix() policy.DriftFix {
	return policy.DriftFix{MaxSessions: 50, Limit: policy.Duration(2 * time.Minute), Timeout: policy.Duration(15 * time.Second)}
}

// TestDefaultsOfStores: what a store and the handler's section take from their own names, from the cluster, and from the documentation.
func TestDefaultsOfStores(t *testing.T) {
	t.Parallel()
	p := parse(t, `
postgres:
  - {cluster: orders, domain: shop, zone: eu-1, connect: {probe: {user: probe}, database: app}, nodes: [{node: pg1, host: h1}, {node: pg2, host: h2}]}
sessions:
  - store: webshop
    ttl: 30s
    redis: {primary: "${HOST}:6379", replicas: [{name: r1, address: "h:1"}], prefix: "s:", password_file: token, tls: {ca_file: cert.pem}}
  - {store: accounts, ttl: 60s, postgres: {cluster: orders, columns: {copy: "-"}}}
  - {store: other, domain: own, zone: eu-2, ttl: 60s, postgres: {cluster: orders, database: own, table: a.b}}
  - {store: console, ttl: 60s, http: {url: "http://h", bearer_token: "${TOKEN}"}}
handlers:
  sessiondrift:
    thresholds: {sample_every: 2s}
    stores: [{store: webshop, prometheus: {url: "http://p", partition: "${NAME}$"}}, {store: accounts, match: {app: accounts}}]
`)
	seconds := func(n int) policy.Duration { return policy.Duration(time.Duration(n) * time.Second) }
	columns := policy.SessionColumns{ID: "session_id", Copy: "copy", Owner: "owner", Epoch: "epoch", Lease: "lease_expires_at", Version: "version",
		VersionType: "text", Priority: "priority", UpdatedAt: "updated_at", QuarantinedAt: "quarantined_at", QuarantinedBy: "quarantined_by"}
	single := columns
	single.Copy = "-"
	want := []policy.SessionStore{
		{Store: "webshop", Domain: "webshop", Zone: "all", TTL: seconds(30), Redis: &policy.RedisSessions{
			Primary: "am.example.com:6379", Replicas: []policy.RedisReplica{{Name: "r1", Address: "h:1"}}, Prefix: "s:",
			Password: "a-token-of-twenty-four-chars", PasswordFile: filepath.Join("testdata", "files", "token"),
			TLS: &policy.RedisTLS{CAFile: filepath.Join("testdata", "files", "cert.pem")}, Timeout: seconds(2), Wait: seconds(2)}},
		{Store: "accounts", Domain: "shop", Zone: "eu-1", TTL: seconds(60), Postgres: &policy.PostgresSessions{
			Cluster: "orders", Database: "app", Table: "public.sessions", NodesTable: "public.session_nodes", ActionsTable: "public.session_actions",
			Columns: single, Wait: seconds(2)}},
		{Store: "other", Domain: "own", Zone: "eu-2", TTL: seconds(60), Postgres: &policy.PostgresSessions{
			Cluster: "orders", Database: "own", Table: "a.b", NodesTable: "public.session_nodes", ActionsTable: "public.session_actions",
			Columns: columns, Wait: seconds(2)}},
		{Store: "console", Domain: "console", Zone: "all", TTL: seconds(60), HTTP: &policy.HTTPSessions{
			URL: "http://h", BearerToken: "hunter2-hunter2-hunter2-hunter2", Timeout: seconds(15)}},
	}
	for i := range want {
		if i >= len(p.Sessions) || !reflect.DeepEqual(p.Sessions[i], want[i]) {
			t.Errorf("store %d:\ngot  %+v\nwant %+v", i, p.Sessions, want[i])
		}
	}
	drift := defaultDrift()
	drift.Thresholds.SampleEvery, drift.Thresholds.ConfirmAfter = seconds(2), seconds(2)
	drift.Stores = []policy.DriftStore{
		{Store: "webshop", Mode: policy.Observe, Match: map[string]string{"store": "webshop"}, Fix: defaultDriftFix(),
			Prometheus: &policy.DriftMetrics{URL: "http://p", Partition: "${NAME}$", Timeout: seconds(3)}},
		{Store: "accounts", Mode: policy.Observe, Match: map[string]string{"app": "accounts"}, Fix: defaultDriftFix()},
	}
	if got := p.Handlers.SessionDrift; !reflect.DeepEqual(got, drift) {
		t.Errorf("sessiondrift:\ngot  %+v\nwant %+v", got, drift)
	}
	if s, ok := p.SessionStore("accounts"); !ok || s.Postgres.Cluster != "orders" {
		t.Errorf("accounts: got %+v, %t", s, ok)
	}
	if _, ok := p.SessionStore("nothing"); ok {
		t.Error("a store that is not there was found")
	}
}

// stores is a policy with two stores, one of them a target.
func stores(t *testing.T) policy.Policy {
	t.Helper()
	return parse(t, `
server: {api: {operators: [{name: alice, token: "${TOKEN}", may: [approve]}]}}
approvals: {rules: [{operators: [alice]}]}
postgres:
  - {cluster: orders, domain: shop, connect: {probe: {user: probe}, act: {user: act}}, nodes: [{node: pg1, host: h1}, {node: pg2, host: h2}]}
sessions:
  - {store: webshop, zone: eu-1, ttl: 30s, redis: {primary: "h:1"}}
  - {store: accounts, ttl: 30s, postgres: {cluster: orders}}
  - {store: console, ttl: 30s, http: {url: "http://h"}}
handlers:
  sessiondrift:
    mode: auto
    stores:
      - {store: webshop, mode: approve, fix: {allow: [quarantine, recover]}}
      - {store: accounts, fix: {allow: [sync]}}
`)
}

// TestPermitsInStores: a fix is permitted at the one place that a store has, and nowhere else.
func TestPermitsInStores(t *testing.T) {
	t.Parallel()
	p := stores(t)
	for _, c := range []struct {
		handler, target, place, fix string
		want                        bool
	}{
		{"sessiondrift", "webshop", "webshop/sessions", "quarantine", true},
		{"sessiondrift", "webshop", "webshop/sessions", "recover", true},
		{"sessiondrift", "webshop", "webshop/sessions", "sync", false},
		{"sessiondrift", "webshop", "webshop/sessions", "", false},
		{"sessiondrift", "webshop", "webshop", "quarantine", false},
		{"sessiondrift", "webshop", "webshop/", "quarantine", false},
		{"sessiondrift", "webshop", "webshop/web-1", "quarantine", false},
		{"sessiondrift", "webshop", "accounts/sessions", "quarantine", false},
		{"sessiondrift", "accounts", "accounts/sessions", "sync", true},
		{"sessiondrift", "accounts", "orders/pg1", "sync", false},
		{"sessiondrift", "console", "console/sessions", "sync", false},
		{"sessiondrift", "", "/sessions", "sync", false},
		{"replicationlag", "webshop", "webshop/sessions", "quarantine", false},
		{"sessions", "webshop", "webshop/sessions", "quarantine", false},
	} {
		if got := p.Permits(c.handler, c.target, c.place, c.fix); got != c.want {
			t.Errorf("%s, target %s, %s on %s: got %t, want %t", c.handler, c.target, c.fix, c.place, got, c.want)
		}
	}
	// A store that is named nowhere, in a policy that no loader has seen.
	p.Sessions = p.Sessions[1:]
	if p.Permits("sessiondrift", "webshop", "webshop/sessions", "quarantine") {
		t.Error("a store that is not there: quarantine is permitted, want nothing")
	}
}

// TestTargetsInStores: a store is a target with a domain of its own, or that of the cluster that it is in, and listing changes nothing.
func TestTargetsInStores(t *testing.T) {
	t.Parallel()
	p := stores(t)
	want := []policy.TargetName{
		{Handler: "sessiondrift", Name: "webshop", Domain: "webshop", Zone: "eu-1", Mode: policy.Approve, Fixes: []string{"quarantine", "recover"}},
		{Handler: "sessiondrift", Name: "accounts", Domain: "shop", Zone: "all", Mode: policy.Auto, Fixes: []string{"sync"}},
	}
	if got := p.Targets(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	byHand := policy.Default()
	byHand.Postgres = []policy.PostgresCluster{{Cluster: "c", Connect: policy.PostgresConnect{Database: "app"}}}
	byHand.Sessions = []policy.SessionStore{{Store: "a", Postgres: &policy.PostgresSessions{Cluster: "c"}}}
	byHand.Handlers.SessionDrift.Stores = []policy.DriftStore{{Store: "a"}, {Store: "b"}}
	want = []policy.TargetName{
		{Handler: "sessiondrift", Name: "a", Domain: "c", Zone: "all", Mode: policy.Observe},
		{Handler: "sessiondrift", Name: "b", Domain: "b", Zone: "all", Mode: policy.Observe},
	}
	if got := byHand.Targets(); !reflect.DeepEqual(got, want) {
		t.Errorf("made by hand: got  %+v\nwant %+v", got, want)
	}
	if s := byHand.Sessions[0]; s.Domain != "" || s.Postgres.Database != "" {
		t.Errorf("the list changed the policy: %+v, %+v", s, s.Postgres)
	}
}
