package policy

// Trust is whom the connections that Firebreak opens believe, and what they show of themselves: over HTTPS to everything that the policy
// names, to an external NATS, and to HAProxy. PostgreSQL, PgBouncer, Redis and the archive have settings of their own. The files are PEM and must exist.
type Trust struct {
	// CAFile are authorities that are believed beside the system's.
	CAFile string `yaml:"ca_file" rule:"file"`
	// CertFile and KeyFile are the certificate that servers which ask for one are shown; one needs the other. They are read again when they
	// change.
	CertFile string `yaml:"cert_file" rule:"file"`
	KeyFile  string `yaml:"key_file" rule:"file"`
}
