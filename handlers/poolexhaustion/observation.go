package poolexhaustion

import "time"

// Observation is one look at what clients wait for: the poolers, the database behind them and the applications' own pools. What could not be
// read is said, and is not zero.
type Observation struct {
	// Poolers are the PgBouncers of the policy, in its order.
	Poolers []Pooler `json:"poolers,omitempty"`
	// Server is the primary; what can be said of it is there, or its Problem is.
	Server Server `json:"server"`
	// Apps are the applications' own pools, in the policy's order.
	Apps []App `json:"apps,omitempty"`
}

// Seconds is a time span.
type Seconds float64

// Pooler is one PgBouncer.
type Pooler struct {
	Name string `json:"name"`
	// Problem says why nothing is known of it; everything below is empty then.
	Problem string    `json:"problem,omitempty"`
	ReadAt  time.Time `json:"read_at,omitzero"`
	Version string    `json:"version,omitempty"`
	// Config holds max_client_conn, default_pool_size, query_wait_timeout (s), server_login_retry (s), as SHOW CONFIG tells them.
	Config map[string]string `json:"config,omitempty"`
	// Databases are those with clients or with sessions at their server, and those that are paused or disabled. A PAUSE of everything does
	// not show.
	Databases []Database `json:"databases,omitempty"`
	// Clients are how many there are by database, user, application and address, most first, at most 20 rows. Those of the console count.
	Clients []Clients `json:"clients,omitempty"`
	// ClientsTotal are all of them.
	ClientsTotal int `json:"clients_total"`
}

// Database is one database of a pooler, over all its users.
type Database struct {
	Name string `json:"name"`
	// Host and Port are where its server is, Backend its name there.
	Host    string `json:"host,omitempty"`
	Port    int    `json:"port,omitempty"`
	Backend string `json:"backend,omitempty"`
	// Mode is session, transaction or statement.
	Mode string `json:"mode,omitempty"`
	// Size is the pool's size for one user, Reserve what may come on top, Connections what is open now, MaxConnections the bound over all users; 0 is none.
	Size           int  `json:"size"`
	Reserve        int  `json:"reserve,omitempty"`
	Connections    int  `json:"connections"`
	MaxConnections int  `json:"max_connections,omitempty"`
	Paused         bool `json:"paused,omitempty"`
	Disabled       bool `json:"disabled,omitempty"`
	// Pools are one for each user.
	Pools []Pool `json:"pools,omitempty"`
	// Totals count since the pooler started; two looks make rates.
	Totals Totals `json:"totals"`
}

// Pool is the connections of one user to one database.
type Pool struct {
	User    string `json:"user"`
	Active  int    `json:"active"`  // clients with a server, and those that ask for nothing
	Waiting int    `json:"waiting"` // clients that ask for one in vain
	// ServersActive run something, ServersIdle are free, ServersUsed were just released, ServersTested and ServersLogin are not usable yet.
	ServersActive int `json:"servers_active"`
	ServersIdle   int `json:"servers_idle"`
	ServersUsed   int `json:"servers_used,omitempty"`
	ServersTested int `json:"servers_tested,omitempty"`
	ServersLogin  int `json:"servers_login,omitempty"`
	// MaxWait is how long the first in the queue has waited.
	MaxWait Seconds `json:"max_wait"`
}

// Totals are counters of SHOW STATS. Times are seconds.
type Totals struct {
	Transactions int64   `json:"transactions"`
	Queries      int64   `json:"queries"`
	QueryTime    Seconds `json:"query_time"`
	XactTime     Seconds `json:"xact_time"`
	WaitTime     Seconds `json:"wait_time"`
}

// Clients are alike clients.
type Clients struct {
	Database string `json:"database"`
	User     string `json:"user"`
	App      string `json:"app,omitempty"`
	Addr     string `json:"addr,omitempty"`
	Count    int    `json:"count"`
}

// Server is the primary.
type Server struct {
	// Node is the policy's name of it; "" if it could not be found.
	Node    string `json:"node,omitempty"`
	Problem string `json:"problem,omitempty"`
	// Primaries are the nodes that take writes: more than one, or none, is a Problem. Unread are those that could not be asked.
	Primaries []string `json:"primaries,omitempty"`
	Unread    []string `json:"unread,omitempty"`
	// Full says that the problem is that no connection slot is free for us.
	Full             bool      `json:"full,omitempty"`
	ReadAt           time.Time `json:"read_at,omitzero"`
	Clock            time.Time `json:"clock,omitzero"`
	Version          int       `json:"version,omitempty"`
	SystemIdentifier string    `json:"system_identifier,omitempty"`
	// Hidden says that pg_monitor is missing: others' states are not seen.
	Hidden bool `json:"hidden,omitempty"`
	// Usable connections are max_connections without the reserved ones; Used are the client backends.
	Usable int `json:"usable,omitempty"`
	Used   int `json:"used,omitempty"`
	// Running work, LockWaiting wait for a lock, SyncRep for a synchronous standby; Leaked are idle in transaction, Idle idle.
	Running     int `json:"running"`
	LockWaiting int `json:"lock_waiting"`
	SyncRep     int `json:"syncrep"`
	Leaked      int `json:"leaked"`
	Idle        int `json:"idle"`
	// Sessions are those idle in a transaction, and those that block others, oldest transaction first, at most 50.
	Sessions []Session `json:"sessions,omitempty"`
	// Blockers are the roots of all chains of waiting, most victims first. PID 0 is a prepared transaction.
	Blockers []Blocker `json:"blockers,omitempty"`
	// BlockersProblem says why they could not be found.
	BlockersProblem string     `json:"blockers_problem,omitempty"`
	Prepared        []Prepared `json:"prepared,omitempty"`
	// SyncNames is synchronous_standby_names, SyncStandbys how many of them stream now.
	SyncNames    string `json:"sync_names,omitempty"`
	SyncStandbys int    `json:"sync_standbys,omitempty"`
	// Commits and Rollbacks count over all databases; two looks make rates.
	Commits   int64 `json:"commits"`
	Rollbacks int64 `json:"rollbacks"`
}

// Session is one client backend.
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
	WaitEventType   string    `json:"wait_event_type,omitempty"`
	WaitEvent       string    `json:"wait_event,omitempty"`
	// XactAge is how old its transaction is, StateAge how long it has been in its state, by the server's clock.
	XactAge  Seconds `json:"xact_age"`
	StateAge Seconds `json:"state_age"`
	// Superuser and Replication say what its role is; we would not touch either.
	Superuser   bool `json:"superuser,omitempty"`
	Replication bool `json:"replication,omitempty"`
	// Progress names the maintenance command that it runs, as in pg_stat_progress_*; such a session is not ended.
	Progress string `json:"progress,omitempty"`
	// Query has no literals in it.
	Query string `json:"query,omitempty"`
}

// Blocker is the root of a chain of waiting.
type Blocker struct {
	// PID is of one of Sessions; 0 is a prepared transaction.
	PID     int `json:"pid"`
	Victims int `json:"victims"` // all that wait behind it, at any distance
}

// Prepared is one row of pg_prepared_xacts.
type Prepared struct {
	GID      string  `json:"gid"`
	Owner    string  `json:"owner"`
	Database string  `json:"database"`
	Age      Seconds `json:"age"`
}

// App is the pool inside of an application.
type App struct {
	Name    string  `json:"name"`
	Problem string  `json:"problem,omitempty"`
	Waiting float64 `json:"waiting"`
	Busy    float64 `json:"busy"`
	Size    float64 `json:"size"`
}
