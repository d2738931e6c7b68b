package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

var _ sessions.Reader = (*Store)(nil)

// Contents gives sessions in the order of their ids with a print of each row, from one snapshot for each page.
func (s *Store) Contents(ctx context.Context, q sessions.Query) (sessions.Contents, error) {
	var result sessions.Contents
	if err := q.Check(); err != nil {
		return result, err
	}
	if q.Quarantined {
		return result, fmt.Errorf("%w: contents are read of live sessions only", sessions.ErrRequest)
	}
	narrowed, args, err := s.narrow(q)
	if err != nil {
		return result, err
	}
	result.Page = sessions.Page{Sessions: []sessions.Session{}}
	err = s.look(ctx, q.Node, q.Cut, func(ctx context.Context, tx pgx.Tx, _ sessions.Cut) error {
		// How times and numbers are written is a setting, and two servers may have two.
		for _, set := range []string{"SET LOCAL TimeZone = 'UTC'", "SET LOCAL extra_float_digits = 1", "SET LOCAL bytea_output = 'hex'"} {
			if _, err := tx.Exec(ctx, set); err != nil {
				return fmt.Errorf("read contents: %w", err)
			}
		}
		rows, err := tx.Query(ctx, s.printing()+narrowed, args...)
		if err != nil {
			return fmt.Errorf("read contents: %w", err)
		}
		prints := map[sessions.Key]string{}
		list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (found, error) {
			var print string
			f, err := parse(printed{row, &print})
			prints[f.session.Key] = print
			return f, err
		})
		if err != nil {
			return fmt.Errorf("read contents: %w", err)
		}
		if err := add(&result.Page, list, q.Limit); err != nil {
			return err
		}
		for _, found := range result.Sessions {
			result.Prints = append(result.Prints, prints[found.Key])
		}
		result.Cut, result.At, err = where(ctx, tx)
		return err
	})
	if err != nil {
		return sessions.Contents{}, err
	}
	return result, nil
}

// printing is statements.session with one column more. The columns that move on without a write are left out.
func (s *Store) printing() string {
	var names []string
	for _, column := range []string{s.config.Columns.Lease, s.config.Columns.UpdatedAt} {
		if column != none {
			names = append(names, "'"+strings.ReplaceAll(column, "'", "''")+"'")
		}
	}
	from := " FROM " + table(s.config.Table)
	return strings.TrimSuffix(s.sql.session, from) + ", md5((to_jsonb(whole) - ARRAY[" + strings.Join(names, ", ") + "])::text)" + from +
		" AS whole"
}

// printed is a row whose last column is the print.
type printed struct {
	pgx.CollectableRow
	print *string
}

// Scan reads the columns that are asked for, and the print.
func (p printed) Scan(into ...any) error { return p.CollectableRow.Scan(append(into, p.print)...) }
