package fieldtest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// exporterRole is whom the exporters connect as. It has what the queries' file says that it needs, and nothing else.
const exporterRole = "exporter"

// exporters starts one for each node, with the queries that are shipped.
func exporters(t *testing.T, c *testbed.PostgresCluster) []testbed.ScrapeTarget {
	t.Helper()
	queries := shipped(t, "alerts", "rules", "postgres_exporter_queries.yaml")
	var all []testbed.ScrapeTarget
	for _, n := range c.Nodes() {
		testbed.Await(t, blackbox.Within, n.Name+" to know the exporter's role", func() bool {
			v, err := n.Ask("select count(*) from pg_roles where rolname = '" + exporterRole + "'")
			return err == nil && v == "1"
		})
		e := testbed.StartPostgresExporter(t, testbed.PostgresExporterOptions{Target: n, Role: exporterRole, Queries: queries})
		all = append(all, testbed.ScrapeTarget{Job: "postgres", Addr: e.Addr, Labels: map[string]string{"cluster": "orders", "node": n.Name}})
	}
	return all
}

// startCluster starts a cluster whose roles are made as an operator makes them.
func startCluster(t *testing.T, standbys int, init ...string) *testbed.PostgresCluster {
	t.Helper()
	c := testbed.StartPostgres(t, testbed.PostgresOptions{Standbys: standbys, HBA: []string{blackbox.RolesHBA()},
		Config: map[string]string{"autovacuum": "off", "checkpoint_timeout": "1h", "max_wal_size": "2GB", "max_slot_wal_keep_size": "20GB",
			"wal_sender_timeout": "60s", "wal_receiver_timeout": "60s", "max_connections": "100", "log_timezone": "UTC"},
		Init: append([]string{"create role " + exporterRole + " login; grant pg_monitor to " + exporterRole}, init...)})
	blackbox.MakeRoles(t, c.Primary)
	return c
}

// clusterPolicy is what an operator writes about the nodes of a cluster.
func clusterPolicy(c *testbed.PostgresCluster) string {
	var b strings.Builder
	fmt.Fprintf(&b, `postgres:
  - cluster: orders
    connect:
      database: app
      sslmode: disable
      probe: {user: %s, password: %q}
      act: {user: %s, password: %q}
      timeout: 3s
    nodes:
`, blackbox.ProbeUser, blackbox.ProbePassword, blackbox.ActUser, blackbox.ActPassword)
	for _, n := range c.Nodes() {
		host, port, _ := strings.Cut(n.Addr, ":")
		fmt.Fprintf(&b, "      - {node: %s, host: %q, port: %s, application_name: %s", n.Name, host, port, n.ApplicationName)
		if n.Slot != "" {
			fmt.Fprintf(&b, ", slot: %s", n.Slot)
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// says asks a node a question to which the answer is yes or no.
func says(n *testbed.PostgresNode, question string) bool {
	v, err := n.Ask(question)
	return err == nil && v == "t"
}

// dial opens a connection that uses the simple protocol, as it must through a pooler.
func dial(ctx context.Context, addr, role, name string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(testbed.PostgresURL(addr, role, testbed.Database) + "&application_name=" + name)
	if err != nil {
		return nil, err
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	return pgx.ConnectConfig(ctx, config)
}

// session opens one that lasts until the test ends, or somebody ends it, and says which backend it has.
func session(t *testing.T, addr, role, name, first string) (*pgx.Conn, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), blackbox.Within)
	defer cancel()
	conn, err := dial(ctx, addr, role, name)
	if err != nil {
		t.Fatalf("open a session of %s: %v", role, err)
	}
	t.Cleanup(func() { _ = conn.PgConn().Conn().Close() }) // whatever it is in the middle of
	if first != "" {
		if _, err := conn.Exec(ctx, first); err != nil {
			t.Fatalf("a session of %s: %s: %v", role, first, err)
		}
	}
	var pid int
	if err := conn.QueryRow(ctx, "select pg_backend_pid()").Scan(&pid); err != nil {
		t.Fatalf("a session of %s: %v", role, err)
	}
	return conn, pid
}

// again does something every so often until it is called off. What was begun is ended.
func again(t *testing.T, every time.Duration, do func(ctx context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		for blackbox.Pause(ctx, every) {
			if err := do(context.WithoutCancel(ctx)); err != nil {
				return // what it does is missed by what waits for it
			}
		}
	})
	stop = sync.OnceFunc(func() { cancel(); work.Wait() })
	t.Cleanup(stop)
	return stop
}
