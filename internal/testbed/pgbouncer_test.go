package testbed

import (
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// It routes to its node, shows its pools to those who may, is full when its sessions are taken, and forgets a SET when it reloads.
func TestPgBouncer(t *testing.T) {
	t.Parallel()
	c := StartPostgres(t, PostgresOptions{Standbys: -1})
	p := StartPgBouncer(t, PgBouncerOptions{Target: c.Primary, PoolSize: 2, AdminUsers: []string{"boss", "deputy"}})

	var blockers []*pgx.Conn
	for range 2 {
		conn := p.SimpleSession(t, RoleApp)
		var name string
		if _, err := conn.Exec(t.Context(), "begin"); err != nil {
			t.Fatal(err)
		}
		if err := conn.QueryRow(t.Context(), "select current_setting('cluster_name')").Scan(&name); err != nil || name != "pg1" {
			t.Fatalf("through the pool: got server %q and %v, want pg1", name, err)
		}
		blockers = append(blockers, conn)
	}
	waiting := p.SimpleSession(t, RoleApp)
	done := make(chan error, 1)
	go func() { _, err := waiting.Exec(t.Context(), "select 1"); done <- err }()
	Await(t, within, "a client to wait for a session", func() bool {
		pool, err := p.ShowPool(RoleApp)
		return err == nil && pool["cl_waiting"] == "1" && pool["sv_active"] == "2" && pool["pool_mode"] == "transaction"
	})
	if _, err := blockers[0].Exec(t.Context(), "rollback"); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Errorf("the client that waited got %v", err)
	}

	setting := func() string {
		t.Helper()
		rows, err := p.Admin("SHOW CONFIG")
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			if row["key"] == "query_wait_timeout" {
				return row["value"]
			}
		}
		return ""
	}
	if _, err := p.Admin("SET query_wait_timeout = 7"); err != nil || setting() != "7" {
		t.Errorf("got %s and %v after SET, want 7", setting(), err)
	}
	config, err := os.ReadFile(p.ConfigPath)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.ConfigPath, append(config, "query_wait_timeout = 33\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.Reload(); err != nil || setting() != "33" {
		t.Errorf("got %s and %v after a reload, want what the file says", setting(), err)
	}
}

// Who may only look is refused a change, a wrong password is refused, and it comes back after it was killed.
func TestPgBouncerRights(t *testing.T) {
	t.Parallel()
	c := StartPostgres(t, PostgresOptions{Standbys: -1})
	p := StartPgBouncer(t, PgBouncerOptions{Target: c.Primary, Config: map[string]string{"max_client_conn": "20"}})
	looker, err := pgx.Connect(t.Context(), p.StatsURL())
	if err != nil {
		t.Fatal(err)
	}
	defer closeSession(looker)
	if _, err := looker.PgConn().Exec(t.Context(), "SHOW POOLS").ReadAll(); err != nil {
		t.Errorf("a look: %v", err)
	}
	_, err = looker.PgConn().Exec(t.Context(), "SET query_wait_timeout = 7").ReadAll()
	if err == nil || !strings.Contains(err.Error(), "admin access needed") {
		t.Errorf("a change by who may only look: got %v, want it refused", err)
	}
	wrong := strings.Replace(p.URL(RoleApp, Database), Password(RoleApp), "wrong", 1)
	if _, err := pgx.Connect(t.Context(), wrong); err == nil {
		t.Error("a wrong password was taken")
	}
	p.Kill9()
	if err := p.Restart(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.SimpleSession(t, RoleReader).Exec(t.Context(), "select count(*) from items"); err != nil {
		t.Errorf("after it was killed and started: %v", err)
	}
}
