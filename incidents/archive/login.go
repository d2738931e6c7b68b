package archive

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// connectWithin bounds the way to a session.
	connectWithin = 5 * time.Second
	// longestName is what PostgreSQL keeps of a name.
	longestName = 63
	// largestMessage bounds what one message of the server makes us keep in memory.
	largestMessage = 64 << 20
)

// errURL says that an address is none. The address holds a password, so nothing of it is ever said.
var errURL = errors.New("it is not an address such as postgres://user@host/database?sslmode=verify-full (it is a secret, so it is not shown)")

// login reads where the archive is, and says the things that pgx would otherwise take from the environment or from files in the home
// folder, so that one policy connects everywhere in the same way.
func login(address string) (*pgx.ConnConfig, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, fmt.Errorf("read the archive's address: %w", errURL)
	}
	q := u.Query()
	if mode := q.Get("sslmode"); mode != "" && !slices.Contains([]string{"disable", "require", "verify-ca", "verify-full"}, mode) {
		return nil, errors.New("read the archive's address: its sslmode must be disable, require, verify-ca or verify-full")
	}
	for key, word := range map[string]string{
		"sslmode": encryption(u, q), "passfile": "", "target_session_attrs": "read-write", "connect_timeout": "5",
	} {
		if !q.Has(key) {
			q.Set(key, word)
		}
	}
	u.RawQuery = q.Encode()
	config, err := pgx.ParseConfig(u.String())
	if err != nil {
		return nil, fmt.Errorf("read the archive's address: %w", errURL) // what it says may hold a part of the address
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "firebreak/archive"
	}
	config.MaxProtocolMessageBodyLen = largestMessage
	return config, nil
}

// encryption is the sslmode where none is written: none on this machine, else with a certificate that is verified.
func encryption(u *url.URL, q url.Values) string {
	host := u.Hostname()
	if host == "" {
		host = q.Get("host")
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsLoopback() || host == "localhost" || strings.HasPrefix(host, "/") {
		return "disable"
	}
	return "verify-full"
}

// where is the archive as people may read it: without its password.
func where(config *pgx.ConnConfig) string {
	return config.User + "@" + net.JoinHostPort(config.Host, fmt.Sprint(config.Port)) + "/" + config.Database
}

// checkSchema refuses what is no plain name of a schema.
func checkSchema(name string) error {
	const letters = "abcdefghijklmnopqrstuvwxyz_"
	switch {
	case name == "" || len(name) > longestName || !strings.ContainsRune(letters, rune(name[0])) || strings.Trim(name, letters+"0123456789") != "":
		return fmt.Errorf("schema %q: a schema is named by small letters, digits and \"_\", at most %d, and no digit first", name, longestName)
	case strings.HasPrefix(name, "pg_") || name == "information_schema" || name == "public":
		return fmt.Errorf("schema %q belongs to others: name one that is the archive's alone", name)
	}
	return nil
}
