package testbed

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// PgBouncerOptions is a pool before one node.
type PgBouncerOptions struct {
	// Target is where the sessions of the database "app" go.
	Target *PostgresNode
	// PoolMode is when a server's session is given back: "session", "transaction" (the default) or "statement".
	PoolMode string
	// PoolSize is how many sessions at the server each pair of role and database may have, default 4. It is default_pool_size, and not
	// written at the database, where SET could not change it.
	PoolSize int
	// Config are settings of the section [pgbouncer]. They win over the test bed's own.
	Config map[string]string
	// AdminUsers may do everything on the console, StatsUsers may only look; default "pgb_admin" and "pgb_stats".
	AdminUsers []string
	StatsUsers []string
}

// PgBouncer is a running PgBouncer. Its roles are those of the cluster and those of its console, each with [Password].
type PgBouncer struct {
	*Process
	// Addr is where it answers.
	Addr string
	// ConfigPath is its configuration, which a test may change before Reload.
	ConfigPath string

	admin, stats string
}

// StartPgBouncer starts a PgBouncer and waits until its console answers.
func StartPgBouncer(t TB, o PgBouncerOptions) *PgBouncer {
	t.Helper()
	path := find(t, "pgbouncer", "pgbouncer", "/usr/sbin/pgbouncer")
	if len(o.AdminUsers) == 0 {
		o.AdminUsers = []string{"pgb_admin"}
	}
	if len(o.StatsUsers) == 0 {
		o.StatsUsers = []string{"pgb_stats"}
	}
	dir := Folder(t, postgresUser)
	p := &PgBouncer{Addr: Addr(t), ConfigPath: filepath.Join(dir, "pgbouncer.ini"), admin: o.AdminUsers[0], stats: o.StatsUsers[0]}
	users := filepath.Join(dir, "users.txt")
	err := writeFor(postgresUser, users, []byte(o.users()))
	if err == nil {
		err = writeFor(postgresUser, p.ConfigPath, []byte(o.file(p.Addr, users)))
	}
	if err != nil {
		t.Fatalf("testbed: configure pgbouncer: %v", err)
	}
	p.Process = Start(t, Command{Name: "pgbouncer", Path: path, Args: []string{p.ConfigPath}, Dir: dir, Env: plainEnvironment(),
		User: postgresUser})
	if err := p.awaitReady(readyWithin, p.answers); err != nil {
		t.Fatalf("testbed: %v", err)
	}
	return p
}

// URL is how a role reaches a database through the pool. In the pool mode "transaction" a client must not use prepared statements.
func (p *PgBouncer) URL(role, database string) string { return PostgresURL(p.Addr, role, database) }

// AdminURL is the console with all rights. It speaks the simple query protocol only.
func (p *PgBouncer) AdminURL() string { return p.URL(p.admin, "pgbouncer") }

// StatsURL is the console for looking only.
func (p *PgBouncer) StatsURL() string { return p.URL(p.stats, "pgbouncer") }

// Admin runs a command on the console with all rights and gives the rows that it answers, by column.
func (p *PgBouncer) Admin(command string) ([]map[string]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	conn, err := pgx.Connect(ctx, p.AdminURL())
	if err != nil {
		return nil, fmt.Errorf("command pgbouncer: %w", err)
	}
	defer closeSession(conn)
	results, err := conn.PgConn().Exec(ctx, command).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("command pgbouncer: %s: %w", command, err)
	}
	var rows []map[string]string
	for _, result := range results {
		rows = append(rows, rowsOf(result)...)
	}
	return rows, nil
}

// rowsOf are the rows of an answer, by column.
func rowsOf(result *pgconn.Result) []map[string]string {
	rows := make([]map[string]string, 0, len(result.Rows))
	for _, values := range result.Rows {
		row := map[string]string{}
		for i, field := range result.FieldDescriptions {
			row[field.Name] = string(values[i])
		}
		rows = append(rows, row)
	}
	return rows
}

// Reload makes it read its configuration again, which ends every SET.
func (p *PgBouncer) Reload() error {
	_, err := p.Admin("RELOAD")
	return err
}

// Restart stops it with all sessions and starts it again. It returns when its console answers.
func (p *PgBouncer) Restart() error {
	p.Stop()
	if err := p.Start(); err != nil {
		return err
	}
	return p.awaitReady(readyWithin, p.answers)
}

func (p *PgBouncer) answers() bool {
	_, err := p.Admin("SHOW VERSION")
	return err == nil
}

func (o PgBouncerOptions) users() string {
	var b strings.Builder
	for _, role := range slices.Concat([]string{RoleSuperuser, RoleApp, RoleReader}, o.AdminUsers, o.StatsUsers) {
		fmt.Fprintf(&b, "%q %q\n", role, Password(role))
	}
	return b.String()
}

// file is the configuration. The password is asked for of clients, whatever the server would do.
func (o PgBouncerOptions) file(addr, users string) string {
	host, port, _ := strings.Cut(addr, ":")
	settings := map[string]string{
		"auth_type":                 "scram-sha-256",
		"pool_mode":                 "transaction",
		"default_pool_size":         "4",
		"reserve_pool_size":         "0",
		"max_client_conn":           "100",
		"ignore_startup_parameters": "extra_float_digits",
		"server_login_retry":        "1",
	}
	if o.PoolMode != "" {
		settings["pool_mode"] = o.PoolMode
	}
	if o.PoolSize != 0 {
		settings["default_pool_size"] = strconv.Itoa(o.PoolSize)
	}
	maps.Copy(settings, o.Config)
	maps.Copy(settings, map[string]string{
		"listen_addr":     host,
		"listen_port":     port,
		"unix_socket_dir": "",
		"auth_file":       users,
		"admin_users":     strings.Join(o.AdminUsers, ", "),
		"stats_users":     strings.Join(o.StatsUsers, ", "),
	})
	var b strings.Builder
	fmt.Fprintf(&b, "[databases]\n%s = host=127.0.0.1 port=%d dbname=%s\n[pgbouncer]\n", Database, o.Target.Port, Database)
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&b, "%s = %s\n", name, settings[name])
	}
	return b.String()
}

// ShowPool is the row of SHOW POOLS of the role's pool to the database "app", nil where there is none yet.
func (p *PgBouncer) ShowPool(role string) (map[string]string, error) {
	rows, err := p.Admin("SHOW POOLS")
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if row["database"] == Database && row["user"] == role {
			return row, nil
		}
	}
	return nil, nil
}

// SimpleSession opens a session through the pool that uses no prepared statements. It lasts until the test ends or somebody ends it.
func (p *PgBouncer) SimpleSession(t TB, role string) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig(p.URL(role, Database))
	if err != nil {
		t.Fatalf("testbed: %v", err)
		return nil
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	ctx, cancel := context.WithTimeout(context.Background(), readyWithin)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		t.Fatalf("testbed: open a session through pgbouncer: %v", err)
		return nil
	}
	t.Cleanup(func() { closeSession(conn) })
	return conn
}
