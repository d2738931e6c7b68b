package replicationlag

import (
	"time"
)

// Observation is one look at a cluster: every node of the policy was asked at about the same time. What could not be read is said, and is
// neither zero nor "no lag".
type Observation struct {
	// Nodes are those of the policy, in its order.
	Nodes []Node `json:"nodes"`
	// Patroni is what it says about the cluster; nil if the policy names none.
	Patroni *Patroni `json:"patroni,omitempty"`
	// Pool is the read pool; nil if the policy names none.
	Pool *Pool `json:"pool,omitempty"`
}

// LSN is a position in the WAL, in bytes from its beginning.
type LSN uint64

// Seconds is a time span as PostgreSQL measured it.
type Seconds float64

// Node is what one server said about itself.
type Node struct {
	Name string `json:"name"`
	// Problem says why nothing is known of it; everything below is empty then, but for Version and SystemIdentifier of a server that is
	// not of this cluster.
	Problem string `json:"problem,omitempty"`
	// AskedAt and ReadAt are our clock before and after its position was read; Clock is its own.
	AskedAt time.Time `json:"asked_at,omitzero"`
	ReadAt  time.Time `json:"read_at,omitzero"`
	Clock   time.Time `json:"clock,omitzero"`
	// Version is server_version_num, e.g. 150020.
	Version          int    `json:"version,omitempty"`
	SystemIdentifier string `json:"system_identifier,omitempty"`
	// Settings are those in [ComparedSettings], max_slot_wal_keep_size in MiB (-1: no bound), wal_receiver_status_interval and
	// wal_sender_timeout in milliseconds.
	Settings map[string]int64 `json:"settings,omitempty"`
	// Exactly one of the two is set when the node could be read.
	Primary *Primary `json:"primary,omitempty"`
	Standby *Standby `json:"standby,omitempty"`
}

// ComparedSettings must not be lower on a standby than on its primary: else, from version 14 on, replay pauses itself, and resuming it
// ends the server.
func ComparedSettings() []string {
	return []string{"max_connections", "max_worker_processes", "max_wal_senders", "max_prepared_transactions", "max_locks_per_transaction"}
}

// Primary is what a node that is not in recovery says.
type Primary struct {
	// Current is pg_current_wal_lsn().
	Current LSN      `json:"current"`
	Senders []Sender `json:"senders,omitempty"`
	Slots   []Slot   `json:"slots,omitempty"`
	// SyncNames is synchronous_standby_names.
	SyncNames string `json:"sync_names,omitempty"`
	// Backups are base backups under way.
	Backups int `json:"backups,omitempty"`
	// Hidden says that the views hide their numbers from our role: pg_monitor is missing. It reads as "no lag" and is not.
	Hidden bool `json:"hidden,omitempty"`
}

// Sender is one row of pg_stat_replication: a standby that is attached, or a base backup.
type Sender struct {
	PID             int       `json:"pid"`
	BackendStart    time.Time `json:"backend_start"`
	User            string    `json:"user,omitempty"`
	ApplicationName string    `json:"application_name"`
	ClientAddr      string    `json:"client_addr,omitempty"`
	// State is startup, catchup, streaming, backup or stopping; SyncState async, potential, sync or quorum.
	State     string `json:"state"`
	SyncState string `json:"sync_state"`
	// Positions; nil is NULL: not known.
	Sent   *LSN `json:"sent,omitempty"`
	Write  *LSN `json:"write,omitempty"`
	Flush  *LSN `json:"flush,omitempty"`
	Replay *LSN `json:"replay,omitempty"`
	// Lags; nil is no recent sample, not zero.
	WriteLag  *Seconds `json:"write_lag,omitempty"`
	FlushLag  *Seconds `json:"flush_lag,omitempty"`
	ReplayLag *Seconds `json:"replay_lag,omitempty"`
	// ReplyAge is how old its receiver's last word is.
	ReplyAge *Seconds `json:"reply_age,omitempty"`
}

// Slot is one row of pg_replication_slots.
type Slot struct {
	Name   string `json:"name"`
	Type   string `json:"type"` // physical or logical
	Active bool   `json:"active"`
	// ActivePID is the walsender that uses it; 0 for none.
	ActivePID int `json:"active_pid,omitempty"`
	// WALStatus is reserved, extended, unreserved or lost; "" before version 13.
	WALStatus string `json:"wal_status,omitempty"`
	// SafeBytes may still be written before the slot can be lost; nil where there is no bound.
	SafeBytes *int64 `json:"safe_bytes,omitempty"`
	// Retained is how much WAL it holds back, in bytes; nil if it has no position.
	Retained *int64 `json:"retained,omitempty"`
}

// Standby is what a node in recovery says.
type Standby struct {
	// Pause is "not paused", "pause requested" or "paused"; before version 14 only the first and the last.
	Pause string `json:"pause"`
	// Receiver is nil when there is no row: nothing is received.
	Receiver *Receiver `json:"receiver,omitempty"`
	Received *LSN      `json:"received,omitempty"` // nil: nothing was streamed since it started
	Replayed *LSN      `json:"replayed,omitempty"`
	// ReplayedAt is the commit time of the last transaction replayed, by the primary's clock; zero before the first.
	ReplayedAt time.Time `json:"replayed_at,omitzero"`
	// Startup is the process that replays; nil if it could not be seen.
	Startup *Startup `json:"startup,omitempty"`
	// ApplyDelay is recovery_min_apply_delay, StreamingDelay max_standby_streaming_delay (-1: for ever), in milliseconds.
	ApplyDelay     int64 `json:"apply_delay,omitempty"`
	StreamingDelay int64 `json:"streaming_delay,omitempty"`
	// Clients are how many sessions of clients there are; nil: not known.
	Clients *int `json:"clients,omitempty"`
	// Holders are the sessions that hold replay up; only looked for while it waits for one.
	Holders []Session `json:"holders,omitempty"`
	// HoldersProblem says why they could not be found, or may not be the right ones.
	HoldersProblem string `json:"holders_problem,omitempty"`
	// Backups are base backups taken from this standby, as far as any view shows them: a reason to have paused it.
	Backups int `json:"backups,omitempty"`
	// Hidden is as in [Primary].
	Hidden bool `json:"hidden,omitempty"`
}

// Receiver is the row of pg_stat_wal_receiver.
type Receiver struct {
	PID        int    `json:"pid"`
	Status     string `json:"status"`
	SenderHost string `json:"sender_host,omitempty"`
	SlotName   string `json:"slot_name,omitempty"`
	Timeline   int    `json:"timeline,omitempty"`
	// MessageAge is how old the primary's last word is. An idle one speaks each wal_sender_timeout/2 (30 s by default).
	MessageAge *Seconds `json:"message_age,omitempty"`
}

// Startup is the process that replays.
type Startup struct {
	PID           int    `json:"pid"`
	WaitEventType string `json:"wait_event_type,omitempty"`
	WaitEvent     string `json:"wait_event,omitempty"`
	// LockWait is how long it has waited for a lock (version 14 and later); nil if it does not, or it is not known.
	LockWait *Seconds `json:"lock_wait,omitempty"`
	// LockOn is the relation that it waits for, as schema-less oid or name.
	LockOn string `json:"lock_on,omitempty"`
}

// Session is a client's session on a standby that holds replay up: by its snapshot, or by a lock.
type Session struct {
	PID             int       `json:"pid"`
	BackendStart    time.Time `json:"backend_start"`
	XactStart       time.Time `json:"xact_start,omitzero"`
	User            string    `json:"user"`
	Database        string    `json:"database,omitempty"`
	ApplicationName string    `json:"application_name,omitempty"`
	ClientAddr      string    `json:"client_addr,omitempty"`
	BackendType     string    `json:"backend_type"`
	State           string    `json:"state"`
	// XactAge is how old its transaction is, StateAge how long it has been in its state, by the server's clock.
	XactAge  Seconds `json:"xact_age"`
	StateAge Seconds `json:"state_age"`
	// Holds is "snapshot" or "lock".
	Holds string `json:"holds"`
	// Superuser says that its role is one; we could not end it, and would not.
	Superuser bool `json:"superuser,omitempty"`
	// Query has no literals in it.
	Query string `json:"query,omitempty"`
}

// Patroni is what GET /cluster says.
type Patroni struct {
	Problem string `json:"problem,omitempty"`
	// Paused says that a person has taken the cluster over.
	Paused  bool     `json:"paused,omitempty"`
	Members []Member `json:"members,omitempty"`
	// Switchover says that one is scheduled.
	Switchover bool `json:"switchover,omitempty"`
}

// Member is one node as Patroni sees it.
type Member struct {
	Name string `json:"name"`
	// Role is leader (or master, primary), replica, sync_standby or standby_leader.
	Role     string `json:"role"`
	State    string `json:"state"`
	Timeline int    `json:"timeline,omitempty"`
}

// Pool is the read pool.
type Pool struct {
	Problem string   `json:"problem,omitempty"`
	Readers []Reader `json:"readers,omitempty"`
}

// Reader is one node in the read pool.
type Reader struct {
	Node string `json:"node"`
	// Ready says that it takes new readers now.
	Ready bool `json:"ready"`
	// State is the pool's own word for it, e.g. "drain".
	State string `json:"state,omitempty"`
}
