package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/rs/zerolog"
)

// checkConnect is what "config check --connect" says of a policy, and its exit code.
func checkConnect(t *testing.T, text string) (int, string) {
	t.Helper()
	var out bytes.Buffer
	file := writeFile(t, t.TempDir(), "firebreak.yaml", text)
	code := run(t.Context(), []string{"config", "check", "--connect", file}, environment{}.lookup, &out, &out)
	return code, out.String()
}

// mentions fails the test if a text lacks some words.
func mentions(t *testing.T, when, said string, words ...string) {
	t.Helper()
	for _, want := range words {
		if !strings.Contains(said, want) {
			t.Errorf("%s, %q is missing in\n%s", when, want, said)
		}
	}
}

// redisPolicy is a policy for a Redis of the test bed, as an operator writes it.
func redisPolicy(r *testbed.Redis, password, allow string) string {
	return fmt.Sprintf(`
sessions:
  - store: webshop
    ttl: 30s
    redis:
      primary: %s
      replicas: [{name: redis2, address: "%s"}]
      prefix: "sess:"
      user: firebreak
      password: %s
handlers:
  sessiondrift:
    stores: [{store: webshop, fix: {allow: [%s]}}]
`, r.Primary.Addr, r.Replicas[0].Addr, password, allow)
}

// TestConnectsToRedis: each command that the user may not use is named where it may not, and with all of them everything works.
func TestConnectsToRedis(t *testing.T) {
	t.Parallel()
	r := testbed.StartRedis(t, testbed.RedisOptions{})
	do := func(n *testbed.RedisNode, words ...string) {
		t.Helper()
		if _, err := n.Do(words...); err != nil {
			t.Fatal(err)
		}
	}
	may := func(rights ...string) {
		t.Helper()
		for _, n := range []*testbed.RedisNode{r.Primary, r.Replicas[0]} {
			do(n, append([]string{"ACL", "SETUSER", "firebreak", "reset", "on", ">secret-password", "~sess:*"}, rights...)...)
		}
	}
	looks := strings.Fields("+scan +hgetall +hkeys +hmget +pexpiretime +time +info +eval")
	now := time.Now().Add(time.Hour).UnixMilli()
	do(r.Primary, "HSET", "sess:nodes", "a", fmt.Sprintf(`{"epoch":7,"since":1,"lease_until":%d,"sees":[]}`, now))
	do(r.Primary, "HSET", "sess:s:strange", "owner", "a")

	may(looks...)
	code, said := checkConnect(t, redisPolicy(r, "secret-password", ""))
	mentions(t, "who only looks", said, "sessiondrift: mode observe, 1 stores", "nothing tells of partitions",
		"sessions of webshop: 1 nodes are registered in epoch 7, with a quorum", "note: 1 of the first 1 are no sessions")
	if code != 0 || strings.Contains(said, "missing") || strings.Contains(said, "secret-password") {
		t.Errorf("who only looks: exit %d\n%s", code, said)
	}
	code, said = checkConnect(t, redisPolicy(r, "secret-password", "quarantine"))
	mentions(t, "without the rights to change", said, "missing: at the primary its user may not use HGET, HSET,", "RENAME", "RESTORE", "+rename")
	if code != 1 || strings.Contains(said, "redis2 its user") || strings.Contains(said, "may not use HGETALL") {
		t.Errorf("without the rights to change: exit %d\n%s", code, said)
	}
	may(append(looks, strings.Fields("+hget +hset +hsetnx +hexists +exists +pexpire +pexpireat +persist +rename +dump +restore +wait +evalsha")...)...)
	if code, said = checkConnect(t, redisPolicy(r, "secret-password", "quarantine")); code != 0 || strings.Contains(said, "missing") {
		t.Errorf("with all rights: exit %d\n%s", code, said)
	}
	code, said = checkConnect(t, redisPolicy(r, "another-password", "quarantine"))
	mentions(t, "with a wrong password", said, "FAILED sessions of webshop: the membership cannot be read")
	if code != 1 || strings.Contains(said, "another-password") {
		t.Errorf("with a wrong password: exit %d\n%s", code, said)
	}
	r.Replicas[0].Stop()
	code, said = checkConnect(t, redisPolicy(r, "secret-password", "quarantine"))
	mentions(t, "with a stopped replica", said, "FAILED sessions of webshop: replica redis2 is unreachable")
	if code != 1 {
		t.Errorf("with a stopped replica: exit %d", code)
	}
}

// TestConnectsToTables: each missing right is named with its statement, which gives it; the tables may be in a database of their own.
func TestConnectsToTables(t *testing.T) {
	t.Parallel()
	c := testbed.StartPostgres(t, testbed.PostgresOptions{Init: []string{
		"create role firebreak_probe login password 'probe-password'; grant pg_monitor to firebreak_probe",
		"create role firebreak_act login password 'act-password'",
	}})
	c.Primary.Exec(t, "create database accounts")
	nodes := ""
	for _, n := range c.Nodes() {
		nodes += fmt.Sprintf("{node: %s, host: 127.0.0.1, port: %d}, ", n.Name, n.Port)
	}
	text := fmt.Sprintf(`
postgres:
  - cluster: orders
    connect: {database: %s, sslmode: disable, probe: {user: firebreak_probe, password: probe-password}, act: {user: firebreak_act, password: act-password}}
    nodes: [%s]
sessions: [{store: accounts, ttl: 30s, postgres: {cluster: orders, database: accounts}}]
handlers: {sessiondrift: {stores: [{store: accounts, fix: {allow: [quarantine]}}]}}
`, testbed.Database, nodes)
	code, said := checkConnect(t, text)
	mentions(t, "without tables", said, "FAILED sessions of accounts: the membership cannot be read")
	if code != 1 {
		t.Errorf("without tables: exit %d", code)
	}
	in := func(sql ...string) {
		t.Helper()
		args := []string{"-X", "-v", "ON_ERROR_STOP=1", "-d", c.Primary.URL(testbed.RoleSuperuser, "accounts")}
		if out, err := exec.CommandContext(t.Context(), "psql", append(args, sql...)...).CombinedOutput(); err != nil {
			t.Fatalf("psql %q: %v\n%s", sql, err, out)
		}
	}
	in("-f", "../../deploy/sessions/postgres.sql")
	in("-c", "revoke all on sessions, session_actions from firebreak_act; revoke update (owner) on sessions from firebreak_act")
	testbed.Await(t, time.Minute, "the missing rights to be said", func() bool {
		code, said = checkConnect(t, text)
		return code == 1 && !strings.Contains(said, "FAILED")
	})
	mentions(t, "without rights", said, "sessions of accounts: 0 nodes are registered in epoch 0, without a quorum",
		`missing: on the primary, in database accounts: GRANT SELECT ON "public"."sessions" TO firebreak_act;`,
		`GRANT UPDATE ("owner") ON "public"."sessions" TO firebreak_act;`, `GRANT INSERT ON "public"."session_actions" TO firebreak_act;`)
	for line := range strings.Lines(said) {
		if _, grant, missing := strings.Cut(line, "in database accounts: "); missing {
			in("-c", grant)
		}
	}
	testbed.Await(t, time.Minute, "the rights to be there at all nodes", func() bool {
		code, said = checkConnect(t, text)
		return code == 0
	})
	if strings.Contains(said, "missing") || strings.Contains(said, "-password") {
		t.Errorf("with all rights: %s", said)
	}
}

// TestOpensExample: all stores of the example are opened, each as it is written, and every one can be looked at and changed.
func TestOpensExample(t *testing.T) {
	t.Parallel()
	p := examplePolicy(t)
	db, err := openDatabases(p, nil, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	if len(db.stores.stores) != len(p.Sessions) || len(db.stores.lookers()) != len(p.Sessions) || len(p.Sessions) < 3 {
		t.Errorf("got %d stores of %d", len(db.stores.stores), len(p.Sessions))
	}
	if h, err := driftHandler(p, db.stores, nil); err != nil || h.Name() != "sessiondrift" || len(h.Targets()) != 2 {
		t.Errorf("the handler: %v", err)
	}
	var names []string
	for _, n := range sessionNodes(p) {
		names = append(names, n.Name+" "+n.Database)
	}
	if want := []string{"accounts@orders/pg1 accounts", "accounts@orders/pg2 accounts", "accounts@orders/pg3 accounts"}; !reflect.DeepEqual(names, want) {
		t.Errorf("got nodes %q, want %q", names, want)
	}
	broken := p
	broken.Sessions = []policy.SessionStore{{Store: "x", TTL: policy.Duration(time.Second)}}
	if _, err := openSessions(broken, db.fleet, nil, zerolog.Nop()); err == nil || !strings.Contains(err.Error(), "sessions of x: ") {
		t.Errorf("a store that is nowhere: %v", err)
	}
	bare := policy.SessionStore{Store: "x", TTL: policy.Duration(time.Second), Redis: &policy.RedisSessions{Primary: "h:1",
		TLS: &policy.RedisTLS{CAFile: writeFile(t, t.TempDir(), "ca.pem", "nothing"), ServerName: "redis"}}}
	if c, err := redisConfig(bare); err == nil || c.TLS.ServerName != "redis" {
		t.Errorf("a file without authorities: %+v, %v", c.TLS, err)
	}
}
