package testbed

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
)

// PostgresExporterOptions is what an exporter tells Prometheus about one node.
type PostgresExporterOptions struct {
	// Target is the node. Addr replaces its address, e.g. with that of a link to it.
	Target *PostgresNode
	Addr   string
	// Role is whom it connects as, default the superuser, and Database where, default "app".
	Role     string
	Database string
	// Queries are queries of the test's own, in YAML as --extend.query-path reads it. Empty: none.
	Queries string
	// Defaults keeps the exporter's own metrics about databases and settings. Without them pg_up and the queries' are left, and a
	// scrape is short.
	Defaults bool
}

// PostgresExporter is a running exporter.
type PostgresExporter struct {
	*Process
	// Addr is where Prometheus scrapes it (host:port, path /metrics).
	Addr string

	api api
}

// StartPostgresExporter starts an exporter and waits until it answers, whatever it has to say about the node.
func StartPostgresExporter(t TB, o PostgresExporterOptions) *PostgresExporter {
	t.Helper()
	path := find(t, "prometheus-postgres-exporter", "prometheus-postgres-exporter", "postgres_exporter")
	if o.Addr == "" {
		o.Addr = o.Target.Addr
	}
	if o.Role == "" {
		o.Role = RoleSuperuser
	}
	if o.Database == "" {
		o.Database = Database
	}
	e := &PostgresExporter{Addr: Addr(t)}
	e.api = newAPI("http://" + e.Addr)
	args := []string{"--web.listen-address=" + e.Addr}
	if !o.Defaults {
		args = append(args, "--disable-default-metrics", "--disable-settings-metrics")
	}
	if o.Queries != "" {
		queries := filepath.Join(t.TempDir(), "queries.yaml")
		if err := os.WriteFile(queries, []byte(o.Queries), 0o600); err != nil {
			t.Fatalf("testbed: write queries: %v", err)
		}
		args = append(args, "--extend.query-path="+queries)
	}
	// In its environment, where the command line of a process is for everybody to read.
	source := "DATA_SOURCE_NAME=" + PostgresURL(o.Addr, o.Role, o.Database)
	e.Process = Start(t, Command{Name: "postgres-exporter", Path: path, Args: args, Env: append(plainEnvironment(), source)})
	if err := e.awaitReady(readyWithin, e.answers); err != nil {
		t.Fatalf("testbed: %v", err)
	}
	return e
}

// Metrics is what Prometheus would scrape now.
func (e *PostgresExporter) Metrics(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.api.base+"/metrics", nil)
	if err != nil {
		return "", err
	}
	resp, err := e.api.client.Do(req)
	if err != nil {
		return "", fmt.Errorf("scrape the exporter: %w", err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return "", fmt.Errorf("scrape the exporter: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("scrape the exporter: %s", resp.Status)
	}
	return string(b), nil
}

func (e *PostgresExporter) answers() bool {
	_, err := e.Metrics(context.Background())
	return err == nil
}
