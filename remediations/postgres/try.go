package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/firebreak-sre/firebreak/remediations"
)

// try is one attempt at a change, in one session.
type try struct {
	conn     *pgx.Conn
	deadline time.Time
	version  int
	// sent says that a statement with an effect went out.
	sent bool
}

// Versions of PostgreSQL: the oldest that is dealt with, and those that brought something.
const (
	oldest  = 120000
	since13 = 130000
	since14 = 140000
)

// pollEach is the time between two looks at what became of a change.
const pollEach = 50 * time.Millisecond

// begin reads the server's version. Nothing is sent to one that is older than what the statements were written for.
func (t *try) begin(ctx context.Context) error {
	version, err := versionOf(ctx, t.conn)
	if err != nil {
		return err
	}
	t.version = version
	return nil
}

func versionOf(ctx context.Context, conn *pgx.Conn) (int, error) {
	var version int
	row := conn.QueryRow(ctx, "SELECT current_setting('server_version_num')::int", pgx.QueryExecModeExec)
	if err := row.Scan(&version); err != nil {
		return 0, fmt.Errorf("read the server's version: %w", err)
	}
	if version < oldest {
		return 0, fmt.Errorf("the server's version is %d, and before 12 nothing is done", version)
	}
	return version, nil
}

// left is how long there is until shortly before the deadline, when what became of it must be known.
func (t *try) left() time.Duration { return max(time.Until(t.deadline)-beforeDeadline, shortest) }

const (
	beforeDeadline = 300 * time.Millisecond
	shortest       = 50 * time.Millisecond
)

// until polls cond until it is true, or the time is over. It says which.
func until(ctx context.Context, d time.Duration, cond func(context.Context) (bool, error)) (bool, error) {
	over := time.NewTimer(d)
	defer over.Stop()
	tick := time.NewTicker(pollEach)
	defer tick.Stop()
	for {
		if done, err := cond(ctx); done || err != nil {
			return done, err
		}
		select {
		case <-tick.C:
		case <-over.C:
			return cond(ctx)
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// judge says what an error of a statement with an effect on n things proves. It proves that nothing was changed if the server refused the
// statement before it ran. An error that came up while it ran proves that only where nothing could have been changed before.
func (t *try) judge(err error, n int) error {
	var said *pgconn.PgError
	if pgconn.SafeToRetry(err) {
		return fmt.Errorf("%w: nothing was sent: %w", remediations.ErrRefused, err)
	}
	if errors.As(err, &said) && strings.HasPrefix(said.Code, "42") && (n == 1 || said.Code != denied || said.Routine == routineDenied) {
		return fmt.Errorf("%w: the server refused the statement%s: %w", remediations.ErrRefused, t.hint(said), err)
	}
	return fmt.Errorf("in doubt, the command was sent: %w", err)
}

const (
	// denied is the SQLSTATE of what a login may not do. It comes from routineDenied if it is about calling a function, which is found
	// out before anything is called.
	denied        = "42501"
	routineDenied = "aclcheck_error"
)

// hint names the right that a login lacks to call a function.
func (t *try) hint(said *pgconn.PgError) string {
	if said.Code != denied {
		return ""
	}
	terminate := "pg_terminate_backend(integer)"
	if t.version >= since14 {
		terminate = "pg_terminate_backend(integer, bigint)"
	}
	for _, function := range []string{resumeFunction, terminate, "pg_cancel_backend(integer)"} {
		if name, _, _ := strings.Cut(function, "("); strings.Contains(said.Message, name) {
			return fmt.Sprintf(", the right is missing: on the primary, in this database, GRANT EXECUTE ON FUNCTION %s TO %s", function,
				pgx.Identifier{t.conn.Config().User}.Sanitize())
		}
	}
	return ""
}

// refusal is the error of a statement that changed nothing.
func refusal(format string, args ...any) error {
	return fmt.Errorf("%w: %s", remediations.ErrRefused, fmt.Sprintf(format, args...))
}
