package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/policy"
)

// Config is where the sessions are.
type Config struct {
	// Primary is host:port. Whether it is one is asked before every order.
	Primary string
	// Replicas are reached directly, for their own positions and contents.
	Replicas []Replica
	// Prefix begins the names of all keys, e.g. "sess:". Letters, digits and ":._-{}". It may be empty.
	Prefix string
	// TTL is how long the application's leases last. Required.
	TTL      time.Duration
	User     string
	Password policy.Secret
	// TLS is nil for connections in the clear.
	TLS *tls.Config
	// Timeout is how long one command may take, default 2s. Wait is how long a replica may take to reach a cut, default 2s.
	Timeout, Wait time.Duration
}

// Replica is one that follows the primary.
type Replica struct {
	// Name is unique, and what the contract calls it.
	Name string
	// Addr is host:port.
	Addr string
}

// Store is the sessions of one primary. Its methods may be called from any goroutine.
type Store struct {
	config   Config
	primary  *goredis.Client
	replicas map[string]*goredis.Client
	scripts  scripts
}

var _ sessions.Store = (*Store)(nil)

const (
	defaultTimeout = 2 * time.Second
	defaultWait    = 2 * time.Second
	// maxSessions bounds a digest: its memory, and its time.
	maxSessions = 2_000_000
	// scanStep is about how many keys one step of a scan looks at.
	scanStep = 500
	// maxNodes bounds the membership, here and in the scripts.
	maxNodes = 256
)

// New checks the configuration. It connects to nothing.
func New(c Config) (*Store, error) {
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.Wait <= 0 {
		c.Wait = defaultWait
	}
	switch {
	case c.Primary == "":
		return nil, errors.New("open sessions in redis: there is no primary")
	case c.TTL <= 0:
		return nil, errors.New("open sessions in redis: the TTL of leases is missing")
	case !regexp.MustCompile(`^[A-Za-z0-9:._{}-]*$`).MatchString(c.Prefix):
		return nil, fmt.Errorf("open sessions in redis: prefix %q takes letters, digits and :._-{}", c.Prefix)
	}
	s := &Store{config: c, primary: c.client(c.Primary), replicas: map[string]*goredis.Client{}, scripts: loadScripts()}
	for _, r := range c.Replicas {
		if _, twice := s.replicas[r.Name]; twice || r.Name == "" || r.Addr == "" {
			return nil, fmt.Errorf("open sessions in redis: replica %q has no name or address, or is there twice", r.Name)
		}
		s.replicas[r.Name] = c.client(r.Addr)
	}
	return s, nil
}

// client reaches one server. Nothing is tried twice: what was sent may have arrived.
func (c Config) client(addr string) *goredis.Client {
	client := goredis.NewClient(&goredis.Options{
		Addr: addr, Username: c.User, Password: c.Password.Reveal(), TLSConfig: c.TLS, Protocol: 2,
		MaxRetries: -1, DialerRetries: 1, DialTimeout: c.Timeout, ReadTimeout: c.Timeout, WriteTimeout: c.Timeout, ContextTimeoutEnabled: true,
		PoolSize: 4, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	client.AddHook(unsaid{c.Password})
	return client
}

// Close ends all connections.
func (s *Store) Close() error {
	errs := []error{s.primary.Close()}
	for _, r := range s.replicas {
		errs = append(errs, r.Close())
	}
	return errors.Join(errs...)
}

// node is a server by its name.
func (s *Store) node(name string) (*goredis.Client, error) {
	if name == sessions.Primary {
		return s.primary, nil
	}
	if r, ok := s.replicas[name]; ok {
		return r, nil
	}
	return nil, fmt.Errorf("%w: %q", sessions.ErrUnknownNode, name)
}

// The keys.
func (s *Store) nodesKey() string               { return s.config.Prefix + "nodes" }
func (s *Store) liveKey(k sessions.Key) string  { return s.config.Prefix + "s:" + k.String() }
func (s *Store) recordKey(action string) string { return s.config.Prefix + "a:" + action }
func (s *Store) livePattern() string            { return s.config.Prefix + "s:*" }
func (s *Store) quarantinedPattern() string     { return s.config.Prefix + "q:*" }
func (s *Store) isLive(key string) (string, bool) {
	return strings.CutPrefix(key, s.config.Prefix+"s:")
}

// parseKey reads id or id@copy.
func parseKey(text string) (sessions.Key, bool) {
	id, node, named := strings.Cut(text, "@")
	return sessions.Key{ID: id, Copy: node}, id != "" && (!named || node != "") && !strings.Contains(node, "@")
}

// fields are what is read of a session, in the order of parse.
func fields() []string {
	return []string{"owner", "epoch", "version", "lease_until", "priority", "updated_at"}
}

// parse reads a session, which is an error if it is none by the contract.
func parse(key sessions.Key, values []any) (sessions.Session, error) {
	text := make([]string, len(fields()))
	for i := range text {
		if i < len(values) {
			text[i], _ = values[i].(string) // what is missing stays empty
		}
	}
	s := sessions.Session{Key: key, Owner: text[0]}
	var err error
	var errs []error
	keep := func(err error) { errs = append(errs, err) }
	s.Epoch, err = number(text[1])
	keep(err)
	s.Version, err = sessions.ParseVersion(text[2])
	keep(err)
	s.LeaseUntil, err = moment(text[3])
	keep(err)
	s.Priority, err = sessions.ParsePriority(text[4])
	keep(err)
	if text[5] != "" {
		s.UpdatedAt, err = moment(text[5])
		keep(err)
	}
	if err := errors.Join(errs...); err != nil {
		return s, err
	}
	return s, s.Check()
}

// number reads digits, and only as they are written by everybody: two texts are two numbers.
func number(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || strconv.FormatUint(n, 10) != text {
		return 0, fmt.Errorf("read number %q: it is not one", text)
	}
	return n, nil
}

// moment reads milliseconds.
func moment(text string) (time.Time, error) {
	n, err := number(text)
	if err != nil || n == 0 || n > sessions.MaxNumber {
		return time.Time{}, fmt.Errorf("read time %q: it is not one", text)
	}
	return time.UnixMilli(int64(n)).UTC(), nil
}

// now is a server's clock, as far as it goes in sessions.
func now(ctx context.Context, c goredis.Cmdable) (time.Time, error) {
	at, err := c.Time(ctx).Result()
	if err != nil {
		return time.Time{}, fmt.Errorf("read the time of redis: %w", err)
	}
	return at.UTC().Truncate(time.Millisecond), nil
}
