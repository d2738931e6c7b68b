package pgbouncer

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// Database is a line of SHOW DATABASES.
type Database struct {
	Name string
	// Backend is its name at the server.
	Backend string
	// Host and Port are those of the server; Host is empty for a Unix socket.
	Host string
	Port int
	// PoolSize is how many sessions each of its pools may have, Reserve how many more when clients waited for long.
	PoolSize int
	Reserve  int
	// MaxConnections bounds all of its pools together, 0: nothing does. CurrentConnections are those to the server.
	MaxConnections     int
	CurrentConnections int
	// Paused and Disabled are by PAUSE or KILL, and by DISABLE, of this database. A PAUSE of everything is not seen here.
	Paused   bool
	Disabled bool
}

// Pool is a line of SHOW POOLS.
type Pool struct {
	Database string
	User     string
	// Clients that wait for a session of the server, and all others: those that have one, and those that want none now.
	ClientsActive, ClientsWaiting int
	// Sessions of the server: in use, free, free but not checked lately, being checked, and about to be opened.
	ServersActive, ServersIdle, ServersUsed, ServersTested, ServersLogin int
	// MaxWait is how long the first of the clients that wait has waited.
	MaxWait time.Duration
	// Mode is session, transaction or statement.
	Mode string
}

// Stat is a line of SHOW STATS: counters since the pooler started.
type Stat struct {
	Database                                 string
	Transactions, Queries                    int64
	TransactionTime, QueryTime, WaitDuration time.Duration
}

// Client is a line of SHOW CLIENTS.
type Client struct {
	User, Database, State string
	// Host and Port are where it connects from.
	Host string
	Port int
	// Application is what it calls itself; empty before 1.18, where the console does not say.
	Application string
	// ConnectTime and RequestTime are by the pooler's clock in whole seconds, zero where it does not write them in UTC.
	ConnectTime, RequestTime time.Time
}

// Address is where the client connects from.
func (c Client) Address() string { return net.JoinHostPort(c.Host, strconv.Itoa(c.Port)) }

// Settings are the lines of SHOW CONFIG, by key.
type Settings map[string]string

// Int is a setting that is a number.
func (s Settings) Int(key string) (int, error) {
	text, found := s[key]
	if !found {
		return 0, fmt.Errorf("pgbouncer shows no setting %s", key)
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("read setting %s: %w", key, err)
	}
	return n, nil
}

// Admin says whether a user is one of admin_users.
func (s Settings) Admin(user string) bool {
	for name := range strings.SplitSeq(s["admin_users"], ",") {
		if user != "" && strings.Trim(strings.TrimSpace(name), `"`) == user {
			return true
		}
	}
	return false
}

// reader reads the columns of a row, and keeps the first thing that is wrong.
type reader struct {
	what What
	row  Row
	err  error
}

// text is a column that may be missing or NULL.
func (r *reader) text(name string) string { return r.row[name] }

// must is a column without which the row means nothing.
func (r *reader) must(name string) string {
	v, found := r.row[name]
	if !found && r.err == nil {
		r.err = fmt.Errorf("show %s: there is no column %s", r.what, name)
	}
	return v
}

// int is the first of the named columns that is there. A name that begins with "?" may be missing, and is 0 then.
func (r *reader) int(names ...string) int { return int(r.int64(names...)) }

func (r *reader) int64(names ...string) int64 {
	optional := false
	for _, name := range names {
		bare, maybe := strings.CutPrefix(name, "?")
		optional = optional || maybe
		text, found := r.row[bare]
		if !found {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil && r.err == nil {
			r.err = fmt.Errorf("show %s: read %s: %w", r.what, bare, err)
		}
		return n
	}
	if !optional {
		r.must(names[0])
	}
	return 0
}

// flag is 0 or 1. Anything else is not taken for "no".
func (r *reader) flag(name string) bool {
	n := r.int(name)
	if n != 0 && n != 1 && r.err == nil {
		r.err = fmt.Errorf("show %s: %s is %d, neither 0 nor 1", r.what, name, n)
	}
	return n == 1
}

func (r *reader) micros(name string) time.Duration {
	return time.Duration(r.int64(name)) * time.Microsecond
}

// moment is a time in UTC, and zero for any other zone: an abbreviation of one does not say which it is.
func (r *reader) moment(name string) time.Time {
	text, utc := strings.CutSuffix(r.text(name), " UTC")
	if !utc {
		return time.Time{}
	}
	t, err := time.Parse(time.DateTime, text)
	if err != nil {
		return time.Time{}
	}
	return t
}

// each reads all rows, and fails with the first that cannot be read: a shorter list would read as "nothing there".
func each[T any](what What, rows []Row, parse func(*reader) (T, bool)) ([]T, error) {
	list := make([]T, 0, len(rows))
	for _, row := range rows {
		r := &reader{what: what, row: row}
		v, wanted := parse(r)
		if r.err != nil {
			return nil, r.err
		}
		if wanted {
			list = append(list, v)
		}
	}
	return list, nil
}

func databases(rows []Row) ([]Database, error) {
	return each(ShowDatabases, rows, func(r *reader) (Database, bool) {
		d := Database{Name: r.must("name"), Backend: r.text("database"), Host: r.text("host"), Port: r.int("?port"), PoolSize: r.int("pool_size"),
			Reserve: r.int("reserve_pool_size", "reserve_pool"), MaxConnections: r.int("?max_connections"),
			CurrentConnections: r.int("?current_connections"), Paused: r.flag("paused"), Disabled: r.flag("disabled")}
		return d, d.Name != console
	})
}

func pools(rows []Row) ([]Pool, error) {
	return each(ShowPools, rows, func(r *reader) (Pool, bool) {
		p := Pool{Database: r.must("database"), User: r.must("user"), ClientsActive: r.int("cl_active"), ClientsWaiting: r.int("cl_waiting"),
			ServersActive: r.int("sv_active"), ServersIdle: r.int("sv_idle"),
			ServersUsed: r.int("sv_used"), ServersTested: r.int("sv_tested"), ServersLogin: r.int("sv_login"), Mode: r.text("pool_mode"),
			MaxWait: time.Duration(r.int64("maxwait"))*time.Second + time.Duration(r.int64("?maxwait_us"))*time.Microsecond}
		return p, p.Database != console
	})
}

func stats(rows []Row) ([]Stat, error) {
	return each(ShowStats, rows, func(r *reader) (Stat, bool) {
		s := Stat{Database: r.must("database"), Transactions: r.int64("total_xact_count"), Queries: r.int64("total_query_count"),
			TransactionTime: r.micros("total_xact_time"), QueryTime: r.micros("total_query_time"), WaitDuration: r.micros("total_wait_time")}
		return s, s.Database != console
	})
}

func clients(rows []Row) ([]Client, error) {
	return each(ShowClients, rows, func(r *reader) (Client, bool) {
		return Client{User: r.text("user"), Database: r.text("database"), State: r.must("state"), Host: r.text("addr"), Port: r.int("?port"),
			Application: r.text("application_name"), ConnectTime: r.moment("connect_time"), RequestTime: r.moment("request_time")}, true
	})
}

func settings(rows []Row) (Settings, error) {
	s := Settings{}
	for _, row := range rows {
		r := &reader{what: ShowConfig, row: row}
		s[r.must("key")] = r.text("value")
		if r.err != nil {
			return nil, r.err
		}
	}
	return s, nil
}
