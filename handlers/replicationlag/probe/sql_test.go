package probe

import (
	"context"
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/handlers/replicationlag"
	"github.com/jackc/pgx/v5"
)

// TestVersions holds that no version is asked for what it does not have. What each has is said by its manual; 15 alone is tried here.
func TestVersions(t *testing.T) {
	t.Parallel()
	since := []struct {
		from, to int // first and last version that has it
		name     string
	}{
		{13, 99, "coalesce(wal_status"}, {13, 99, "safe_wal_size"}, {14, 99, "waitstart"}, {14, 99, "pg_get_wal_replay_pause_state"},
		{12, 14, "pg_is_in_backup"},
		// Not used by any: they came late, or were taken away.
		{16, 99, "conflicting"}, {17, 99, "inactive_since"}, {17, 99, "invalidation_reason"}, {12, 12, "received_lsn"}, {13, 99, "written_lsn"},
		{13, 99, "flushed_lsn"}, {13, 99, "leader_pid"}, {13, 99, "pg_stat_progress_basebackup"}, {14, 99, "query_id"},
	}
	has := map[int][]string{
		12: {"pg_is_in_backup", "pg_is_wal_replay_paused", "NULL::float8 AS lock_wait", "'' AS wal_status", "NULL::bigint AS safe_bytes"},
		13: {"pg_is_in_backup", "pg_is_wal_replay_paused", "NULL::float8 AS lock_wait", "wal_status, '')", "safe_wal_size AS safe_bytes"},
		14: {"pg_is_in_backup", "pg_get_wal_replay_pause_state()", "waitstart", "wal_status, '')", "safe_wal_size AS safe_bytes"},
		15: {"pg_get_wal_replay_pause_state()", "waitstart", "wal_status, '')", "safe_wal_size AS safe_bytes"},
		16: {"pg_get_wal_replay_pause_state()", "waitstart", "wal_status, '')", "safe_wal_size AS safe_bytes"},
		17: {"pg_get_wal_replay_pause_state()", "waitstart", "wal_status, '')", "safe_wal_size AS safe_bytes"},
	}
	for version := 12; version <= 17; version++ {
		all := everythingAsked(version*10000 + 4)
		for _, s := range since {
			if strings.Contains(all, s.name) && (version < s.from || version > s.to) {
				t.Errorf("version %d is asked for %s, which is there from %d to %d", version, s.name, s.from, s.to)
			}
		}
		for _, want := range has[version] {
			if !strings.Contains(all, want) {
				t.Errorf("version %d is not asked for %s", version, want)
			}
		}
		if got := strings.Contains(all, "pg_is_wal_replay_paused"); got != (version < 14) {
			t.Errorf("version %d: got the pause from pg_is_wal_replay_paused %t", version, got)
		}
	}
	if everythingAsked(150000) != everythingAsked(170002) {
		t.Error("15, which is tried here, is asked something else than 17")
	}
}

// everythingAsked is the text of all statements for a version.
func everythingAsked(version int) string {
	return strings.Join([]string{identitySQL, positionSQL, settingsSQL, sendersSQL, slotsSQL(version), backupsSQL(version),
		replaySQL(version), receiverSQL, startupSQL, lockSQL(version), snapshotSQL, lockHoldersSQL}, ";\n")
}

// olderVersions runs what older versions are asked where this one can answer it: it gives the same columns, and the same answer but for
// what those versions do not know.
func olderVersions(t *testing.T, l *lab) {
	w := l.watch(t)
	look := func(node string, fn func(ctx context.Context, conn *pgx.Conn)) {
		t.Helper()
		if err := w.prober.looks.Look(t.Context(), "orders/"+node, func(ctx context.Context, conn *pgx.Conn) error {
			fn(ctx, conn)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	look("pg1", func(ctx context.Context, conn *pgx.Conn) {
		old, err := many[replicationlag.Slot](ctx, conn, slotsSQL(120000))
		now, err2 := many[replicationlag.Slot](ctx, conn, slotsSQL(150000))
		if err != nil || err2 != nil || len(old) != 2 || len(now) != 2 {
			t.Fatalf("got %d and %d slots, %v, %v", len(old), len(now), err, err2)
		}
		if old[0].WALStatus != "" || old[0].SafeBytes != nil || old[0].Name != now[0].Name || old[0].ActivePID != now[0].ActivePID {
			t.Errorf("got %s, then %s", asJSON(old), asJSON(now))
		}
	})
	look("pg2", func(ctx context.Context, conn *pgx.Conn) {
		for _, version := range []int{120000, 130000, 140000, 160000, 170000} {
			got, err := one[replay](ctx, conn, replaySQL(version))
			if want := (replay{Pause: "not paused", StreamingDelay: 600000, Clients: got.Clients}); err != nil || got != want || got.Clients < 1 {
				t.Errorf("%d: got %+v, %v", version, got, err)
			}
			if _, err := conn.Exec(ctx, lockSQL(version), 1); err != nil {
				t.Errorf("%d: %v", version, err)
			}
		}
	})
}

// partsFail holds what is said when a part of a look fails in the middle of it.
func partsFail(t *testing.T, l *lab) {
	err := l.watch(t).prober.looks.Look(t.Context(), "orders/pg2", func(ctx context.Context, conn *pgx.Conn) error {
		over, cancel := context.WithCancel(ctx)
		cancel()
		r := nodeReader{conn: conn, seen: replicationlag.Node{Version: 150000}}
		for want, startup := range map[string]replicationlag.Startup{
			"read the lock that replay waits for: ":                 {WaitEventType: "Lock", WaitEvent: "relation"},
			"find the sessions that hold replay up by a snapshot: ": {WaitEventType: "IPC", WaitEvent: "RecoveryConflictTablespace"},
		} {
			s := replicationlag.Standby{Startup: &startup}
			if r.whoHolds(over, &s); !strings.HasPrefix(s.HoldersProblem, want) || s.Holders != nil {
				t.Errorf("got %s, want %s…", asJSON(s), want)
			}
		}
		got := replicationlag.Standby{Startup: &replicationlag.Startup{PID: int(conn.PgConn().PID()), WaitEventType: "Lock"}}
		if r.whoHolds(ctx, &got); got.HoldersProblem != "" || got.Holders != nil || got.Startup.LockWait != nil {
			t.Errorf("it has got the lock meanwhile: got %s", asJSON(got))
		}
		if _, err := r.primary(ctx, position{}); err == nil || !strings.Contains(err.Error(), "promoted or restarted meanwhile") {
			t.Errorf("a primary without a position: got %v", err)
		}
		if _, err := r.primary(over, position{Written: new(replicationlag.LSN)}); err == nil || !strings.HasPrefix(err.Error(), "read pg_stat_replication: ") {
			t.Errorf("a primary that cannot be read: got %v", err)
		}
		if _, err := r.standby(over, position{}); err == nil || !strings.HasPrefix(err.Error(), "read the state of replay: ") {
			t.Errorf("a standby that cannot be read: got %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
