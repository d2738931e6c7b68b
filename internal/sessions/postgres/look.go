package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// Membership is who is there by the primary.
func (s *Store) Membership(ctx context.Context) (m sessions.Membership, err error) {
	err = s.look(ctx, sessions.Primary, sessions.Cut{}, func(ctx context.Context, tx pgx.Tx, _ sessions.Cut) error {
		m, err = s.membership(ctx, tx)
		return err
	})
	return m, err
}

// Cut is the primary's position. What is committed is at or under it.
func (s *Store) Cut(ctx context.Context) (cut sessions.Cut, err error) {
	err = s.look(ctx, sessions.Primary, sessions.Cut{}, func(_ context.Context, _ pgx.Tx, at sessions.Cut) error {
		cut = at
		return nil
	})
	return cut, err
}

// found is a row. A row that is no session of the contract is an error of its own, beside those of the connection.
type found struct {
	session sessions.Session
	err     error
}

// parse reads a row of statements.session.
func parse(row pgx.CollectableRow) (found, error) {
	var f found
	var owner, version, priority, by *string
	var epoch *int64
	var lease, updated, quarantined *time.Time
	s := &f.session
	if err := row.Scan(&s.ID, &s.Copy, &owner, &epoch, &version, &lease, &priority, &updated, &quarantined, &by); err != nil {
		return f, err
	}
	if owner == nil || epoch == nil || *epoch < 0 || version == nil || lease == nil {
		f.err = fmt.Errorf("session %s has no owner, epoch, version or lease", s.Key)
		return f, nil
	}
	s.Owner, s.Epoch, s.LeaseUntil = *owner, uint64(*epoch), lease.UTC()
	if s.Version, f.err = sessions.ParseVersion(*version); f.err != nil {
		return f, nil
	}
	if priority == nil {
		priority = new(string)
	}
	if s.Priority, f.err = sessions.ParsePriority(*priority); f.err != nil {
		return f, nil
	}
	if updated != nil {
		s.UpdatedAt = updated.UTC()
	}
	if quarantined != nil {
		s.Quarantined = &sessions.Quarantined{At: quarantined.UTC(), Until: quarantined.UTC().Add(sessions.QuarantineFor)}
		if by != nil {
			s.Quarantined.Action = *by
		}
	}
	f.err = s.Check()
	return f, nil
}

// List gives sessions in the order of their ids, from one snapshot for each page.
func (s *Store) List(ctx context.Context, q sessions.Query) (sessions.Page, error) {
	if err := q.Check(); err != nil {
		return sessions.Page{}, err
	}
	narrowed, args, err := s.narrow(q)
	if err != nil {
		return sessions.Page{}, err
	}
	page := sessions.Page{Sessions: []sessions.Session{}}
	err = s.look(ctx, q.Node, q.Cut, func(ctx context.Context, tx pgx.Tx, _ sessions.Cut) error {
		rows, err := tx.Query(ctx, s.sql.session+narrowed, args...)
		if err != nil {
			return fmt.Errorf("list sessions: %w", err)
		}
		list, err := pgx.CollectRows(rows, parse)
		if err != nil {
			return fmt.Errorf("list sessions: %w", err)
		}
		if err := add(&page, list, q.Limit); err != nil {
			return err
		}
		page.Cut, page.At, err = where(ctx, tx)
		return err
	})
	return page, err
}

// narrow writes a query as the end of a statement. One row more than wanted says whether there is a next page.
func (s *Store) narrow(q sessions.Query) (string, []any, error) {
	var args []any
	arg := func(value any) string {
		args = append(args, value)
		return fmt.Sprintf("$%d", len(args))
	}
	state := s.sql.live
	if q.Quarantined {
		state = "NOT (" + s.sql.live + ")"
	}
	conditions := []string{state}
	if len(q.IDs) > 0 {
		conditions = append(conditions, s.sql.id+" = ANY("+arg(q.IDs)+"::text[])")
	}
	if q.Owner != "" {
		conditions = append(conditions, quote(s.config.Columns.Owner)+" = "+arg(q.Owner))
	}
	if q.Bucket > 0 {
		conditions = append(conditions, fmt.Sprintf("(hashtextextended(%s, 0) & %d) = %s", s.sql.id, sessions.Buckets-1, arg(q.Bucket-1)))
	}
	if q.Cursor != "" {
		var last [2]string
		if err := json.Unmarshal([]byte(q.Cursor), &last); err != nil {
			return "", nil, fmt.Errorf("%w: cursor %q", sessions.ErrRequest, q.Cursor)
		}
		conditions = append(conditions, fmt.Sprintf("(%s, %s) > (%s::text, %s::text)", s.sql.id, s.sql.copy, arg(last[0]), arg(last[1])))
	}
	return fmt.Sprintf(" WHERE %s ORDER BY 1, 2 LIMIT %s::int", strings.Join(conditions, " AND "), arg(q.Limit+1)), args, nil
}

// add puts rows into a page.
func add(page *sessions.Page, list []found, limit int) error {
	if len(list) > limit {
		last := list[limit-1].session
		next, err := json.Marshal([2]string{last.ID, last.Copy})
		if err != nil {
			return fmt.Errorf("write the cursor: %w", err)
		}
		page.Next, list = string(next), list[:limit]
	}
	for _, f := range list {
		if f.err != nil {
			page.Unreadable++
			continue
		}
		page.Sessions = append(page.Sessions, f.session)
	}
	return nil
}

// Digest counts a node's live sessions in one snapshot.
func (s *Store) Digest(ctx context.Context, node string, cut sessions.Cut) (sessions.Digest, error) {
	d := sessions.Digest{Node: node, Buckets: make([]sessions.Bucket, sessions.Buckets)}
	for i := range d.Buckets {
		d.Buckets[i].Hash = "0"
	}
	err := s.look(ctx, node, cut, func(ctx context.Context, tx pgx.Tx, from sessions.Cut) error {
		d.From = from
		rows, err := tx.Query(ctx, s.sql.digest)
		if err != nil {
			return fmt.Errorf("digest: %w", err)
		}
		var number int
		var count int64
		var sum string
		_, err = pgx.ForEachRow(rows, []any{&number, &count, &sum}, func() error {
			d.Buckets[number] = sessions.Bucket{Count: uint64(count), Hash: sum}
			return nil
		})
		if err != nil {
			return fmt.Errorf("digest: %w", err)
		}
		d.To, _, err = where(ctx, tx)
		return err
	})
	return d, err
}
