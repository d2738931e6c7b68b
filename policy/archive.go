package policy

// Archive keeps incidents in PostgreSQL, for longer than the bus does. Nothing else needs it.
type Archive struct {
	// URL is postgres://user:password@host/database, with the parameters of libpq. Without sslmode the server's certificate is verified,
	// but on this machine. Required, here or in URLFile.
	URL     Secret `yaml:"url"`
	URLFile string `yaml:"url_file" rule:"into=URL"`
	// Keep is how long a month is kept after it is over, default 8760h (a year). It is longer than the bus keeps, or the archive is of no use.
	Keep Duration `yaml:"keep" rule:"default=8760h;min=48h"`
	// Schema is the archive's own schema, default firebreak.
	Schema string `yaml:"schema" rule:"default=firebreak"`
}
