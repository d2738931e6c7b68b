package policy

import "cmp"

// SessionStore is one place in which an application keeps its sessions. It says where that is; what may be done there is said by each
// handler. What the application must write there is said in internal/sessions.
type SessionStore struct {
	// Store is its name, once only: letters, digits, "_" and "-". Required. An alert whose label "store" says the same is about it.
	Store string `yaml:"store" rule:"need=webshop;name"`
	// Domain is the failure domain that the limits count in, default that of the cluster that the sessions are in, so that they are not
	// changed while it is; else the store's name.
	Domain string `yaml:"domain" rule:"name"`
	// Zone is what fails together, default that of the cluster, else all.
	Zone string `yaml:"zone" rule:"name"`
	// TTL is how long the application's leases last. A session is an orphan at the earliest when its lease has been over for twice as
	// long. Required.
	TTL Duration `yaml:"ttl" rule:"need=30s;min=1s;max=24h"`
	// Exactly one of the three says where the sessions are.
	Redis    *RedisSessions    `yaml:"redis"`
	Postgres *PostgresSessions `yaml:"postgres"`
	HTTP     *HTTPSessions     `yaml:"http"`
}

// RedisSessions are sessions in one Redis primary with its replicas.
type RedisSessions struct {
	// Primary is host:port. Whether it is one is asked before every change. Required.
	Primary string `yaml:"primary" rule:"need=10.0.0.31:6379;address"`
	// Replicas are reached directly, for their own positions and contents. Empty: there are none, and nothing can be compared.
	Replicas []RedisReplica `yaml:"replicas"`
	// Prefix begins the names of all keys. Letters, digits and ":._-{}". It may be empty.
	Prefix string `yaml:"prefix" rule:"prefix"`
	// User and Password log in at all of them; without a user the password is that of the user default.
	User         string `yaml:"user"`
	Password     Secret `yaml:"password"`
	PasswordFile string `yaml:"password_file" rule:"into=Password"`
	// TLS is nil for connections in the clear.
	TLS *RedisTLS `yaml:"tls"`
	// Timeout of one command, default 2s. Wait is how long a replica may take to reach a position, default 2s.
	Timeout Duration `yaml:"timeout" rule:"default=2s;min=10ms;max=10s"`
	Wait    Duration `yaml:"wait" rule:"default=2s;min=10ms;max=10s"`
}

// RedisReplica follows the primary.
type RedisReplica struct {
	// Name is unique in its store: letters, digits, "_" and "-". Required.
	Name string `yaml:"name" rule:"need=replica1;name"`
	// Address is host:port. Required.
	Address string `yaml:"address" rule:"need=10.0.0.32:6379;address"`
}

// RedisTLS is TLS at the primary and all replicas.
type RedisTLS struct {
	// CAFile are the authorities, PEM; empty is those of the system.
	CAFile string `yaml:"ca_file" rule:"file"`
	// ServerName is what the certificates say, default the host of each address.
	ServerName string `yaml:"server_name" rule:"host"`
}

// PostgresSessions are sessions in a table of a cluster.
type PostgresSessions struct {
	// Cluster is a name of postgres[].cluster: its nodes, and its logins for looking (connect.probe) and changing (connect.act). Required.
	Cluster string `yaml:"cluster" rule:"need=orders;name"`
	// Database is where the tables are, default the cluster's connect.database.
	Database string `yaml:"database"`
	// Table holds the sessions, NodesTable the registered nodes, ActionsTable what was done: schema.table each, default public.sessions,
	// public.session_nodes and public.session_actions.
	Table        string         `yaml:"table" rule:"default=public.sessions;table"`
	NodesTable   string         `yaml:"nodes_table" rule:"default=public.session_nodes;table"`
	ActionsTable string         `yaml:"actions_table" rule:"default=public.session_actions;table"`
	Columns      SessionColumns `yaml:"columns"`
	// Wait is how long a standby may take to reach a position, default 2s.
	Wait Duration `yaml:"wait" rule:"default=2s;min=10ms;max=10s"`
}

// SessionColumns are the names of columns in the table of sessions. "-" is a column that there is not; only copy, priority and updated_at
// may be missing.
type SessionColumns struct {
	// ID is text, or casts to it; default session_id.
	ID string `yaml:"id" rule:"default=session_id;column"`
	// Copy is the node whose copy the row is, empty for the session itself; default copy.
	Copy string `yaml:"copy" rule:"default=copy;column"`
	// Owner is text, Epoch bigint, Lease timestamptz; default owner, epoch and lease_expires_at.
	Owner string `yaml:"owner" rule:"default=owner;column"`
	Epoch string `yaml:"epoch" rule:"default=epoch;column"`
	Lease string `yaml:"lease" rule:"default=lease_expires_at;column"`
	// Version is text ('7', or 'a=3,b=1' in the order of the names) or bigint, as VersionType says; default version and text.
	Version     string `yaml:"version" rule:"default=version;column"`
	VersionType string `yaml:"version_type" rule:"default=text;versiontype"`
	// Priority is text, UpdatedAt timestamptz; default priority and updated_at.
	Priority  string `yaml:"priority" rule:"default=priority;column"`
	UpdatedAt string `yaml:"updated_at" rule:"default=updated_at;column"`
	// QuarantinedAt is timestamptz, QuarantinedBy text, both null in a live row; default quarantined_at and quarantined_by.
	QuarantinedAt string `yaml:"quarantined_at" rule:"default=quarantined_at;column"`
	QuarantinedBy string `yaml:"quarantined_by" rule:"default=quarantined_by;column"`
}

// versionTypes are the types that the column of versions may have.
func versionTypes() []string { return []string{"text", "bigint"} }

// HTTPSessions are sessions behind the application's own endpoint, which keeps the contract that "firebreak sessions verify" checks.
type HTTPSessions struct {
	// URL is its address, to which the contract's paths are added. Required.
	URL             string `yaml:"url" rule:"need=https://webshop:8443/firebreak;base"`
	BearerToken     Secret `yaml:"bearer_token"`
	BearerTokenFile string `yaml:"bearer_token_file" rule:"into=BearerToken"`
	// Timeout of one request, default 15s: a store may wait for its replicas for 10s.
	Timeout Duration `yaml:"timeout" rule:"default=15s;min=10ms;max=60s"`
}

// fill puts in the defaults that a store takes from its own name, and from the cluster that it is in.
func (s *SessionStore) fill(p Policy) {
	c := PostgresCluster{}
	if s.Postgres != nil {
		c, _ = p.cluster(s.Postgres.Cluster)
		s.Postgres = new(*s.Postgres) // it may be somebody else's
		s.Postgres.Database = cmp.Or(s.Postgres.Database, c.Connect.Database)
	}
	s.Domain = cmp.Or(s.Domain, c.Domain, c.Cluster, s.Store)
	s.Zone = cmp.Or(s.Zone, c.Zone, "all")
}

// sessionsPlace is what follows the store's name in the one place that a store has.
const sessionsPlace = "sessions"

// sessionPlaces is where the sessions of a store are changed. A store that is not there has no such place.
func (p Policy) sessionPlaces(store string) []string {
	if _, ok := p.SessionStore(store); !ok {
		return nil
	}
	return []string{placeIn(store, sessionsPlace)}
}

// storeTarget is a store as the handler's target.
func (p Policy) storeTarget(s DriftStore) TargetName {
	store, ok := p.SessionStore(s.Store)
	if !ok {
		store = SessionStore{Store: s.Store}
	}
	store.fill(p) // a copy: the list changes nothing
	mode := or(s.Mode, p.Handlers.SessionDrift.Mode)
	return TargetName{Name: s.Store, Domain: store.Domain, Zone: store.Zone, Mode: mode, Fixes: s.Fix.Allow}
}

// SessionStore finds a store by its name.
func (p Policy) SessionStore(name string) (SessionStore, bool) {
	for _, s := range p.Sessions {
		if s.Store == name {
			return s, true
		}
	}
	return SessionStore{}, false
}
