package postgres

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Login is who connects. It prints without its password.
type Login struct {
	User     string
	Password string
}

// String is the login without its password.
func (l Login) String() string { return l.User }

// GoString hides the password from %#v.
func (l Login) GoString() string { return fmt.Sprintf("postgres.Login{User:%q}", l.User) }

// Format hides the password from every verb, those too that do not suit a login.
func (l Login) Format(f fmt.State, verb rune) {
	if verb == 'v' && f.Flag('#') {
		_, _ = io.WriteString(f, l.GoString())
		return
	}
	_, _ = io.WriteString(f, l.User)
}

// MarshalText hides the password from JSON and YAML.
func (l Login) MarshalText() ([]byte, error) { return []byte(l.User), nil }

const (
	// The names of our sessions in pg_stat_activity.
	nameOfLooks = "firebreak/probe"
	nameOfIdle  = "firebreak/idle"
	namePrefix  = "firebreak/"
	// longestName is what PostgreSQL keeps of an application_name; it cuts off the rest without a word.
	longestName = 63

	defaultTimeout = 3 * time.Second
	// largestMessage bounds what one message of a server makes us keep in memory.
	largestMessage = 16 << 20
)

// settings are what every session of ours starts with, and goes back to after each use.
func settings() map[string]string {
	return map[string]string{
		"statement_timeout":                   "5s",
		"lock_timeout":                        "1s",
		"idle_in_transaction_session_timeout": "10s",
		// A commit that waits for a standby would hang exactly when a standby is what is broken.
		"synchronous_commit": "local",
		// No function or operator that somebody put into a schema can take the place of PostgreSQL's own.
		"search_path":     "pg_catalog",
		"client_encoding": "UTF8",
	}
}

// open checks a node and makes its sessions.
func (f *Fleet) open(n Node) (*node, error) {
	if err := n.check(); err != nil {
		return nil, err
	}
	forLooks := settings()
	forLooks["application_name"] = nameOfLooks
	forLooks["default_transaction_read_only"] = "on"
	look, err := f.session(n, n.Probe, forLooks)
	if err != nil || n.Act == (Login{}) {
		return &node{look: look}, err
	}
	forActs := settings()
	forActs["application_name"] = nameOfIdle
	act, err := f.session(n, n.Act, forActs)
	return &node{look: look, act: act}, err
}

func (f *Fleet) session(n Node, login Login, settings map[string]string) (*session, error) {
	config, err := n.config(login, settings)
	if err != nil {
		return nil, err
	}
	timeout := n.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	return &session{
		node: n.Name, config: config, timeout: timeout, closed: &f.closed,
		turn: make(chan struct{}, 1), lost: make(chan struct{}, 1),
	}, nil
}

// check finds what is wrong with a node as it is written.
func (n Node) check() error {
	var wrong []error
	refuse := func(is bool, words string) {
		if is {
			wrong = append(wrong, errors.New(words))
		}
	}
	refuse(n.Name == "", "name is empty")
	refuse(n.Host == "", "host is empty")
	refuse(strings.ContainsAny(n.Host, ", \t\n\x00"), "host is not one name, address or folder")
	refuse(n.Port < 1 || n.Port > math.MaxUint16, "port is not between 1 and 65535")
	refuse(n.Database == "", "database is empty")
	refuse(n.Probe.User == "", "the login that looks has no user")
	refuse(n.Act.User == "" && n.Act.Password != "", "the login that acts has a password and no user")
	refuse(n.Timeout < 0, "timeout is negative")
	refuse(!slices.Contains([]string{"", "disable", "allow", "prefer", "require", "verify-ca", "verify-full"}, n.SSLMode),
		"sslmode is none of disable, allow, prefer, require, verify-ca, verify-full")
	refuse(strings.ContainsRune(n.Database+n.Probe.User+n.Probe.Password+n.Act.User+n.Act.Password+n.RootCert, 0), "a zero byte cannot be sent")
	return errors.Join(wrong...)
}

// config is how one login connects to the node. Everything that pgx would otherwise take from the environment or from files in the home
// folder is said here, so that the same policy connects in the same way everywhere. The one thing that cannot be said away is
// PGSERVICE: a service that does not exist is an error.
func (n Node) config(login Login, settings map[string]string) (*pgx.ConnConfig, error) {
	mode := n.SSLMode
	if mode == "" {
		mode = "prefer"
	}
	words := map[string]string{
		"host": n.Host, "port": strconv.Itoa(n.Port), "dbname": n.Database, "user": login.User,
		"sslmode": mode, "sslrootcert": n.RootCert, "sslcert": "", "sslkey": "", "sslpassword": "", "sslcertmode": "allow", "sslsni": "1",
		"sslnegotiation": "postgres", "channel_binding": "prefer", "require_auth": "", "target_session_attrs": "any", "connect_timeout": "0",
		"passfile": "", "min_protocol_version": "", "max_protocol_version": "",
	}
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	var text strings.Builder
	for key, word := range words {
		fmt.Fprintf(&text, "%s='%s' ", key, quote.Replace(word))
	}
	config, err := pgx.ParseConfig(text.String())
	if err != nil {
		return nil, fmt.Errorf("read connection settings: %w", err)
	}
	// The password goes nowhere near a text that an error could quote.
	config.Password = login.Password
	config.RuntimeParams = maps.Clone(settings)
	config.MaxProtocolMessageBodyLen = largestMessage
	return config, nil
}

// applicationName is what a session is called during an action. It is how people and the server's log know whose it was, so one that
// would be cut off is refused.
func applicationName(action string) (string, error) {
	name := namePrefix + action
	printable := func(r rune) bool { return r > ' ' && r <= '~' }
	if action == "" || len(name) > longestName || strings.ContainsFunc(action, func(r rune) bool { return !printable(r) }) {
		return "", fmt.Errorf("name the session for action %q: it takes 1 to %d printable ASCII characters without blanks",
			action, longestName-len(namePrefix))
	}
	return name, nil
}
