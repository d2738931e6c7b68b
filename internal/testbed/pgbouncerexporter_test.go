package testbed

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// It tells everything by the names that the shipped rules were tried with, of a pool that somebody uses, and says so when nobody answers.
func TestPgBouncerExporter(t *testing.T) {
	t.Parallel()
	c := StartPostgres(t, PostgresOptions{Standbys: -1})
	p := StartPgBouncer(t, PgBouncerOptions{Target: c.Primary, PoolSize: 2})
	e := StartPgBouncerExporter(t, p)
	conn := p.SimpleSession(t, RoleApp)
	if _, err := conn.Exec(t.Context(), "begin"); err != nil {
		t.Fatal(err)
	}
	text, err := e.Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`pgbouncer_pools_server_active_connections{database="app",user="app"} 1`,
		`pgbouncer_pools_client_waiting_connections{database="app",user="app"} 0`,
		`pgbouncer_config_max_client_connections 100`,
		`pgbouncer_up 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("it does not tell %s:\n%s", want, text)
		}
	}
	names, err := os.Open(filepath.Join("..", "..", "alerts", "rules", "testdata", "pgbouncer_exporter.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer names.Close()
	for lines := bufio.NewScanner(names); lines.Scan(); {
		name := lines.Text()
		if told := "\n" + text; !strings.HasPrefix(name, "#") && !strings.Contains(told, "\n"+name+"{") && !strings.Contains(told, "\n"+name+" ") {
			t.Errorf("it does not tell %s", name)
		}
	}
	p.Stop()
	if _, err := e.Metrics(t.Context()); err == nil {
		t.Error("it tells of a pooler that does not answer")
	}
}
