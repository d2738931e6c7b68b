package pgbouncer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// What a caller can tell apart. Whatever is none of these, of a change, leaves it in doubt.
var (
	// ErrNotSent marks what cannot have changed anything: the command never left here.
	ErrNotSent = errors.New("not sent")
	// ErrSaid wraps what the pooler said against a command, in its own words: it was not carried out.
	ErrSaid = errors.New("pgbouncer says")
	// ErrNotPaused is RESUME of a database that runs. It is an ErrSaid.
	ErrNotPaused = fmt.Errorf("%w: not paused", ErrSaid)
	// ErrAdminNeeded is a change by somebody who may only look. It is an ErrSaid.
	ErrAdminNeeded = fmt.Errorf("%w: this user is not in admin_users, and may only look", ErrSaid)
	// ErrNoDatabase is a database that SHOW DATABASES does not list.
	ErrNoDatabase = errors.New("no such database")
	errClosed     = errors.New("the console is closed")
	errMayNotDial = errors.New("this connection sends no cancel requests")
)

// partWithin is how long saying good-bye may take.
const partWithin = time.Second

// Console is one user's console of one pooler. It keeps one connection, which is dialled when it is needed and used by one at a time.
// Its methods are safe for concurrent use.
type Console struct {
	cfg    Config
	parsed *pgconn.Config
	closed atomic.Bool

	// turn holds one token while somebody uses the line.
	turn chan struct{}
	// line is nil while there is no connection. It belongs to who has the turn.
	line *line
}

// String says where it leads, for people.
func (c *Console) String() string { return c.cfg.String() }

// User is who it is used as.
func (c *Console) User() string { return c.cfg.User }

// Close ends the connection, now or when who uses it is done.
func (c *Console) Close() {
	c.closed.Store(true)
	select {
	case c.turn <- struct{}{}:
		c.give()
	default: // who has the turn closes it
	}
}

// line is a connection, with the socket below it.
type line struct {
	conn *pgconn.PgConn
	tcp  atomic.Pointer[net.TCPConn]
	up   atomic.Bool // it was dialled: nothing more may be dialled in its name
}

// dial opens a line. The driver dials once more to send a cancel request when a context ends; from then on that is refused.
func (c *Console) dial(ctx context.Context) (*line, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	l := &line{}
	config := c.parsed.Copy()
	var dialer net.Dialer
	config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if l.up.Load() {
			return nil, errMayNotDial
		}
		conn, err := dialer.DialContext(ctx, network, addr)
		if tcp, ok := conn.(*net.TCPConn); ok {
			l.tcp.Store(tcp)
		}
		return conn, err
	}
	conn, err := pgconn.ConnectConfig(ctx, config)
	err = unsaid(err, config.Password)
	l.up.Store(true)
	if err != nil {
		return nil, fmt.Errorf("reach pgbouncer as %s: %w", c, err)
	}
	l.conn = conn
	return l, nil
}

// ask carries one command over and returns the rows that it answers.
func (l *line) ask(ctx context.Context, command string) ([]Row, error) {
	results := l.conn.Exec(ctx, command)
	var rows []Row
	tooMany := false
	for results.NextResult() {
		reader := results.ResultReader()
		fields := reader.FieldDescriptions()
		for reader.NextRow() {
			if tooMany = tooMany || len(rows) >= mostRows; tooMany {
				continue
			}
			row := make(Row, len(fields))
			for i, value := range reader.Values() {
				if value != nil {
					row[fields[i].Name] = string(value)
				}
			}
			rows = append(rows, row)
		}
	}
	err := results.Close()
	var said *pgconn.PgError
	switch {
	case errors.As(err, &said) && said.Severity != "FATAL":
		return nil, inItsWords(said)
	case err != nil:
		return nil, err
	case tooMany:
		return nil, fmt.Errorf("the answer has more than %d rows", mostRows)
	}
	return rows, nil
}

// inItsWords tells apart what PgBouncer says. Its errors all have the same code, so they are known by their words.
func inItsWords(said *pgconn.PgError) error {
	switch m := said.Message; {
	case strings.HasPrefix(m, "database ") && strings.HasSuffix(m, " is not paused"):
		return fmt.Errorf("%w (%s)", ErrNotPaused, m)
	case m == "admin access needed":
		return fmt.Errorf("%w (%s)", ErrAdminNeeded, m)
	case strings.HasPrefix(m, "no such database"):
		return fmt.Errorf("%w: %w (%s)", ErrSaid, ErrNoDatabase, m)
	default:
		return fmt.Errorf("%w: %s", ErrSaid, m)
	}
}

// drop closes the line. One on which an answer is outstanding is reset, so that what was not sent yet never is.
func (c *Console) drop(answered bool) {
	l := c.line
	c.line = nil
	if l == nil {
		return
	}
	if tcp := l.tcp.Load(); tcp != nil && !answered {
		_ = tcp.SetLinger(0)
		_ = tcp.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), partWithin)
	defer cancel()
	_ = l.conn.Close(ctx) // whatever it says, it is gone for us
}

// take waits for the turn.
func (c *Console) take(ctx context.Context) error {
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("wait for the console of %s, which is in use: %w", c, ctx.Err())
	}
	// Select picks blindly among what is ready; nothing begins for somebody who has gone.
	err := ctx.Err()
	if c.closed.Load() {
		err = errClosed
	}
	if err != nil {
		c.give()
	}
	return err
}

// give ends the turn.
func (c *Console) give() {
	if c.closed.Load() {
		c.drop(true)
	}
	<-c.turn
}

// show reads on the line of who has the turn. Reading may be repeated: if a line that was open is dead, it is dialled once more.
func (c *Console) show(ctx context.Context, what What) ([]Row, error) {
	for {
		fresh := c.line == nil
		if fresh {
			l, err := c.dial(ctx)
			if err != nil {
				return nil, err
			}
			c.line = l
		}
		rows, err := c.exchange(ctx, "SHOW "+string(what))
		if err == nil || errors.Is(err, ErrSaid) {
			return rows, err
		}
		if fresh || ctx.Err() != nil {
			return nil, fmt.Errorf("show %s of %s: %w", what, c, err)
		}
	}
}

// exchange is one command and its answer, within the timeout.
func (c *Console) exchange(ctx context.Context, command string) ([]Row, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	return c.say(ctx, command)
}

// say is one command and its answer, within the context. After anything but an answer the line is given up.
func (c *Console) say(ctx context.Context, command string) ([]Row, error) {
	rows, err := c.line.ask(ctx, command)
	if err != nil && !errors.Is(err, ErrSaid) || c.line.conn.IsClosed() {
		c.drop(false)
	}
	return rows, err
}
