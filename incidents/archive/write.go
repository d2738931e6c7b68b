package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/bus"
)

// errMoved says that another replica has written since the position was read.
var errMoved = errors.New("another replica has moved the position")

// batch is what one transaction writes.
type batch struct {
	// was is the position that the batch goes on from, to the one that it leaves.
	was, to position
	gaps    []gap
	events  []eventRow
	damaged []damagedRow
	// old counts messages of months that are not kept any more.
	old int
}

// gather makes a batch of messages that were read from a cursor on.
func (a *Archive) gather(c cursor, s span, msgs []bus.Msg, now time.Time) batch {
	b := batch{was: a.at, to: position{epoch: c.epoch, seq: c.from - 1, created: s.created}, gaps: c.holes(a.at, s, msgs)}
	for _, m := range msgs {
		b.to.seq, b.to.storedAt = m.Seq, m.At
		if !kept(m.At, a.keep, now) {
			b.old++
			continue
		}
		rows, err := split(m, c.epoch)
		if err != nil {
			b.damaged = append(b.damaged, damagedRow{msg: m, epoch: c.epoch, why: err.Error()})
		}
		b.events = append(b.events, rows...)
	}
	return b
}

// write commits a batch, all or none of it, and moves the position. After any error the position is not known.
func (a *Archive) write(ctx context.Context, b batch) error {
	ctx, cancel := context.WithTimeout(ctx, 2*statementWithin)
	defer cancel()
	if err := a.makeMonths(ctx, b); err != nil {
		return err
	}
	tx, err := begin(ctx, a.conn, a.schema, statementWithin)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }() // of what was committed it does nothing
	now, err := readPosition(ctx, tx, " FOR UPDATE")
	if err != nil {
		return err
	}
	if !now.equal(b.was) {
		return errMoved
	}
	fresh, err := insert(ctx, tx, b.events)
	if err != nil {
		return err
	}
	told, err := a.tell(ctx, tx, fresh)
	if err != nil {
		return err
	}
	if err := a.send(ctx, tx, b, told); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// insert writes events, and returns those that were not there yet.
func insert(ctx context.Context, tx pgx.Tx, rows []eventRow) ([]eventRow, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	type key struct {
		seq int64
		n   int
	}
	result, err := tx.Query(ctx, insertEvents, columns(rows)...)
	if err != nil {
		return nil, fmt.Errorf("write %d events: %w", len(rows), err)
	}
	added := make(map[key]bool, len(rows))
	var k key
	if _, err := pgx.ForEachRow(result, []any{&k.seq, &k.n}, func() error { added[k] = true; return nil }); err != nil {
		return nil, fmt.Errorf("write %d events: %w", len(rows), err)
	}
	fresh := make([]eventRow, 0, len(added))
	for _, r := range rows {
		if added[key{r.seq, r.n}] {
			fresh = append(fresh, r)
		}
	}
	return fresh, nil
}

// send writes all of a batch but its events, in one go.
func (a *Archive) send(ctx context.Context, tx pgx.Tx, b batch, told []*story) error {
	var q pgx.Batch
	for _, d := range b.damaged {
		q.Queue(`INSERT INTO archive_damaged (stored_at, seq, epoch, subject, why, data) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
			d.msg.At, int64(d.msg.Seq), d.epoch, clean(d.msg.Subject), clean(d.why), d.msg.Data)
	}
	for _, g := range b.gaps {
		q.Queue(`INSERT INTO archive_gaps (epoch, from_seq, to_seq, from_at, to_at, reason, found_by) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			g.epoch, int64(g.from), number(g.to), instant(g.before), instant(g.behind), g.reason, clean(a.name))
	}
	if len(told) > 0 {
		rows, fixes, err := derived(told)
		if err != nil {
			return err
		}
		q.Queue(upsert("incidents", "recorded_at, id", reflect.TypeFor[incidentRow]()), rows)
		q.Queue(upsert("fixes", "recorded_at, incident, nth", reflect.TypeFor[fixRow]()), fixes)
	}
	q.Queue(`UPDATE archive_position SET epoch = $1, seq = $2, stored_at = $3, created = $4, moved_at = now(), moved_by = $5 WHERE stream = $6`,
		b.to.epoch, int64(b.to.seq), instant(b.to.storedAt), instant(b.to.created), clean(a.name), bus.Incidents)
	if err := tx.SendBatch(ctx, &q).Close(); err != nil {
		return fmt.Errorf("write incidents: %w", err)
	}
	return nil
}

// number is a sequence for a column: null for 0.
func number(seq uint64) *int64 {
	if seq == 0 {
		return nil
	}
	return new(int64(seq))
}

// derived are the rows of stories as JSON, which is one parameter however many columns there are.
func derived(told []*story) (rows, fixes string, err error) {
	is, fs := make([]incidentRow, len(told)), []fixRow{}
	for i, s := range told {
		is[i] = s.incident()
		fs = append(fs, s.fixes()...)
	}
	a, errA := json.Marshal(is)
	b, errB := json.Marshal(fs)
	if err := errors.Join(errA, errB); err != nil {
		return "", "", fmt.Errorf("encode incidents: %w", err)
	}
	return string(a), string(b), nil
}

// upsert puts rows into a table, in place of those with the same key. The columns are the tags of the rows' type.
func upsert(table, key string, row reflect.Type) string {
	names := make([]string, row.NumField())
	set := make([]string, row.NumField())
	for i := range names {
		names[i] = row.Field(i).Tag.Get("json")
		set[i] = names[i] + " = EXCLUDED." + names[i]
	}
	list := strings.Join(names, ", ")
	return fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM json_populate_recordset(NULL::%s, $1::json) ON CONFLICT (%s) DO UPDATE SET %s",
		table, list, list, table, key, strings.Join(set, ", "))
}

// readPosition reads how far the archive is.
func readPosition(ctx context.Context, db asker, lock string) (position, error) {
	var p position
	var seq int64
	var stored, created *time.Time
	row := db.QueryRow(ctx, "SELECT epoch, seq, stored_at, created FROM archive_position WHERE stream = $1"+lock, bus.Incidents)
	if err := row.Scan(&p.epoch, &seq, &stored, &created); err != nil {
		return position{}, fmt.Errorf("read the position: %w", err)
	}
	p.seq = uint64(seq)
	if stored != nil {
		p.storedAt = moment(*stored)
	}
	if created != nil {
		p.created = moment(*created)
	}
	return p, nil
}

// makeMonths makes the partitions that a batch needs and that are not known to be there.
func (a *Archive) makeMonths(ctx context.Context, b batch) error {
	need := map[time.Time]bool{}
	for _, e := range b.events {
		if m := monthOf(e.storedAt); !a.months[m] {
			need[m] = true
		}
	}
	if len(need) == 0 {
		return nil
	}
	tx, err := begin(ctx, a.conn, a.schema, statementWithin)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	for m := range need {
		if _, err := tx.Exec(ctx, "SELECT archive_make_month($1)", m); err != nil {
			return fmt.Errorf("make the month %s: %w", m.Format("2006-01"), err)
		}
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("make months: %w", err)
	}
	for m := range need {
		a.months[m] = true
	}
	return nil
}

// isPoison says of an error that the same rows will always give it: what strangers wrote is more than PostgreSQL takes (data that it
// refuses, or nested too deep).
func isPoison(err error) bool { return isState(err, "22", "54") }

// spoiled is a batch of one message that PostgreSQL refuses: it is kept whole, as bytes.
func (b batch) spoiled(m bus.Msg, err error) batch {
	b.events = nil
	b.damaged = []damagedRow{{msg: m, epoch: b.to.epoch, why: err.Error()}}
	return b
}
