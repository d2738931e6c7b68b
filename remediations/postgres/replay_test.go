package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/testbed"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/postgres"
)

// resumes are the settings of resume_replay.
type resumes struct {
	SystemIdentifier string         `json:"system_identifier"`
	ReplayLSN        string         `json:"replay_lsn"`
	Settings         map[string]int `json:"settings"`
}

// resumes is a plan for a standby as it is now, with the primary's settings as they are now.
func (b *bench) resumes(t *testing.T, n *testbed.PostgresNode) resumes {
	t.Helper()
	r := resumes{SystemIdentifier: b.id, ReplayLSN: n.Value(t, "select pg_last_wal_replay_lsn()"), Settings: map[string]int{}}
	for _, name := range []string{"max_connections", "max_locks_per_transaction", "max_prepared_transactions", "max_wal_senders",
		"max_worker_processes"} {
		r.Settings[name] = number32(t, b.Primary, "select setting from pg_settings where name = '"+name+"'")
	}
	return r
}

func paused(n *testbed.PostgresNode) string {
	v, err := n.Ask("select pg_get_wal_replay_pause_state()")
	if err != nil {
		return err.Error()
	}
	return v
}

func awaitPaused(t *testing.T, n *testbed.PostgresNode) {
	t.Helper()
	testbed.Await(t, patience, "the pause of "+n.Name, func() bool { return paused(n) == "paused" })
}

// A replay that stands where the plan saw it goes on; anything else is refused, and it stays as it is.
func TestResumeReplay(t *testing.T) {
	t.Parallel()
	b := newBench(t, testbed.PostgresOptions{Standbys: 1})
	s := b.Standbys[0]
	before := order(t, "pg2", postgres.FixResumeReplay, b.resumes(t, s))
	checked(t, b.rem, before, remediations.Satisfied, "not paused")
	refused(t, b.rem, before, "not paused")

	s.Exec(t, "select pg_wal_replay_pause()")
	awaitPaused(t, s)
	b.Primary.Exec(t, "update items set note = 'later' where id = 1")
	plan := b.resumes(t, s)
	for _, c := range []struct {
		node, words string
		change      func(*resumes)
	}{
		{"pg2", "another place", func(r *resumes) { r.ReplayLSN = "0/1" }},
		{"pg2", "another server", func(r *resumes) { r.SystemIdentifier = "7000000000000000001" }},
		{"pg2", "a setting is lower than on the primary", func(r *resumes) { r.Settings["max_worker_processes"]++ }},
		{"pg2", "settings are 4", func(r *resumes) { delete(r.Settings, "max_wal_senders") }},
		{"pg1", "no standby", func(*resumes) {}},
	} {
		wrong := b.resumes(t, s)
		c.change(&wrong)
		refused(t, b.rem, order(t, c.node, postgres.FixResumeReplay, wrong), c.words)
	}
	late := order(t, "pg2", postgres.FixResumeReplay, plan)
	late.Deadline = time.Now().Add(200 * time.Millisecond)
	refused(t, remedy(t, b.fleet, actsLate{b.fleet, late.Deadline.Add(time.Millisecond)}), late, "deadline has passed by the server's clock")
	f := b.open(t, weak, nil)
	refused(t, remedy(t, f, f), order(t, "pg2", postgres.FixResumeReplay, plan), `GRANT EXECUTE ON FUNCTION pg_wal_replay_resume() TO "fb_weak"`)
	if got := paused(s); got != "paused" || s.Value(t, "select note from items where id = 1") != "" {
		t.Fatalf("after plans that were refused replay is %q", got)
	}

	o := order(t, "pg2", postgres.FixResumeReplay, plan)
	checked(t, b.rem, o, remediations.Absent, "paused at "+plan.ReplayLSN)
	r := applied(t, b.rem, o)
	if !strings.Contains(r.Note, "replay goes on") {
		t.Errorf("got note %q", r.Note)
	}
	testbed.Await(t, patience, "what was written meanwhile", func() bool {
		v, err := s.Ask("select note from items where id = 1")
		return err == nil && v == "later"
	})
	checked(t, b.rem, o, remediations.Satisfied, "not paused")
	refused(t, b.rem, o, "not paused")

	// Somebody pauses it again, further on: that is theirs, and the same order again does not end it.
	s.Exec(t, "select pg_wal_replay_pause()")
	awaitPaused(t, s)
	checked(t, b.rem, o, remediations.Foreign, "somebody paused it again")
	refused(t, b.rem, o, "another place")
	if got := paused(s); got != "paused" {
		t.Errorf("somebody's pause was ended: %q", got)
	}
}

// A standby that paused itself because a setting of its own is lower than the primary's would shut down if it were resumed. It is not, and
// stays up.
func TestResumeReplayLeavesTheParameterPause(t *testing.T) {
	t.Parallel()
	b := newBench(t, testbed.PostgresOptions{Standbys: 1, StandbyConfig: map[string]string{"max_connections": "60"}})
	s := b.Standbys[0]
	b.Primary.ReloadWith(map[string]string{"max_connections": "70"})
	if err := b.Primary.Restart(); err != nil {
		t.Fatal(err)
	}
	awaitPaused(t, s)
	o := order(t, "pg2", postgres.FixResumeReplay, b.resumes(t, s))
	checked(t, b.rem, o, remediations.Absent, "paused")
	refused(t, b.rem, o, "a setting is lower than on the primary")
	if got := paused(s); got != "paused" {
		t.Errorf("replay is %q", got)
	}
	select {
	case <-s.Ended():
		t.Error("the standby has shut down")
	default:
	}
	if log := s.Log(); strings.Contains(log, "recovery aborted") {
		t.Error("the standby gave up recovery")
	}
}
