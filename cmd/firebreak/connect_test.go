package main

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// connectPolicy is a policy for a cluster of the test bed, as an operator writes it.
func connectPolicy(c *testbed.PostgresCluster, b *testbed.PgBouncer, socket string) string {
	nodes := ""
	for _, n := range c.Nodes() {
		nodes += fmt.Sprintf("      - {node: %s, host: 127.0.0.1, port: %d}\n", n.Name, n.Port)
	}
	return fmt.Sprintf(`
postgres:
  - cluster: orders
    connect:
      database: %s
      sslmode: disable
      probe: {user: firebreak_probe, password: probe-password}
      act: {user: firebreak_act, password: act-password}
    nodes:
%s    reads: {haproxy: {address: %s, backend: pg_read}}
    pgbouncers:
      - {pgbouncer: bouncer1, host: 127.0.0.1, port: %s, sslmode: disable, stats: %s, admin: %s}
handlers:
  replicationlag:
    mode: observe
    clusters: [{cluster: orders, fix: {allow: [drain, end_conflict], roles: [app_ro]}}]
`, testbed.Database, nodes, socket, strings.TrimPrefix(b.Addr, "127.0.0.1:"), loginOf(b.StatsURL()), loginOf(b.AdminURL()))
}

// loginOf is a login of the policy with the user and password of a URL.
func loginOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		panic(err) // the test bed's own
	}
	password, _ := u.User.Password()
	return fmt.Sprintf("{user: %s, password: %q}", u.User.Username(), password)
}

// A new cluster: first nothing works and each missing right is named with its statement; after roles.sql all does.
func TestConfigCheckConnects(t *testing.T) {
	t.Parallel()
	roles := []string{"create role firebreak_probe login password 'probe-password'", "create role firebreak_act login password 'act-password'"}
	c := testbed.StartPostgres(t, testbed.PostgresOptions{Init: roles})
	servers := map[string]string{}
	for _, s := range c.Standbys {
		servers[s.Name] = s.Addr
	}
	balancer := testbed.StartHAProxy(t, testbed.HAProxyOptions{Servers: servers, Backend: "pg_read", Check: true})
	bouncer := testbed.StartPgBouncer(t, testbed.PgBouncerOptions{Target: c.Primary})
	file := writeFile(t, t.TempDir(), "firebreak.yaml", connectPolicy(c, bouncer, balancer.Socket))
	check := func() (int, string) {
		var out bytes.Buffer
		code := run(t.Context(), []string{"config", "check", "--connect", file}, environment{}.lookup, &out, &out)
		return code, out.String()
	}
	code, said := check()
	for _, want := range []string{"orders/pg1: primary, PostgreSQL", "orders/pg2: standby", "missing: pg_monitor", "missing: pg_signal_backend",
		"GRANT pg_signal_backend TO", "read pool: backend pg_read of HAProxy has 2 servers", "note: pg1 is no server of backend pg_read",
		"orders/bouncer1: PgBouncer answers, and its logins may do what they need and not more"} {
		if !strings.Contains(said, want) {
			t.Errorf("before the grants %q is missing in\n%s", want, said)
		}
	}
	if code != 1 {
		t.Errorf("exit %d, want 1", code)
	}
	for _, sql := range grants(t) {
		c.Primary.Exec(t, strings.ReplaceAll(sql, `:"DBNAME"`, testbed.Database))
	}
	testbed.Await(t, time.Minute, "the grants to arrive at all nodes", func() bool {
		code, said = check()
		return code == 0
	})
	if strings.Contains(said, "missing") || !strings.Contains(said, "both logins may do what they need and not more") {
		t.Errorf("after the grants: %s", said)
	}
	c.Standbys[0].Stop()
	if code, said = check(); code != 1 || !strings.Contains(said, "FAILED orders/pg2") || strings.Contains(said, "-password") {
		t.Errorf("with a stopped standby exit %d: %s", code, said)
	}
}

// grants are the statements of deploy/postgres/roles.sql that give something to one of the two logins.
func grants(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "deploy", "postgres", "roles.sql"))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "GRANT ") && strings.HasSuffix(line, ";") && !strings.Contains(line, "reserved") {
			found = append(found, line)
		}
	}
	if len(found) < 3 {
		t.Fatalf("only %d grants are found in roles.sql: adapt this test", len(found))
	}
	return found
}
