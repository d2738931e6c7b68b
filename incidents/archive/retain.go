package archive

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// sweep drops the months that are not kept any more, from time to time. It must wait for people who read; where that takes long it is tried
// again later, and writing goes on all the same.
func (a *Archive) sweep(ctx context.Context, now time.Time) {
	if now.Sub(a.swept) < sweepEvery {
		return
	}
	a.swept = now
	ctx, cancel := context.WithTimeout(ctx, 2*statementWithin)
	defer cancel()
	dropped, err := dropBefore(ctx, a.conn, a.schema, now.Add(-a.keep), a.keep)
	if err != nil {
		a.log.Warn().Err(err).Msg("old months of the archive could not be dropped; it is tried again in an hour")
		return
	}
	if len(dropped) > 0 {
		clear(a.months)
		clear(a.stories) // a story is what the database holds of a record, and now it holds less of some
		a.log.Info().Strs("partitions", dropped).Dur("keep", a.keep).Msg("old months of the archive were dropped")
	}
}

// dropBefore drops the partitions of all months that were over at a moment, and says which. They must have been over for as long as keep by
// the database's own clock as well.
func dropBefore(ctx context.Context, conn *pgx.Conn, schema string, before time.Time, keep time.Duration) ([]string, error) {
	tx, err := begin(ctx, conn, schema, statementWithin)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback(ctx) }() // of what was committed it does nothing
	rows, err := tx.Query(ctx, "SELECT archive_drop_before(least($1::timestamptz, now() - make_interval(secs => $2::float8)))", before, keep.Seconds())
	if err != nil {
		return nil, fmt.Errorf("drop months: %w", err)
	}
	dropped, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("drop months: %w", err)
	}
	if err := tx.Commit(ctx); err != nil {
		return nil, fmt.Errorf("drop months: %w", err)
	}
	return dropped, nil
}
