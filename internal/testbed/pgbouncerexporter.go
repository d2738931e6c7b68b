package testbed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// PgBouncerExporter tells Prometheus what a PgBouncer shows on its console.
//
// It stands in for the community's pgbouncer_exporter (github.com/prometheus-community/pgbouncer_exporter), which can be had neither from
// Debian nor from the Go module proxy of the machines that run these tests: names, labels and units are those of that one, for all that the
// shipped rules read, and for what is beside it in the same tables. Debian's prometheus-pgbouncer-exporter 1.7 is another program with other
// names. So rules that fire here are tried on a real PgBouncer, and on names that were read, not on that exporter.
type PgBouncerExporter struct {
	// Addr is where Prometheus scrapes it (host:port, path /metrics).
	Addr string

	target *PgBouncer
}

// scrapeWithin is how long one scrape may take at the console.
const scrapeWithin = 5 * time.Second

// StartPgBouncerExporter starts one for a pooler. It ends with the test.
func StartPgBouncerExporter(t TB, target *PgBouncer) *PgBouncerExporter {
	t.Helper()
	listener := listenAnywhere(t)
	e := &PgBouncerExporter{Addr: listener.Addr().String(), target: target}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", e.serve)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return context.Background() }}
	var work sync.WaitGroup
	work.Go(func() { _ = server.Serve(listener) }) // it says that it was closed
	t.Cleanup(func() { _ = server.Close(); work.Wait() })
	return e
}

// serve answers a scrape. A pooler that cannot be asked is pgbouncer_up 0 and nothing else.
func (e *PgBouncerExporter) serve(w http.ResponseWriter, r *http.Request) {
	text, err := e.Metrics(r.Context())
	if err != nil {
		text = "pgbouncer_up 0\n"
	}
	_, _ = w.Write([]byte(text)) // whoever asked may have gone
}

// showing is a table of the console and what becomes of its columns.
type showing struct {
	table, prefix string
	labels        []string
	values        [][2]string // column, metric
}

// showings are the tables whose rows become series.
func showings() []showing {
	return []showing{
		{table: "DATABASES", prefix: "databases", labels: []string{"name", "host", "port", "database", "force_user", "pool_mode"}, values: [][2]string{
			{"pool_size", "pool_size"}, {"reserve_pool", "reserve_pool"}, {"max_connections", "max_connections"},
			{"current_connections", "current_connections"}, {"paused", "paused"}, {"disabled", "disabled"}}},
		{table: "POOLS", prefix: "pools", labels: []string{"database", "user"}, values: [][2]string{
			{"cl_active", "client_active_connections"}, {"cl_waiting", "client_waiting_connections"}, {"sv_active", "server_active_connections"},
			{"sv_idle", "server_idle_connections"}, {"sv_used", "server_used_connections"}, {"sv_tested", "server_testing_connections"},
			{"sv_login", "server_login_connections"}, {"maxwait", "client_maxwait_seconds"}}},
	}
}

// Metrics is what Prometheus would scrape now.
func (e *PgBouncerExporter) Metrics(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, scrapeWithin)
	defer cancel()
	conn, err := pgx.Connect(ctx, e.target.StatsURL())
	if err != nil {
		return "", fmt.Errorf("scrape pgbouncer: %w", err)
	}
	defer closeSession(conn)
	var b strings.Builder
	for _, s := range showings() {
		rows, err := show(ctx, conn, s.table)
		if err != nil {
			return "", err
		}
		for _, row := range rows {
			s.write(&b, row)
		}
	}
	lists, err := show(ctx, conn, "LISTS")
	if err != nil {
		return "", err
	}
	settings, err := show(ctx, conn, "CONFIG")
	if err != nil {
		return "", err
	}
	for _, row := range lists {
		if name := row["list"]; name == "used_clients" || name == "free_clients" || name == "used_servers" || name == "free_servers" {
			fmt.Fprintf(&b, "pgbouncer_%s %s\n", name, row["items"])
		}
	}
	for _, row := range settings {
		if row["key"] == "max_client_conn" {
			fmt.Fprintf(&b, "pgbouncer_config_max_client_connections %s\n", row["value"])
		}
	}
	b.WriteString("pgbouncer_up 1\n")
	return b.String(), nil
}

// write makes one row's series.
func (s showing) write(b *strings.Builder, row map[string]string) {
	labels := make([]string, 0, len(s.labels))
	for _, name := range s.labels {
		labels = append(labels, fmt.Sprintf("%s=%q", name, row[name]))
	}
	for _, v := range s.values {
		if value, there := row[v[0]]; there {
			fmt.Fprintf(b, "pgbouncer_%s_%s{%s} %s\n", s.prefix, v[1], strings.Join(labels, ","), value)
		}
	}
}

// show reads a table of the console, by column.
func show(ctx context.Context, conn *pgx.Conn, table string) ([]map[string]string, error) {
	results, err := conn.PgConn().Exec(ctx, "SHOW "+table).ReadAll()
	if err == nil && len(results) != 1 {
		err = errors.New("it is no table")
	}
	if err != nil {
		return nil, fmt.Errorf("scrape pgbouncer: show %s: %w", table, err)
	}
	return rowsOf(results[0]), nil
}
