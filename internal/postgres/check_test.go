package postgres_test

import (
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/internal/postgres"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// everything is all that Firebreak may be asked to do at a node.
func everything() postgres.Needs { return postgres.Needs{Probe: true, EndSessions: true, Resume: true} }

// makeRoles runs deploy/postgres/roles.sql as the file tells people to.
func makeRoles(t *testing.T, server *testbed.PostgresNode, args ...string) {
	t.Helper()
	args = append([]string{"--no-psqlrc", "-q", "-d", server.URL(testbed.RoleSuperuser, testbed.Database),
		"-f", filepath.FromSlash("../../deploy/postgres/roles.sql")}, args...)
	if out, err := exec.CommandContext(within(t, patience), "psql", args...).CombinedOutput(); err != nil || strings.Contains(string(out), "ERROR") {
		t.Fatalf("psql (of Debian's postgresql-client): %v\n%s", err, out)
	}
}

// firebreakAt is a server with the logins that roles.sql makes.
func firebreakAt(name string, server *testbed.PostgresNode) postgres.Node {
	n := nodeAt(server.Port)
	n.Name = name
	n.Probe = postgres.Login{User: "firebreak_probe", Password: "it's a probe"}
	n.Act = postgres.Login{User: "firebreak_act", Password: `an "act"`}
	return n
}

// check asks for everything(), or for what is said.
func check(t *testing.T, f *postgres.Fleet, node string, need postgres.Needs) (postgres.Facts, []postgres.Missing) {
	t.Helper()
	facts, missing, err := postgres.Check(within(t, patience), f, node, need)
	if err != nil {
		t.Fatal(err)
	}
	return facts, missing
}

// The roles that we tell people to make can do all that is needed and no more, on the primary and on its standby; and for each right that
// is taken away exactly that one is missed, in words and with the statement that brings it back.
func TestRolesAreEnoughAndEachIsNeeded(t *testing.T) {
	t.Parallel()
	cluster := testbed.StartPostgres(t, testbed.PostgresOptions{
		Standbys: 1, HBA: []string{"host all firebreak_probe,firebreak_act 127.0.0.1/32 scram-sha-256"},
	})
	primary, standby := cluster.Primary, cluster.Standbys[0]
	makeRoles(t, primary, "-v", "probe_password=it's a probe", "-v", `act_password=an "act"`)
	makeRoles(t, primary) // again, and the passwords stay

	f := open(t, firebreakAt(pg, primary), firebreakAt("orders/pg2", standby))
	version, err := strconv.Atoi(primary.Value(t, "SHOW server_version_num"))
	if err != nil {
		t.Fatal(err)
	}
	want := postgres.Facts{Version: version, SystemIdentifier: primary.Value(t, "SELECT system_identifier FROM pg_control_system()"),
		MaxConnections: 60, SuperuserReserved: 3}
	if facts, missing := check(t, f, pg, everything()); facts != want || missing != nil {
		t.Errorf("primary: %+v, missing %+v; want %+v and nothing", facts, missing, want)
	}
	arrived := primary.Value(t, "SELECT pg_current_wal_lsn()")
	testbed.Await(t, patience, "the roles on the standby", func() bool {
		return standby.Value(t, "SELECT pg_last_wal_replay_lsn() >= '"+arrived+"'") == "t"
	})
	want.Recovery = true
	if facts, missing := check(t, f, "orders/pg2", everything()); facts != want || missing != nil {
		t.Errorf("standby: %+v, missing %+v; want %+v and nothing", facts, missing, want)
	}

	for _, tc := range []struct {
		take, need, why, sql string
		needed               postgres.Needs
	}{
		{"REVOKE pg_monitor FROM firebreak_probe", "pg_monitor", "firebreak_probe sees empty columns",
			`GRANT pg_monitor TO "firebreak_probe";`, postgres.Needs{Probe: true}},
		{"REVOKE pg_read_all_stats FROM firebreak_act", "pg_read_all_stats", "firebreak_act cannot see what a session does",
			`GRANT pg_read_all_stats TO "firebreak_act";`, postgres.Needs{EndSessions: true}},
		{"REVOKE pg_signal_backend FROM firebreak_act", "pg_signal_backend", "firebreak_act cannot end sessions",
			`GRANT pg_signal_backend TO "firebreak_act";`, postgres.Needs{EndSessions: true}},
		{"REVOKE EXECUTE ON FUNCTION pg_wal_replay_resume() FROM firebreak_act", "EXECUTE on pg_wal_replay_resume()",
			"firebreak_act cannot let replay go on", `GRANT EXECUTE ON FUNCTION pg_wal_replay_resume() TO "firebreak_act";`, postgres.Needs{Resume: true}},
		{"REVOKE CONNECT ON DATABASE app FROM PUBLIC, firebreak_probe", "CONNECT", "firebreak_probe may not connect to the database app",
			`GRANT CONNECT ON DATABASE "app" TO "firebreak_probe";`, postgres.Needs{Probe: true}},
		{"REVOKE CONNECT ON DATABASE app FROM PUBLIC, firebreak_act", "CONNECT", "firebreak_act may not connect to the database app",
			`GRANT CONNECT ON DATABASE "app" TO "firebreak_act";`, postgres.Needs{EndSessions: true}},
	} {
		primary.Exec(t, tc.take)
		// New sessions know too, those that may not even be opened among them.
		fresh := open(t, firebreakAt(pg, primary))
		for name, f := range map[string]*postgres.Fleet{"open": f, "new": fresh} {
			_, missing := check(t, f, pg, everything())
			if len(missing) != 1 || missing[0].Node != pg || missing[0].Need != tc.need || missing[0].SQL != tc.sql ||
				!strings.Contains(missing[0].Why, tc.why) {
				t.Errorf("after %q, %s sessions miss %+v", tc.take, name, missing)
			}
			if _, only := check(t, f, pg, tc.needed); !reflect.DeepEqual(only, missing) {
				t.Errorf("after %q, asked for %+v only, %s sessions miss %+v", tc.take, tc.needed, name, only)
			}
			if len(missing) == 1 {
				primary.Exec(t, missing[0].SQL)
			}
			if _, still := check(t, f, pg, everything()); still != nil {
				t.Errorf("after %q and %+v, %s sessions still miss %+v", tc.take, missing, name, still)
			}
			primary.Exec(t, tc.take)
		}
		makeRoles(t, primary)
	}
	if _, missing := check(t, f, pg, everything()); missing != nil {
		t.Errorf("after the file was run once more: %+v", missing)
	}
}

// What was not asked for is not missed, and half of pg_monitor is named as that half.
func TestOnlyWhatIsNeededIsMissed(t *testing.T) {
	t.Parallel()
	server := start(t, testbed.PostgresOptions{})
	f := open(t, nodeAt(server.Port))
	needs := func(need postgres.Needs) (names []string) {
		_, missing := check(t, f, pg, need)
		for _, m := range missing {
			names = append(names, m.Need)
		}
		return names
	}
	expect := func(need postgres.Needs, want ...string) {
		t.Helper()
		if got := needs(need); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v: misses %q, want %q", need, got, want)
		}
	}
	expect(postgres.Needs{})
	expect(postgres.Needs{Probe: true}, "pg_monitor")
	expect(postgres.Needs{EndSessions: true}, "pg_read_all_stats", "pg_signal_backend")
	expect(everything(), "pg_monitor", "pg_read_all_stats", "pg_signal_backend", "EXECUTE on pg_wal_replay_resume()")
	server.Exec(t, "GRANT pg_read_all_stats TO app_ro")
	expect(postgres.Needs{Probe: true}, "pg_read_all_settings")
	server.Exec(t, "REVOKE pg_read_all_stats FROM app_ro; GRANT pg_read_all_settings TO app_ro")
	expect(postgres.Needs{Probe: true}, "pg_read_all_stats")
	// A right that would first have to be switched on with SET ROLE is none.
	server.Exec(t, "GRANT pg_monitor TO app_ro; ALTER ROLE app_ro NOINHERIT")
	expect(postgres.Needs{Probe: true}, "pg_monitor")
}

// A login that can do more than it needs is found, with a statement that takes away that and nothing of anybody else.
func TestTooMuchIsFound(t *testing.T) {
	t.Parallel()
	server := start(t, testbed.PostgresOptions{Init: []string{
		`CREATE ROLE "the dba's"; CREATE ROLE team; GRANT "the dba's" TO team`, "GRANT pg_monitor TO app_ro"}})
	dba := nodeAt(server.Port)
	dba.Name, dba.Act = "orders/dba", postgres.Login{User: testbed.RoleSuperuser}
	same := dba
	same.Name, same.Probe = "orders/same", same.Act
	f := open(t, nodeAt(server.Port), dba, same)
	for node, need := range map[string]postgres.Needs{dba.Name: everything(), same.Name: everything()} {
		_, missing := check(t, f, node, need)
		if len(missing) != 1 || missing[0].Need != "NOSUPERUSER" || missing[0].Why != postgres.TooMuch || !strings.HasPrefix(missing[0].SQL, "--") {
			t.Errorf("%s: got %+v", node, missing)
		}
	}
	if _, missing := check(t, f, dba.Name, postgres.Needs{Probe: true}); missing != nil {
		t.Errorf("without acts: got %+v", missing)
	}
	const promote = "EXECUTE ON FUNCTION pg_promote(boolean, integer)"
	for give, revoke := range map[string]string{
		"GRANT " + promote + " TO app_ro":                            "REVOKE " + promote + " FROM app_ro;",
		"GRANT " + promote + " TO PUBLIC":                            "REVOKE " + promote + " FROM PUBLIC;",
		"GRANT " + promote + ` TO "the dba's"; GRANT team TO app_ro`: "REVOKE team FROM app_ro;",
	} {
		server.Exec(t, give)
		_, missing := check(t, f, pg, postgres.Needs{Probe: true})
		want := []postgres.Missing{{Node: pg, Need: "no EXECUTE on pg_promote()", Why: postgres.TooMuch, SQL: revoke}}
		if !reflect.DeepEqual(missing, want) {
			t.Errorf("after %q: got %+v, want %+v", give, missing, want)
		}
		server.Exec(t, revoke)
		if _, still := check(t, f, pg, postgres.Needs{Probe: true}); still != nil {
			t.Errorf("after %q: still %+v", revoke, still)
		}
	}
}
