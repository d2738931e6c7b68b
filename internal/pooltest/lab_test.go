// Package pooltest holds the whole product against exhausted connection pools. It builds the real binary, runs it as a process of its own
// beside PostgreSQL and PgBouncer, produces each cause of waiting for real, tells the binary by its webhook as Alertmanager would, and holds
// what it did against what the servers and the poolers themselves say.
//
// It stands outside: it speaks HTTP, SQL and PgBouncer's console, and imports nothing that decides or changes anything.
package pooltest

import (
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// The logins of Firebreak, as deploy/postgres/roles.sql makes them, and those of the sessions that the runs open.
const (
	listed   = testbed.RoleApp    // whose sessions the policy lets Firebreak end
	unlisted = testbed.RoleReader // whose sessions it does not
)

// lab is a primary with one standby. Each run puts poolers of its own before it.
type lab struct {
	*blackbox.Lane
	*testbed.PostgresCluster
}

// usable is how many of the primary's connections are for everybody. More are for superusers: the runs ask as one while the server is full.
const usable = 97

// startLab starts a cluster with Firebreak's roles in it.
func startLab(l *blackbox.Lane) *lab {
	c := testbed.StartPostgres(l, testbed.PostgresOptions{
		Standbys: 1,
		Config: map[string]string{
			"autovacuum": "off", "checkpoint_timeout": "1h", "log_timezone": "UTC",
			"max_connections": "107", "superuser_reserved_connections": "10", "max_prepared_transactions": "5",
			"wal_sender_timeout": "60s", "wal_receiver_timeout": "60s",
			// A run whose client has gone is over, whatever it was in the middle of.
			"client_connection_check_interval": "200ms",
		},
		HBA: []string{blackbox.RolesHBA()},
		Init: []string{
			"grant select, update on items to " + unlisted,
			"create table facts (id int primary key); insert into facts (id) select generate_series(1, 4000); alter table facts owner to " + listed,
			// It takes its time without the processor's: an index over it is made for as long as a run takes.
			"create function slow(id int) returns int language plpgsql immutable as 'begin perform pg_sleep(0.05); return id; end'",
		},
	})
	b := &lab{Lane: l, PostgresCluster: c}
	blackbox.MakeRoles(b, b.Primary)
	b.await("the standby to have all of it", b.streams)
	return b
}

// await waits for something of the servers, and fails the run if it does not come.
func (b *lab) await(what string, cond func() bool) {
	testbed.Await(b, blackbox.Within, what, seldom(cond))
}

// lookEvery is how often something is looked at that is awaited. A look is a session of its own at a server, or a whole record.
const lookEvery = 100 * time.Millisecond

// seldom looks no more often than that.
func seldom(cond func() bool) func() bool {
	var next time.Time
	return func() bool {
		if time.Now().Before(next) {
			return false
		}
		is := cond()
		next = time.Now().Add(lookEvery)
		return is
	}
}

// says waits until the primary answers a question with "t".
func (b *lab) says(what, question string) {
	b.await(what, func() bool {
		v, err := b.Primary.Ask(question)
		return err == nil && v == "t"
	})
}

// streams says that the standby streams.
func (b *lab) streams() bool {
	v, err := b.Primary.Ask("select count(*) > 0 from pg_stat_replication where state = 'streaming'")
	return err == nil && v == "t"
}

// heal brings the lab back to where runs begin.
func (b *lab) heal() {
	b.Standbys[0].Proxy.Heal()
	b.await("the standby to stream", b.streams)
	const left = "from pg_stat_activity where usename in ('" + listed + "', '" + unlisted + "')"
	b.Primary.Exec(b, "select pg_terminate_backend(pid) "+left)
	b.says("the sessions of earlier runs to have gone", "select count(*) = 0 "+left)
}
