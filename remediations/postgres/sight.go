package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/remediations"
)

// sight is what has become of a session.
type sight struct {
	pid int
	// there: the same backend. same: in the same transaction too. One that was aborted as a whole, and holds nothing, is none any more;
	// one that was aborted back to a savepoint is.
	there, same bool
}

// sights reads what has become of sessions, in their order.
func sights(ctx context.Context, conn *pgx.Conn, of []session) ([]sight, error) {
	pids, backends, xacts, _ := columns(of)
	rows, err := conn.Query(ctx, sightSQL, pgx.QueryExecModeExec, pids, backends, xacts)
	if err != nil {
		return nil, fmt.Errorf("read sessions: %w", err)
	}
	var seen []sight
	var s sight
	var hidden bool
	_, err = pgx.ForEachRow(rows, []any{&s.pid, &hidden, &s.there, &s.same}, func() error {
		if hidden {
			return fmt.Errorf("our login does not see others' sessions: on the primary, GRANT pg_read_all_stats TO %s",
				pgx.Identifier{conn.Config().User}.Sanitize())
		}
		seen = append(seen, s)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read sessions: %w", err)
	}
	return seen, nil
}

// remaining are the sessions of which it is still so.
func remaining(ctx context.Context, conn *pgx.Conn, of []session, is func(sight) bool) ([]session, error) {
	seen, err := sights(ctx, conn, of)
	if err != nil {
		return nil, err
	}
	var left []session
	for i, s := range seen {
		if is(s) {
			left = append(left, of[i])
		}
	}
	return left, nil
}

// server is which server answers.
type server struct{ standby bool }

func (s server) part() string {
	if s.standby {
		return "a standby"
	}
	return "no standby"
}

// lookAtServer reads which server answers. One that is not the plan's says nothing about the plan's.
func lookAtServer(ctx context.Context, conn *pgx.Conn, want string) (remediations.Presence, server, error) {
	var s server
	var identifier, login string
	var clock time.Time
	if err := conn.QueryRow(ctx, serverSQL, pgx.QueryExecModeExec).Scan(&identifier, &s.standby, &clock, &login); err != nil {
		return remediations.Presence{}, s, fmt.Errorf("read which server it is: %w", err)
	}
	if identifier != want {
		return remediations.Presence{}, s, fmt.Errorf("another server answers there: its system_identifier is %s, and the plan's %s", identifier, want)
	}
	return remediations.Presence{Clock: clock}, s, nil
}
