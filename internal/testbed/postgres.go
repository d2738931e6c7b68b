package testbed

import (
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
)

// The roles of a cluster. Each has [Password] as its password, which is asked for only where [PostgresOptions].HBA says so.
const (
	// RoleSuperuser may do everything.
	RoleSuperuser = "postgres"
	// RoleReplicator is whom standbys connect as.
	RoleReplicator = "replicator"
	// RoleApp is an application: it owns the database "app" and its table "items".
	RoleApp = "app"
	// RoleReader is an application that only reads that table.
	RoleReader = "app_ro"
)

// Database is the application's.
const Database = "app"

// Password is the password of a role of these servers.
func Password(role string) string { return role + "-password" }

// PostgresOptions is a primary with its standbys.
type PostgresOptions struct {
	// Standbys is how many, default 2. Negative: none.
	Standbys int
	// Config are settings of all nodes, name to value, as in postgresql.conf but unquoted. They win over the test bed's own, but for
	// addresses and names. StandbyConfig are settings of the standbys only, and win over Config.
	Config        map[string]string
	StandbyConfig map[string]string
	// HBA are lines of pg_hba.conf before those that trust everybody on the loopback interface.
	HBA []string
	// Init are statements that the superuser runs in the database "app" of the primary, before the standbys are made. Grants on
	// functions hold only in the database in which they are given.
	Init []string
}

// PostgresCluster is a primary and the standbys that stream from it, each through a link and a slot of its own.
type PostgresCluster struct {
	Primary  *PostgresNode
	Standbys []*PostgresNode

	dir      string // of all nodes
	binaries string
	options  PostgresOptions
}

// StartPostgres starts a cluster and waits until every standby streams and has what Init did. Data is not synced to disk: it survives
// a crash of the server, not one of the machine.
//
// Nodes are named pg1, which is the primary, pg2 and so on; a standby is known by its name as cluster_name and application_name, and
// its slot is slot_pg2 and so on.
func StartPostgres(t TB, o PostgresOptions) *PostgresCluster {
	t.Helper()
	if o.Standbys == 0 {
		o.Standbys = 2
	}
	c := &PostgresCluster{binaries: postgresBinaries(t), options: o}
	c.dir = Folder(t, postgresUser)
	if err := c.startPrimary(t); err != nil {
		t.Fatalf("testbed: %v", err)
	}
	if err := c.copyPrimary(t); err != nil {
		t.Fatalf("testbed: %v", err)
	}
	for _, n := range c.Standbys {
		n.start(t)
	}
	for _, n := range c.Standbys {
		if err := n.awaitReady(readyWithin, n.accepts); err != nil {
			t.Fatalf("testbed: %v", err)
		}
	}
	Await(t, readyWithin, "the standbys to stream", c.streams)
	return c
}

// Nodes are all nodes, the primary first.
func (c *PostgresCluster) Nodes() []*PostgresNode {
	return append([]*PostgresNode{c.Primary}, c.Standbys...)
}

// streams is true when every standby has all that the primary has written so far.
func (c *PostgresCluster) streams() bool {
	n, err := c.Primary.Ask(`select count(*) from pg_stat_replication
		where application_name ~ '^pg[0-9]+$' and state = 'streaming' and replay_lsn >= pg_current_wal_lsn()`)
	return err == nil && n == strconv.Itoa(len(c.Standbys))
}

// newNode makes a node with its settings.
func (c *PostgresCluster) newNode(t TB, number int, more ...map[string]string) *PostgresNode {
	t.Helper()
	name := "pg" + strconv.Itoa(number)
	addr := Addr(t)
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatalf("testbed: read the address %s: %v", addr, err)
	}
	n := &PostgresNode{Name: name, Addr: addr, ApplicationName: name, t: t, cluster: c, dir: filepath.Join(c.dir, name)}
	if n.Port, err = strconv.Atoi(port); err != nil {
		t.Fatalf("testbed: read the port %s: %v", port, err)
	}
	n.settings = map[string]string{
		"fsync":                        "off",
		"shared_buffers":               "32MB",
		"max_connections":              "60",
		"max_wal_senders":              "10",
		"max_replication_slots":        "10",
		"max_slot_wal_keep_size":       "1GB",
		"hot_standby_feedback":         "off",
		"max_standby_streaming_delay":  "10min",
		"wal_receiver_status_interval": "1s",
		"wal_sender_timeout":           "10s",
		"wal_receiver_timeout":         "10s",
		"wal_retrieve_retry_interval":  "1s",
		"track_commit_timestamp":       "on",
		"log_recovery_conflict_waits":  "on",
		"log_line_prefix":              "%m [%p] %b %u ",
	}
	for _, settings := range append([]map[string]string{c.options.Config}, more...) {
		maps.Copy(n.settings, settings)
	}
	maps.Copy(n.settings, map[string]string{
		"listen_addresses":        "127.0.0.1",
		"port":                    port,
		"unix_socket_directories": c.dir,
		"cluster_name":            name,
		// In files of its own folder, not in /dev/shm, where a killed server would leave it.
		"dynamic_shared_memory_type": "mmap",
	})
	return n
}

// startPrimary makes a database cluster and starts it with its roles.
func (c *PostgresCluster) startPrimary(t TB) error {
	t.Helper()
	n := c.newNode(t, 1)
	c.Primary = n
	err := runTool(c.dir, n.program("initdb"), "-D", n.dir, "-U", RoleSuperuser, "-A", "trust", "-E", "UTF8",
		"--no-locale", "--no-sync", "--no-instructions", "--data-checksums")
	if err != nil {
		return fmt.Errorf("make the primary: %w", err)
	}
	if err := n.includeSettings(c.options.HBA); err != nil {
		return err
	}
	n.start(t)
	if err := n.awaitReady(readyWithin, n.accepts); err != nil {
		return err
	}
	if _, err := n.ask("postgres", rolesSQL()); err != nil {
		return fmt.Errorf("make the roles: %w", err)
	}
	// A database cannot be made in a transaction, which several statements at once are.
	if _, err := n.ask("postgres", "create database "+Database+" owner "+RoleApp); err != nil {
		return fmt.Errorf("make the database: %w", err)
	}
	for _, sql := range append([]string{tablesSQL}, c.options.Init...) {
		if _, err := n.ask(Database, sql); err != nil {
			return fmt.Errorf("initialize the primary: %w", err)
		}
	}
	return nil
}

// tablesSQL gives the application something to lose.
const tablesSQL = `
create table items (id bigint primary key, version bigint not null default 0, note text not null default '');
alter table items owner to ` + RoleApp + `;
insert into items (id) select generate_series(1, 100);
grant select on items to ` + RoleReader

func rolesSQL() string {
	sql := "alter role " + RoleSuperuser + " password '" + Password(RoleSuperuser) + "'"
	for role, rights := range map[string]string{RoleReplicator: "replication", RoleApp: "", RoleReader: ""} {
		sql += "; create role " + role + " login " + rights + " password '" + Password(role) + "'"
	}
	return sql
}

// copyPrimary makes the folders of all standbys at once. That takes less time than to stop the primary for a copy, and is how standbys
// are really made.
func (c *PostgresCluster) copyPrimary(t TB) error {
	t.Helper()
	errs := make(chan error, max(c.options.Standbys, 0))
	var all sync.WaitGroup
	for i := range max(c.options.Standbys, 0) {
		link := Proxy(t, ProxyConfig{Target: c.Primary.Addr})
		slot := "slot_pg" + strconv.Itoa(i+2)
		n := c.newNode(t, i+2, c.options.StandbyConfig, map[string]string{"primary_slot_name": slot})
		n.Proxy, n.Slot = link, slot
		n.settings["primary_conninfo"] = primaryConninfo(link.Addr, n.ApplicationName)
		c.Standbys = append(c.Standbys, n)
		all.Go(func() { errs <- n.copyFrom(c.Primary) })
	}
	all.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// primaryConninfo is how a standby finds its primary: through its link.
func primaryConninfo(addr, name string) string {
	host, port, _ := net.SplitHostPort(addr) // our own address, which is well formed
	return fmt.Sprintf("host=%s port=%s user=%s password=%s sslmode=disable application_name=%s",
		host, port, RoleReplicator, Password(RoleReplicator), name)
}

// copyFrom makes a node's folder a copy of the primary's, with a slot that keeps what the primary writes from then on.
func (n *PostgresNode) copyFrom(primary *PostgresNode) error {
	// Each has a folder of its own for what pg_basebackup prints.
	logs := n.dir + ".log"
	err := makeDir(logs)
	if err == nil {
		// pg_basebackup -C makes the slot only after its backup has begun, and another one's checkpoint may take the WAL away before.
		_, err = primary.ask("postgres", "select pg_create_physical_replication_slot('"+n.Slot+"', true)")
	}
	if err == nil {
		err = runTool(logs, n.program("pg_basebackup"), "-d", primary.URL(RoleReplicator, ""), "-D", n.dir,
			"-X", "stream", "-S", n.Slot, "-c", "fast", "--no-sync")
	}
	if err == nil {
		err = writeFor(postgresUser, filepath.Join(n.dir, "standby.signal"), nil)
	}
	if err != nil {
		return fmt.Errorf("copy the primary to %s: %w", n.Name, err)
	}
	return nil
}

// start starts a node's process. Whatever the test does to it, nothing of it is left when the test ends.
func (n *PostgresNode) start(t TB) {
	t.Helper()
	if err := n.writeSettings(); err != nil {
		t.Fatalf("testbed: %v", err)
	}
	t.Cleanup(n.removeSegment) // after its process has ended, before its folder goes
	n.Process = Start(t, Command{
		Name: n.Name, Path: n.program("postgres"), Args: []string{"-D", n.dir}, Dir: n.cluster.dir,
		Env: plainEnvironment(), User: postgresUser,
		// The first ends sessions and stops in order, the second drops everything and leaves nothing behind; SIGTERM would wait
		// until the last session has gone by itself.
		StopSignal: syscall.SIGINT, DeathSignal: syscall.SIGQUIT,
	})
	t.Cleanup(n.quit)
}
