package postgres_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/postgres"
)

// streams are the settings of restart_stream.
type streams struct {
	SystemIdentifier string    `json:"system_identifier"`
	PID              int       `json:"pid"`
	BackendStart     time.Time `json:"backend_start"`
	ApplicationName  string    `json:"application_name"`
	Standby          string    `json:"standby"`
}

// sender is the walsender of a standby, as a plan names it.
func (b *bench) sender(t *testing.T, standby string) streams {
	t.Helper()
	v := identity(t, b.Primary, uint32(number32(t, b.Primary, "select pid from pg_stat_replication where application_name = '"+standby+"'")))
	return streams{SystemIdentifier: b.id, PID: v.PID, BackendStart: v.BackendStart, ApplicationName: standby, Standby: standby}
}

func (s streams) is(t *testing.T, n *testbed.PostgresNode) bool {
	t.Helper()
	now, there := find(t, n, s.PID)
	return there && now.BackendStart.Equal(s.BackendStart)
}

// setSync says for which standbys commits wait, and returns when the primary goes by it.
func (b *bench) setSync(t *testing.T, names, standby, state string) {
	t.Helper()
	b.Primary.ReloadWith(map[string]string{"synchronous_standby_names": names})
	testbed.Await(t, patience, standby+" to be "+state, func() bool {
		got, err := b.Primary.Ask("select sync_state from pg_stat_replication where application_name = '" + standby + "' and state = 'streaming'")
		return err == nil && got != "" && strings.Contains(state, got)
	})
}

// A walsender that no commit waits for ends once, and its standby streams again. The same order again does nothing to the new one.
func TestRestartStream(t *testing.T) {
	t.Parallel()
	b := newBench(t, testbed.PostgresOptions{Standbys: 2, Config: map[string]string{"synchronous_commit": "local"}})
	p := b.Primary
	other := b.sender(t, "pg3")
	s := b.sender(t, "pg2")
	t.Run("never", func(t *testing.T) { neverRestarted(t, b, s) })

	o := order(t, "pg1", postgres.FixRestartStream, s)
	checked(t, b.rem, o, remediations.Absent, "is there")
	r := applied(t, b.rem, o)
	if !strings.Contains(r.Note, "the walsender of pg2") || !strings.Contains(r.Note, "has ended") || s.is(t, p) {
		t.Errorf("got note %q, and it is there: %t", r.Note, s.is(t, p))
	}
	checked(t, b.rem, o, remediations.Satisfied, "has gone")
	testbed.Await(t, patience, "the standby to stream again", func() bool {
		v, err := p.Ask("select count(*) from pg_stat_replication where state = 'streaming'")
		return err == nil && v == "2"
	})
	again := b.sender(t, "pg2")
	refused(t, b.rem, o, "gone already")
	if !again.is(t, p) || !other.is(t, p) {
		t.Error("another walsender was ended too")
	}
	// The last standby that streams is not risked.
	b.Standbys[1].Stop()
	testbed.Await(t, patience, "the other standby to go", func() bool { return !other.is(t, p) })
	refused(t, b.rem, order(t, "pg1", postgres.FixRestartStream, again), "no other standby streams")
	if !again.is(t, p) {
		t.Error("the last walsender was ended")
	}
}

// Who speaks the replication protocol without being a standby is not ended, even by a plan that takes it for one: a base backup, what goes with
// it, and a logical subscriber. None of them counts as the other standby either.
func TestRestartStreamLeavesWhatIsNoStandby(t *testing.T) {
	t.Parallel()
	b := newBench(t, testbed.PostgresOptions{Standbys: 1, Config: map[string]string{"wal_level": "logical", "wal_sender_timeout": "0"}})
	p := b.Primary
	only := b.sender(t, "pg2")
	p.Exec(t, "select pg_create_logical_replication_slot('changes', 'test_decoding')")
	at := p.Value(t, "select pg_current_wal_flush_lsn()")
	for _, c := range []struct{ name, options, command, state, words string }{
		{"copy", "replication=true", "BASE_BACKUP (MAX_RATE 32)", "backup", "neither streaming nor catchup"},
		{"copy", "replication=true", "START_REPLICATION " + at, "catchup or streaming", "a base backup is under way under its name"},
		{"pg_basebackup", "replication=true", "START_REPLICATION " + at, "catchup or streaming", "tool"},
		{"pg_receivewal", "replication=true", "START_REPLICATION " + at, "catchup or streaming", "tool"},
		{"subscriber", "replication=database", "START_REPLICATION SLOT changes LOGICAL 0/0", "catchup or streaming", "logical replication"},
	} {
		s := b.replicate(t, c.name, c.options, c.command, c.state)
		refused(t, b.rem, order(t, "pg1", postgres.FixRestartStream, s), c.words)
		if !s.is(t, p) {
			t.Errorf("%s, %s, was ended", c.name, c.state)
		}
	}
	refused(t, b.rem, order(t, "pg1", postgres.FixRestartStream, only), "no other standby streams")
	if !only.is(t, p) {
		t.Error("the only standby's walsender was ended")
	}
}

// replicate opens a connection that replicates and reads nothing more after its first answer.
func (b *bench) replicate(t *testing.T, name, options, command, state string) streams {
	t.Helper()
	url := b.Primary.URL(testbed.RoleReplicator, testbed.Database) + "&application_name=" + name + "&" + options
	conn, err := pgconn.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Conn().Close() }) // it is in the middle of an answer
	conn.Frontend().Send(&pgproto3.Query{String: command})
	if err := conn.Frontend().Flush(); err != nil {
		t.Fatal(err)
	}
	testbed.Await(t, patience, name+" to be "+state, func() bool {
		got, err := b.Primary.Ask(fmt.Sprintf("select state from pg_stat_replication where pid = %d", conn.PID()))
		return err == nil && got != "" && strings.Contains(state, got)
	})
	v := identity(t, b.Primary, conn.PID())
	return streams{SystemIdentifier: b.id, PID: v.PID, BackendStart: v.BackendStart, ApplicationName: name, Standby: name}
}

// neverRestarted are walsenders that are left alone, and plans that are wrong by one word.
func neverRestarted(t *testing.T, b *bench, s streams) {
	p := b.Primary
	for _, c := range []struct {
		words  string
		change func(*streams)
	}{
		{"gone already", func(s *streams) { s.PID = 4_000_000 }},
		{"another session has its pid", func(s *streams) { s.BackendStart = s.BackendStart.Add(time.Microsecond) }},
		{"somebody else, by application_name", func(s *streams) { s.ApplicationName = "pg3" }},
		{"another server", func(s *streams) { s.SystemIdentifier = "7000000000000000001" }},
	} {
		wrong := s
		c.change(&wrong)
		refused(t, b.rem, order(t, "pg1", postgres.FixRestartStream, wrong), c.words)
	}
	refused(t, b.rem, order(t, "pg2", postgres.FixRestartStream, s), "the server is a standby")
	_, v := leaked(t, p, testbed.RoleApp, "pg2")
	session := streams{SystemIdentifier: b.id, PID: v.PID, BackendStart: v.BackendStart, ApplicationName: "pg2", Standby: "pg2"}
	refused(t, b.rem, order(t, "pg1", postgres.FixRestartStream, session), "no walsender")
	if !is(t, p, v) {
		t.Error("a client's session was ended as a walsender")
	}
	late := order(t, "pg1", postgres.FixRestartStream, s)
	late.Deadline = time.Now().Add(200 * time.Millisecond)
	refused(t, remedy(t, b.fleet, actsLate{b.fleet, late.Deadline.Add(time.Millisecond)}), late, "deadline has passed by the server's clock")
	f := b.open(t, weak, nil)
	refused(t, remedy(t, f, f), order(t, "pg1", postgres.FixRestartStream, s), `GRANT pg_signal_backend TO "fb_weak"`)

	for _, c := range []struct{ names, state, words string }{
		{"pg2", "sync", "not async"},
		{"FIRST 1 (pg3, pg2)", "potential", "not async"},
		{"ANY 1 (pg3, pg2)", "quorum", "not async"},
		{"*", "sync or potential", "not async"},
	} {
		b.setSync(t, c.names, "pg2", c.state)
		if now := b.sender(t, "pg2"); now != s {
			t.Fatalf("%s: the walsender is another one: %+v", c.names, now)
		}
		refused(t, b.rem, order(t, "pg1", postgres.FixRestartStream, s), c.words)
	}
	b.setSync(t, "", "pg2", "async")
	// The setting counts before the walsender has heard of it.
	if err := p.SignalChild(s.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for _, names := range []string{"pg2", `FIRST 2 (pg9, "pg2")`, "ANY 1 (PG2)"} {
		p.ReloadWith(map[string]string{"synchronous_standby_names": names})
		refused(t, b.rem, order(t, "pg1", postgres.FixRestartStream, s), "synchronous_standby_names may mean it")
	}
	p.ReloadWith(map[string]string{"synchronous_standby_names": ""})
	if err := p.SignalChild(s.PID, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if !s.is(t, p) {
		t.Error("a walsender was ended that had to stay")
	}
}
