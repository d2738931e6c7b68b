package probe

import (
	"context"
	"fmt"
	"github.com/firebreak-sre/firebreak/handlers/replicationlag"
)

// standby is what a node in recovery says.
func (r *nodeReader) standby(ctx context.Context, at position) (*replicationlag.Standby, error) {
	own, err := one[replay](ctx, r.conn, replaySQL(r.seen.Version))
	if err != nil {
		return nil, fmt.Errorf("read the state of replay: %w", err)
	}
	s := &replicationlag.Standby{Pause: own.Pause, Received: at.Received, Replayed: at.Replayed,
		ApplyDelay: own.ApplyDelay, StreamingDelay: own.StreamingDelay, Clients: &own.Clients}
	if at.ReplayedAt != nil {
		s.ReplayedAt = *at.ReplayedAt
	}
	receivers, err := many[replicationlag.Receiver](ctx, r.conn, receiverSQL)
	if err != nil {
		return nil, fmt.Errorf("read pg_stat_wal_receiver: %w", err)
	}
	if len(receivers) > 0 {
		s.Receiver = &receivers[0]
	}
	processes, err := many[process](ctx, r.conn, startupSQL)
	if err != nil {
		return nil, fmt.Errorf("read the startup process: %w", err)
	}
	if len(processes) > 0 {
		p := processes[0]
		s.Startup = &replicationlag.Startup{PID: p.PID, WaitEventType: p.WaitEventType, WaitEvent: p.WaitEvent}
		r.whoHolds(ctx, s)
	}
	s.Backups, err = r.backups(ctx)
	return s, err
}

// replay is the state of replay, and what it was told to wait for.
type replay struct {
	Pause          string
	ApplyDelay     int64
	StreamingDelay int64
	Clients        int
}

// replaySQL reads how replay goes. Before version 14 a pause that is only requested counts as one. An ended recovery is an error.
func replaySQL(version int) string {
	pause := "pg_get_wal_replay_pause_state()"
	if version < 140000 {
		pause = "CASE WHEN pg_is_wal_replay_paused() THEN 'paused' ELSE 'not paused' END"
	}
	return `SELECT ` + pause + ` AS pause,
  (SELECT setting::bigint FROM pg_settings WHERE name = 'recovery_min_apply_delay') AS apply_delay,
  (SELECT setting::bigint FROM pg_settings WHERE name = 'max_standby_streaming_delay') AS streaming_delay,
  (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS clients`
}

// receiverSQL is the same for all versions: it leaves out the positions, which have other names in version 12.
const receiverSQL = `SELECT pid,
  coalesce(status, '') AS status,
  coalesce(sender_host, '') AS sender_host,
  coalesce(slot_name, '') AS slot_name,
  coalesce(received_tli, 0) AS timeline,
  extract(epoch FROM clock_timestamp() - last_msg_receipt_time)::float8 AS message_age
FROM pg_stat_wal_receiver`

// process is the row of the process that replays.
type process struct {
	PID           int
	WaitEventType string
	WaitEvent     string
}

const startupSQL = `SELECT pid, coalesce(wait_event_type, '') AS wait_event_type, coalesce(wait_event, '') AS wait_event
FROM pg_stat_activity WHERE backend_type = 'startup'`
