package policy

// PostgresCluster is one PostgreSQL primary with its standbys, and what stands in front of them. It says where everything is; what may
// be done there is said by each handler.
type PostgresCluster struct {
	// Cluster is its name, once only: letters, digits, "_" and "-". Required. An alert whose label "cluster" says the same is about it.
	Cluster string `yaml:"cluster" rule:"need=orders;name"`
	// Domain is the failure domain that the limits count in, default the cluster's name: one change at a time in it, whichever handler wants it.
	Domain string `yaml:"domain" rule:"name"`
	// Zone is what fails together, default all.
	Zone string `yaml:"zone" rule:"name"`
	// SystemIdentifier is what pg_control_system() says on every node of it. A node that says otherwise is not looked at further. Empty: the
	// nodes must only agree with each other.
	SystemIdentifier string `yaml:"system_identifier" rule:"digits"`
	// Match are labels that an alert must carry to be about this cluster, default {cluster: Cluster}. An alert about one of its nodes is
	// about it too. No two clusters, nodes, poolers or applications' pools may name the same labels.
	Match   map[string]string `yaml:"match"`
	Connect PostgresConnect   `yaml:"connect"`
	// Nodes are all of them; which one is the primary is asked, not written here. At least one.
	Nodes []PostgresNode `yaml:"nodes" rule:"need=[{node: pg1, host: 10.0.0.11}]"`
	// Patroni manages the cluster. Nil: nobody does.
	Patroni *Patroni `yaml:"patroni"`
	// Reads is the pool that readers go through. Nil: there is none, and no node can be taken out of it.
	Reads *ReadPool `yaml:"reads"`
	// PgBouncers stand in front of the primary.
	PgBouncers []PgBouncer `yaml:"pgbouncers"`
}

// PostgresConnect is how all nodes of a cluster are reached.
type PostgresConnect struct {
	// Database to connect to, default postgres. Sessions of all databases are seen from any.
	Database string `yaml:"database" rule:"default=postgres"`
	// SSLMode is libpq's: disable, require, verify-ca or verify-full, default verify-full.
	SSLMode string `yaml:"sslmode" rule:"default=verify-full;sslmode"`
	// SSLRootCertFile are the authorities for verify-ca and verify-full, here and at the poolers; empty is those of the system.
	SSLRootCertFile string `yaml:"sslrootcert_file" rule:"file"`
	// Probe looks (pg_monitor), Act ends sessions and resumes replay (pg_signal_backend); see deploy/postgres/roles.sql. Without Act nothing
	// is changed in PostgreSQL.
	Probe PostgresLogin  `yaml:"probe"`
	Act   *PostgresLogin `yaml:"act"`
	// Timeout of one look or command at one node, default 5s.
	Timeout Duration `yaml:"timeout" rule:"default=5s;min=10ms"`
}

// sslModes are those of libpq that say what they do: allow and prefer would send a password in the clear if the server asks for it.
func sslModes() []string { return []string{"disable", "require", "verify-ca", "verify-full"} }

// PostgresLogin is a role of a database. Without a password the server must let it in some other way.
type PostgresLogin struct {
	User         string `yaml:"user" rule:"need=firebreak"`
	Password     Secret `yaml:"password"`
	PasswordFile string `yaml:"password_file" rule:"into=Password"`
}

// PostgresNode is one server.
type PostgresNode struct {
	// Node is its name, once only in its cluster; with Patroni the member's name. Letters, digits, "_" and "-". Required.
	Node string `yaml:"node" rule:"need=pg1;name"`
	Host string `yaml:"host" rule:"need=10.0.0.11;host"`
	// Port, default 5432.
	Port int `yaml:"port" rule:"default=5432;min=1;max=65535"`
	// Match are labels that an alert must carry to be about this node, e.g. {instance: "pg1-exporter:9187"}. Empty: the labels node,
	// instance and server are held against Node, Host and Host:Port.
	Match map[string]string `yaml:"match"`
	// ApplicationName is what its receiver calls itself in pg_stat_replication of the primary, default Node. It is also held against the
	// alert's label application_name. No two nodes of a cluster may have the same, nor the same slot.
	ApplicationName string `yaml:"application_name"`
	// Slot is its replication slot on the primary; empty: none is known, and what a slot would say is not.
	Slot string `yaml:"slot" rule:"slot"`
}

// Patroni is the REST API of the members. It is only read.
type Patroni struct {
	// URLs of the members; the first that answers is believed about the cluster. At least one.
	URLs []string `yaml:"urls" rule:"need=http://pg1:8008;base"`
	// Timeout of one look, default 3s.
	Timeout Duration `yaml:"timeout" rule:"default=3s;min=10ms"`
}

// ReadPool is what spreads the readers over the standbys: exactly one of HAProxy and HTTP.
type ReadPool struct {
	HAProxy *HAProxyPool `yaml:"haproxy"`
	HTTP    *HTTPPool    `yaml:"http"`
	// MinReady is how many readers must stay when one is taken out, default 1, at least 1, at most two less than there are nodes: the
	// primary is no reader, and neither is the one that was taken out.
	MinReady int `yaml:"min_ready" rule:"default=1;min=1"`
}

// HAProxyPool is a backend of HAProxy, reached by its runtime API at level admin.
type HAProxyPool struct {
	// Address is the socket's path, tls://host:port, or tcp://host:port. Required.
	Address string `yaml:"address" rule:"need=/run/haproxy/admin.sock;runtime"`
	// AllowPlain says that Address may be tcp:// on another machine, in the clear and without any login. Default false.
	AllowPlain bool   `yaml:"allow_plain"`
	Backend    string `yaml:"backend" rule:"need=pg_read;server"`
	// Servers are the nodes' names in the backend by node; a node that is not named has its own name there.
	Servers map[string]string `yaml:"servers" rule:"name;each=server"`
}

// HTTPPool takes nodes out of a pool by templates; see [HTTPControl]. .Cluster and .Node name the node.
type HTTPPool struct {
	Instances       []string    `yaml:"instances" rule:"need=http://balancer:8081;base"`
	BearerToken     Secret      `yaml:"bearer_token"`
	BearerTokenFile string      `yaml:"bearer_token_file" rule:"into=BearerToken"`
	Drain           HTTPControl `yaml:"drain" rule:"raw"`
}

// PgBouncer is one pooler. Its console is reached like a database.
type PgBouncer struct {
	// PgBouncer is its name, once only in its cluster, and not that of a node. Required.
	PgBouncer string `yaml:"pgbouncer" rule:"need=bouncer1;name"`
	Host      string `yaml:"host" rule:"need=10.0.0.21;host"`
	// Port, default 6432.
	Port int `yaml:"port" rule:"default=6432;min=1;max=65535"`
	// SSLMode is as in connect, default verify-full; the authorities are those of connect.
	SSLMode string `yaml:"sslmode" rule:"default=verify-full;sslmode"`
	// Stats reads (stats_users), Admin changes (admin_users). Without Admin nothing is changed there.
	Stats PostgresLogin  `yaml:"stats"`
	Admin *PostgresLogin `yaml:"admin"`
	// Match are labels that an alert must carry to be about this pooler. Empty: the labels pgbouncer, node, instance and server are held
	// against PgBouncer, Host and Host:Port.
	Match map[string]string `yaml:"match"`
	// Deadman is the process beside this pooler that ends a pause when nobody else does ("firebreak deadman"). Nil: nothing is ever paused.
	Deadman *Deadman `yaml:"deadman"`
}

// Deadman is how a dead-man is reached: it listens on a socket or on the loopback interface of the pooler's machine.
type Deadman struct {
	// Address is the socket's path, or tcp://host:port. Required.
	Address string `yaml:"address" rule:"need=/run/firebreak/deadman.sock;socket"`
	// Token is what it wants to hear with every request; it wants one on a port.
	Token     Secret `yaml:"token"`
	TokenFile string `yaml:"token_file" rule:"into=Token"`
}

// fill puts in the defaults that a cluster takes from its own names.
func (c *PostgresCluster) fill() {
	if c.Domain == "" {
		c.Domain = c.Cluster
	}
	if c.Zone == "" {
		c.Zone = "all"
	}
	if c.Match == nil {
		c.Match = map[string]string{"cluster": c.Cluster}
	}
	for i := range c.Nodes {
		if n := &c.Nodes[i]; n.ApplicationName == "" {
			n.ApplicationName = n.Node
		}
	}
}

// cluster finds a cluster by its name.
func (p Policy) cluster(name string) (PostgresCluster, bool) {
	for _, c := range p.Postgres {
		if c.Cluster == name {
			return c, true
		}
	}
	return PostgresCluster{}, false
}
