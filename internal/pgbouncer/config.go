package pgbouncer

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	defaultTimeout = 5 * time.Second
	// console is the name of the database that is the console.
	console = "pgbouncer"
	// largestMessage bounds what one message makes us keep in memory, mostRows what one answer does.
	largestMessage = 1 << 20
	mostRows       = 200_000
)

// Config is how a console is reached. It prints without its password.
type Config struct {
	// Host and Port of the pooler. Required.
	Host string
	Port int
	// SSLMode is libpq's: disable, require, verify-ca or verify-full; empty is verify-full. RootCert is a file of authorities; empty is
	// those of the system.
	SSLMode  string
	RootCert string
	// User is one of stats_users, who may look, or of admin_users, who may do everything. Required. Password may be empty.
	User     string
	Password string
	// Timeout bounds dialling, and each exchange but PAUSE, default 5s.
	Timeout time.Duration
}

// String is the configuration without its password.
func (c Config) String() string {
	return fmt.Sprintf("%s@%s:%d", c.User, c.Host, c.Port)
}

// Format hides the password from every verb.
func (c Config) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// MarshalText hides the password from JSON and YAML.
func (c Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// check finds everything that is wrong with a configuration as it is written.
func (c Config) check() error {
	var wrong []error
	refuse := func(is bool, words string) {
		if is {
			wrong = append(wrong, errors.New(words))
		}
	}
	refuse(c.Host == "", "host is empty")
	refuse(strings.ContainsAny(c.Host, ", \t\n\x00"), "host is not one name or address")
	refuse(c.Port < 1 || c.Port > math.MaxUint16, "port is not between 1 and 65535")
	refuse(c.User == "", "user is empty")
	refuse(strings.ContainsRune(c.User+c.Password+c.RootCert, 0), "a zero byte cannot be sent")
	refuse(c.Timeout < 0, "timeout is negative")
	refuse(!slices.Contains([]string{"", "disable", "require", "verify-ca", "verify-full"}, c.SSLMode),
		"sslmode is none of disable, require, verify-ca, verify-full")
	return errors.Join(wrong...)
}

// New checks the whole configuration. It does not connect.
func New(cfg Config) (*Console, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("read pgbouncer: %w", err)
	}
	if cfg.SSLMode == "" {
		cfg.SSLMode = "verify-full"
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	parsed, err := cfg.parse()
	if err != nil {
		return nil, fmt.Errorf("read pgbouncer: %w", err)
	}
	return &Console{cfg: cfg, parsed: parsed, turn: make(chan struct{}, 1)}, nil
}

// parse says everything that the driver would otherwise take from the environment or from files in the home folder.
func (c Config) parse() (*pgconn.Config, error) {
	words := map[string]string{
		"host": c.Host, "port": strconv.Itoa(c.Port), "dbname": console, "user": c.User,
		"sslmode": c.SSLMode, "sslrootcert": c.RootCert, "sslcert": "", "sslkey": "", "sslpassword": "", "sslcertmode": "allow",
		"sslsni": "1", "sslnegotiation": "postgres", "channel_binding": "prefer", "require_auth": "", "target_session_attrs": "any",
		"connect_timeout": "0", "passfile": "", "min_protocol_version": "", "max_protocol_version": "",
	}
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	var text strings.Builder
	for key, word := range words {
		fmt.Fprintf(&text, "%s='%s' ", key, quote.Replace(word))
	}
	parsed, err := pgconn.ParseConfig(text.String())
	if err != nil {
		return nil, fmt.Errorf("read connection settings: %w", err)
	}
	parsed.Password = c.Password // nowhere near a text that an error could quote
	parsed.RuntimeParams = map[string]string{"application_name": "firebreak"}
	parsed.MaxProtocolMessageBodyLen = largestMessage
	return parsed, nil
}
