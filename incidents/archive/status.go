package archive

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/policy"
)

// Status is what the database says of the archive. What the bus has and the database has not, the server's metrics say.
type Status struct {
	// Where is the database, without its password; Version that of the schema, Knows the one that this build writes.
	Where   string `json:"database"`
	Schema  string `json:"schema"`
	Version int    `json:"version"`
	Knows   int    `json:"knows"`
	// Seq is the last message that is archived, StoredAt when the bus stored it, MovedAt and MovedBy when the position moved last, and by whom.
	Epoch    int       `json:"epoch"`
	Seq      uint64    `json:"seq"`
	StoredAt time.Time `json:"stored_at,omitzero"`
	MovedAt  time.Time `json:"moved_at,omitzero"`
	MovedBy  string    `json:"moved_by,omitempty"`
	// Damaged counts messages that are kept as bytes.
	Damaged int      `json:"damaged"`
	Months  []string `json:"months"`
	Gaps    []Gap    `json:"gaps"`
}

// Gap is a part of the record that the bus forgot before it was archived.
type Gap struct {
	FromSeq uint64 `json:"from_seq"`
	// ToSeq is 0 if nobody knows how many messages it was.
	ToSeq   uint64    `json:"to_seq,omitempty"`
	Reason  string    `json:"reason"`
	FoundAt time.Time `json:"found_at"`
}

// gapsShown is how many gaps a status has at most: the newest.
const gapsShown = 20

// ReadStatus asks the database. A schema that is not made has version 0 and nothing else.
func ReadStatus(ctx context.Context, conn *pgx.Conn, schema string) (Status, error) {
	s := Status{Where: where(conn.Config()), Schema: schema}
	if err := checkSchema(schema); err != nil {
		return s, err
	}
	steps, err := migrations()
	if err != nil {
		return s, err
	}
	s.Knows = len(steps)
	tx, err := begin(ctx, conn, schema, statementWithin)
	if err != nil {
		return s, err
	}
	defer func() { _ = tx.Rollback(ctx) }() // it only reads
	if s.Version, err = version(ctx, tx, schema); err != nil || s.Version == 0 {
		return s, err
	}
	if err := s.read(ctx, tx); err != nil {
		return s, fmt.Errorf("read the archive's status: %w", err)
	}
	return s, nil
}

func (s *Status) read(ctx context.Context, tx pgx.Tx) error {
	var seq int64
	var stored *time.Time
	err := tx.QueryRow(ctx, "SELECT epoch, seq, stored_at, moved_at, moved_by FROM archive_position").Scan(&s.Epoch, &seq, &stored, &s.MovedAt, &s.MovedBy)
	if err != nil {
		return err
	}
	s.Seq = uint64(seq)
	if stored != nil {
		s.StoredAt = *stored
	}
	if err := tx.QueryRow(ctx, "SELECT count(*) FROM archive_damaged").Scan(&s.Damaged); err != nil {
		return err
	}
	const months = `SELECT substring(c.relname FROM '_y([0-9]+m[0-9]+)$') FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'events'::regclass ORDER BY 1`
	rows, err := tx.Query(ctx, months)
	if err != nil {
		return err
	}
	if s.Months, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		return err
	}
	rows, err = tx.Query(ctx, "SELECT from_seq, coalesce(to_seq, 0), reason, found_at FROM archive_gaps ORDER BY id DESC LIMIT $1", gapsShown)
	if err != nil {
		return err
	}
	s.Gaps, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (g Gap, err error) {
		var from, to int64
		err = row.Scan(&from, &to, &g.Reason, &g.FoundAt)
		g.FromSeq, g.ToSeq = uint64(from), uint64(to)
		return g, err
	})
	return err
}

// Connect opens a session to an archive, for one command.
func Connect(ctx context.Context, url string) (*pgx.Conn, error) {
	config, err := login(url)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*connectWithin)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to the archive: %w", policy.Secret(config.Password).HiddenIn(err))
	}
	return conn, nil
}
