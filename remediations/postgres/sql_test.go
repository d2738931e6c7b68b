package postgres

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// versions are those that statements are written for.
func versions() []int { return []int{120000, 130000, 140000, 150000, 160000, 170000} }

// Each version is only asked for what it has.
func TestStatementsByVersion(t *testing.T) {
	t.Parallel()
	for _, version := range versions() {
		all := strings.Join([]string{endSQL(version, FixEndBlocker, idle, terminateCall(version)), whyNotSQL(version, FixEndBlocker, either),
			streamSQL(version), resumeSQL(version), whyNotResumeSQL(version), pauseSQL(version)}, "\n")
		for text, since := range map[string]int{
			"pg_terminate_backend(v.pid, v.patience)": 140000, "pg_get_wal_replay_pause_state": 140000, "pg_stat_progress_copy": 140000,
			"pg_stat_progress_analyze": 130000, "pg_stat_progress_basebackup": 130000,
			"pg_stat_progress_create_index": 120000, "pg_stat_progress_vacuum": 120000, "pg_stat_progress_cluster": 120000,
		} {
			if got, want := strings.Contains(all, text), version >= since; got != want {
				t.Errorf("%d: %s is used: %t, want %t", version, text, got, want)
			}
		}
		for text, until := range map[string]int{"pg_terminate_backend(v.pid) ": 140000, "pg_is_wal_replay_paused": 140000} {
			if got, want := strings.Contains(all, text), version < until; got != want {
				t.Errorf("%d: %s is used: %t, want %t", version, text, got, want)
			}
		}
		if strings.Contains(all, `\`) {
			t.Errorf("%d: what a backslash means is a setting of the server", version)
		}
	}
}

// A statement that acts has every condition that a refusal can name, and the deadline once more where the signal is sent.
func TestStatementsHoldAllRules(t *testing.T) {
	t.Parallel()
	for _, version := range versions() {
		for _, fix := range []string{FixEndConflict, FixEndLeaked, FixEndBlocker} {
			for _, d := range []doing{idle, running, either} {
				holds(t, endSQL(version, fix, d, terminateCall(version)), sessionRules(version, fix, d))
				holds(t, endSQL(version, fix, d, cancelCall), sessionRules(version, fix, d))
			}
		}
		holds(t, streamSQL(version), streamRules())
		holds(t, resumeSQL(version), replayRules(version))
	}
}

func holds(t *testing.T, sql string, rules []rule) {
	t.Helper()
	for _, r := range rules {
		if !strings.Contains(sql, "("+r.holds+")") || r.otherwise == "" {
			t.Errorf("the statement lacks %s", r.holds)
		}
	}
	if !strings.Contains(sql, "v.deadline") && !strings.Contains(sql, "pg_wal_replay_resume") {
		t.Error("the deadline is not asked for again")
	}
}

// The statements of all versions run on a real server: each ends exactly what it is given, at most so many as it may, and nothing when it is
// used up. Those for older versions run on a newer one too.
func TestStatementsOfAllVersionsRun(t *testing.T) {
	t.Parallel()
	n := testbed.StartPostgres(t, testbed.PostgresOptions{Standbys: -1}).Primary
	conn := n.Session(t, testbed.RoleSuperuser, testbed.Database)
	id := n.Value(t, "select system_identifier from pg_control_system()")
	for range 21 {
		open(t, n)
	}
	for _, version := range versions() {
		one, two := open(t, n), open(t, n)
		e := ending{fix: FixEndLeaked, endParams: endParams{SystemIdentifier: id, Roles: []string{testbed.RoleApp}, Max: 1}}
		try := &try{conn: conn, deadline: time.Now().Add(20 * time.Second), version: version}
		end := func(wanted []session, used int, d doing, call string) string {
			t.Helper()
			got, err := e.signal(t.Context(), try, wanted, used, d, call)
			if err != nil {
				t.Fatalf("%d: %v", version, err)
			}
			var pids []int
			for _, s := range got {
				pids = append(pids, s.PID)
			}
			return fmt.Sprint(pids)
		}
		both := []session{two, one}
		for _, c := range []struct {
			got, want string
		}{
			{end(both, 1, idle, terminateCall(version)), "[]"},
			{end(both, 0, running, cancelCall), "[]"},
			{end(both, 0, idle, cancelCall), fmt.Sprint([]int{two.PID})},
			{end(both, 0, idle, terminateCall(version)), fmt.Sprint([]int{two.PID})},
		} {
			if c.got != c.want {
				t.Errorf("%d: got %s, want %s", version, c.got, c.want)
			}
		}
		testbed.Await(t, 20*time.Second, "the session to end", func() bool {
			left, err := remaining(t.Context(), conn, both, func(s sight) bool { return s.there })
			return err == nil && len(left) == 1 && left[0].PID == one.PID
		})
		if got := end(both, 0, idle, terminateCall(version)); got != "[]" {
			t.Errorf("%d: the same again ended %s", version, got)
		}
		if words := e.whyNot(t.Context(), try, both, 0); !strings.Contains(words, "gone already") || !strings.Contains(words, "one action may end") {
			t.Errorf("%d: got %q", version, words)
		}
		w := restarting{streamParams{SystemIdentifier: id, PID: one.PID, BackendStart: one.BackendStart, ApplicationName: "x", Standby: "x"}}
		if _, err := w.act(t.Context(), try); err == nil || !strings.Contains(err.Error(), "no walsender") {
			t.Errorf("%d: got %v", version, err)
		}
		try.version = version // it has asked the server meanwhile
		args := []any{pgx.QueryExecModeExec, id, try.deadline, "0/1", comparedSettings(), []int64{0, 0, 0, 0, 0}}
		if words := (resuming{}).whyNot(t.Context(), try, args); !strings.Contains(words, "no standby") {
			t.Errorf("%d: got %q", version, words)
		}
		if p, err := (resuming{replayParams{ReplayLSN: "0/1"}}).pauseAt(t.Context(), conn, version); err != nil || p.state != "" {
			t.Errorf("%d: got %+v, %v", version, p, err)
		}
	}
}

// open opens a session that sits idle in a transaction.
func open(t *testing.T, n *testbed.PostgresNode) session {
	t.Helper()
	c := n.Session(t, testbed.RoleApp, testbed.Database)
	s := session{User: testbed.RoleApp}
	if _, err := c.Exec(t.Context(), "begin"); err != nil {
		t.Fatal(err)
	}
	row := c.QueryRow(t.Context(), "select pid, backend_start, xact_start from pg_stat_activity where pid = pg_backend_pid()")
	if err := row.Scan(&s.PID, &s.BackendStart, &s.XactStart); err != nil {
		t.Fatal(err)
	}
	return s
}
