package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// probeWithin is how long an open session may take to answer an empty statement before it counts as hung. It is long: a server
	// that is full is often slow too, and whoever gives up a session there gets no other one.
	probeWithin = 5 * time.Second
	// resetWithin is how long putting a session in order after an act may take, whatever became of the caller's context.
	resetWithin = 2 * time.Second
	// partWithin is how long saying good-bye to a server may take.
	partWithin = time.Second
)

// SQLSTATE of a server, or a login, that has no slot left.
const tooManyConnections = "53300"

// session is one login's connection to a node, which is used by one at a time.
type session struct {
	node    string
	config  *pgx.ConnConfig
	timeout time.Duration
	closed  *atomic.Bool

	// turn holds one token while somebody uses the session.
	turn chan struct{}
	// conn is nil while there is no connection. It belongs to who has the turn.
	conn *pgx.Conn
	// lost holds one token when a use broke the connection, for who keeps it open.
	lost chan struct{}
}

// use calls fn with a connection that answered a moment ago. A name that is not empty is the session's for as long as fn runs.
func (s *session) use(ctx context.Context, name string, fn func(context.Context, *pgx.Conn) error) error {
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.give()
	if err := s.ready(ctx, name); err != nil {
		s.tellLost()
		return err
	}
	conn, sound := s.conn, false
	defer func() {
		if !sound { // and also if fn panicked
			s.drop()
			s.tellLost()
		}
	}()
	err := fn(ctx, conn)
	sound = s.isSound()
	if !sound && !conn.IsClosed() {
		// Closing it rolls back what was begun.
		return leftOpen(err)
	}
	if sound && name != "" {
		// The caller's context may be over, the session goes on.
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), resetWithin)
		defer cancel()
		sound = s.reset(after) == nil
	}
	return err
}

// leftOpen adds to what went wrong, if anything did, that something was left open.
func leftOpen(err error) error {
	if err == nil {
		return ErrLeftOpen
	}
	return fmt.Errorf("%w; %w", err, ErrLeftOpen)
}

// check sees to it that there is a connection that answers.
func (s *session) check(ctx context.Context) error {
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.give()
	return s.ready(ctx, "")
}

// take waits for the turn.
func (s *session) take(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("wait for the session, which is in use: %w", ctx.Err())
	}
	// Select picks blindly among what is ready; nothing begins for somebody who has gone.
	err := ctx.Err()
	if s.closed.Load() {
		err = ErrClosed
	}
	if err != nil {
		s.give()
	}
	return err
}

// give ends the turn.
func (s *session) give() {
	if s.closed.Load() {
		s.drop()
	}
	<-s.turn
}

// ready leaves a connection in s.conn that answered and bears the name. It dials at most once.
func (s *session) ready(ctx context.Context, name string) error {
	if s.conn != nil {
		probe, cancel := context.WithTimeout(ctx, probeWithin)
		defer cancel()
		err := s.reset(probe)
		if err == nil {
			err = s.rename(probe, name)
		}
		if err == nil {
			return nil
		}
		s.drop()
		if ctx.Err() != nil {
			return fmt.Errorf("probe the session: %w", err)
		}
	}
	if err := s.dial(ctx); err != nil {
		return err
	}
	naming, cancel := context.WithTimeout(ctx, probeWithin)
	defer cancel()
	if err := s.rename(naming, name); err != nil {
		s.drop()
		return err
	}
	return nil
}

// reset puts all settings back to what the session started with, its name among them. It is also the statement that shows that a
// session lives, as it changes nothing in the database.
func (s *session) reset(ctx context.Context) error {
	if _, err := s.conn.PgConn().Exec(ctx, "RESET ALL").ReadAll(); err != nil {
		return fmt.Errorf("reset the session: %w", err)
	}
	return nil
}

func (s *session) rename(ctx context.Context, name string) error {
	if name == "" {
		return nil
	}
	if _, err := s.conn.Exec(ctx, "SELECT set_config('application_name', $1, false)", pgx.QueryExecModeExec, name); err != nil {
		return fmt.Errorf("name the session: %w", err)
	}
	return nil
}

// isSound says whether the connection can be used again. pgx closes one on which a statement was broken off, by a context or by the
// network; what is left to find is a transaction or a result that was not ended.
func (s *session) isSound() bool {
	pg := s.conn.PgConn()
	return !pg.IsClosed() && !pg.IsBusy() && pg.TxStatus() == 'I'
}

func (s *session) dial(ctx context.Context) error {
	dialling, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(dialling, s.config)
	err = unsaid(err, s.config.Password)
	var said *pgconn.PgError
	switch {
	case err == nil:
		s.conn = conn
		return nil
	case errors.As(err, &said) && said.Code == tooManyConnections:
		return fmt.Errorf("dial as %s: %w (SQLSTATE 53300): only a session that was opened before still works; since PostgreSQL 16, "+
			"set reserved_connections and grant pg_use_reserved_connections to %s to keep slots for it: %w",
			s.config.User, ErrServerFull, s.config.User, err)
	case dialling.Err() != nil && ctx.Err() == nil:
		return fmt.Errorf("dial as %s: not connected within %s: %w", s.config.User, s.timeout, err)
	default:
		return fmt.Errorf("dial as %s: %w", s.config.User, err)
	}
}

// drop closes the connection if there is one. A server that does not answer is not waited for long.
func (s *session) drop() {
	if s.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), partWithin)
	defer cancel()
	_ = s.conn.Close(ctx) // whatever it says, the connection is gone for us
	s.conn = nil
}

// tellLost lets who keeps the session open know that it is time to dial.
func (s *session) tellLost() {
	select {
	case s.lost <- struct{}{}:
	default:
	}
}
