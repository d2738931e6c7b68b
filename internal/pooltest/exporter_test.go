package pooltest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/pgbouncer"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// exporter tells Prometheus what a pooler shows, by the names of the community's exporter that the rules use. It says of each number which
// cluster and pooler it is of, as the labels of a target would.
type exporter struct {
	addr    string
	console *pgbouncer.Console
}

// startExporter starts one.
func startExporter(t *testing.T, p *testbed.PgBouncer) *exporter {
	t.Helper()
	e := &exporter{console: consoleOf(t, p)}
	listener, err := net.Listen("tcp", testbed.Addr(t))
	if err != nil {
		t.Fatalf("listen as the exporter: %v", err)
	}
	e.addr = listener.Addr().String()
	server := &http.Server{Handler: e, ReadHeaderTimeout: 10 * time.Second}
	var work sync.WaitGroup
	work.Go(func() { _ = server.Serve(listener) }) // it says that it was closed
	t.Cleanup(func() { _ = server.Close(); work.Wait() })
	return e
}

func consoleOf(t *testing.T, p *testbed.PgBouncer) *pgbouncer.Console {
	t.Helper()
	addr, err := net.ResolveTCPAddr("tcp", p.Addr)
	if err != nil {
		t.Fatal(err)
	}
	c, err := pgbouncer.New(pgbouncer.Config{Host: addr.IP.String(), Port: addr.Port, SSLMode: "disable", User: statsUser,
		Password: testbed.Password(statsUser), Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// ServeHTTP answers a scrape.
func (e *exporter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, err := e.metrics(r.Context())
	if err != nil {
		text = sample("up", "", 0)
	}
	_, _ = w.Write([]byte(text)) // whoever asked may have gone
}

// sample is one line of the text format.
func sample(name, labels string, value float64) string {
	return fmt.Sprintf("pgbouncer_%s{cluster=\"orders\",node=%q%s} %g\n", name, bouncer, labels, value)
}

// metrics is all that it tells.
func (e *exporter) metrics(ctx context.Context) (string, error) {
	var b strings.Builder
	databases, err := e.console.Databases(ctx)
	if err != nil {
		return "", err
	}
	for _, d := range databases {
		labels := fmt.Sprintf(",name=%q", d.Name)
		b.WriteString(sample("databases_current_connections", labels, float64(d.CurrentConnections)))
		b.WriteString(sample("databases_max_connections", labels, float64(d.MaxConnections)))
		b.WriteString(sample("databases_pool_size", labels, float64(d.PoolSize)))
		b.WriteString(sample("databases_paused", labels, flag(d.Paused)))
		b.WriteString(sample("databases_disabled", labels, flag(d.Disabled)))
	}
	pools, err := e.console.Pools(ctx)
	if err != nil {
		return "", err
	}
	for _, p := range pools {
		labels := fmt.Sprintf(",database=%q,user=%q", p.Database, p.User)
		b.WriteString(sample("pools_client_active_connections", labels, float64(p.ClientsActive)))
		b.WriteString(sample("pools_client_waiting_connections", labels, float64(p.ClientsWaiting)))
		b.WriteString(sample("pools_client_maxwait_seconds", labels, float64(p.MaxWait/time.Second))) // whole ones, as the pooler's maxwait
		b.WriteString(sample("pools_server_active_connections", labels, float64(p.ServersActive)))
		b.WriteString(sample("pools_server_idle_connections", labels, float64(p.ServersIdle)))
		b.WriteString(sample("pools_server_login_connections", labels, float64(p.ServersLogin)))
	}
	clients, err := e.console.Clients(ctx)
	if err != nil {
		return "", err
	}
	settings, err := e.console.Config(ctx)
	if err != nil {
		return "", err
	}
	most, err := settings.Int("max_client_conn")
	if err != nil {
		return "", err
	}
	b.WriteString(sample("used_clients", "", float64(len(clients))))
	b.WriteString(sample("config_max_client_connections", "", float64(most)))
	b.WriteString(sample("up", "", 1))
	return b.String(), nil
}

func flag(set bool) float64 {
	if set {
		return 1
	}
	return 0
}

// namesAreThoseOfTheRules: what this exporter tells has exactly the names that the rules were tried with.
func (e *exporter) namesAreThoseOfTheRules(t *testing.T) {
	t.Helper()
	text, err := e.metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for line := range strings.Lines(text) {
		name, _, _ := strings.Cut(line, "{")
		got = append(got, name)
	}
	file, err := os.ReadFile(filepath.Join("..", "..", "alerts", "rules", "testdata", "pgbouncer_exporter.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(file)) {
		if !strings.HasPrefix(line, "#") {
			want = append(want, strings.TrimSpace(line))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if got = slices.Compact(got); !slices.Equal(got, want) {
		t.Errorf("the exporter tells %q, want %q", got, want)
	}
}
