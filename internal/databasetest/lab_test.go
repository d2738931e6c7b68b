// Package databasetest holds the whole product against real databases. It builds the real binary, runs it as a process of its own beside a
// PostgreSQL primary with two standbys and HAProxy before them, produces each cause of lag for real, tells the binary by its webhook as
// Alertmanager would, and holds what it did against what the servers themselves say.
//
// It stands outside: it speaks HTTP, SQL and HAProxy's runtime API, and imports nothing of the product.
package databasetest

import (
	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// The logins of Firebreak, as deploy/postgres/roles.sql makes them, and those of the sessions that the runs open.
const (
	listed   = "report"           // whose sessions the policy lets Firebreak end
	unlisted = testbed.RoleReader // whose sessions it does not
)

// lab is a cluster with its read pool. The primary is reached by Firebreak through a link of its own, so that it can hang.
type lab struct {
	*blackbox.Lane
	*testbed.PostgresCluster
	pool *testbed.HAProxy
	door *testbed.Link
}

// servers are the settings of all nodes: nothing is written but by the runs, and a line that hangs is not given up by the servers before
// Firebreak has seen it.
func servers() map[string]string {
	return map[string]string{
		"autovacuum": "off", "checkpoint_timeout": "1h", "log_timezone": "UTC", "max_wal_size": "2GB", "max_slot_wal_keep_size": "20GB",
		"wal_sender_timeout": "60s", "wal_receiver_timeout": "60s", "max_connections": "100",
	}
}

// startLab starts all of it. The settings are the standbys' own.
func startLab(l *blackbox.Lane, standbys map[string]string) *lab {
	c := testbed.StartPostgres(l, testbed.PostgresOptions{
		Config: servers(), StandbyConfig: standbys,
		HBA: []string{blackbox.RolesHBA()},
		Init: []string{
			"create role " + listed + " login; grant select on items to " + listed,
			"create table facts (id int primary key, version int not null default 0); insert into facts (id) select generate_series(1, 50); " +
				"grant select on facts to " + listed + ", " + unlisted,
			"create table counters (id int primary key, n bigint not null default 0); insert into counters (id) select generate_series(1, 3000); " +
				"grant select, update on counters to " + testbed.RoleApp,
		},
	})
	readers := map[string]string{}
	for _, n := range c.Standbys {
		readers[n.Name] = n.Addr
	}
	b := &lab{Lane: l, PostgresCluster: c, pool: testbed.StartHAProxy(l, testbed.HAProxyOptions{Servers: readers, Check: true}),
		door: testbed.Proxy(l, testbed.ProxyConfig{Target: c.Primary.Addr})}
	blackbox.MakeRoles(b, b.Primary)
	b.await("the standbys to have all of it", b.level)
	return b
}

// await waits for something of the servers, and fails the run if it does not come.
func (b *lab) await(what string, cond func() bool) {
	testbed.Await(b, blackbox.Within, what, cond)
}

// level says that every standby has replayed all that was written.
func (b *lab) level() bool {
	for _, n := range b.Standbys {
		if !b.caughtUp(n) {
			return false
		}
	}
	return true
}

// caughtUp says that a standby streams and has replayed all but a little of what was written, by the primary's view.
func (b *lab) caughtUp(n *testbed.PostgresNode) bool {
	v, err := b.Primary.Ask(`select state = 'streaming' and pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) < 65536
		from pg_stat_replication where application_name = '` + n.ApplicationName + `'`)
	return err == nil && v == "t"
}

// heal brings the lab back to where runs begin.
func (b *lab) heal() {
	b.door.Heal()
	for _, n := range b.Standbys {
		n.Proxy.Heal()
		if v := n.Value(b, "select pg_get_wal_replay_pause_state()"); v != "not paused" {
			n.Exec(b, "select pg_wal_replay_resume()")
		}
		if got, err := b.pool.Command("set server " + b.pool.Backend + "/" + n.Name + " state ready"); err != nil || got != "" {
			b.Fatalf("make %s ready: %q, %v", n.Name, got, err)
		}
	}
	b.await("the standbys to have all of it", b.level)
}
