package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
)

// eventRow is one row of events.
type eventRow struct {
	storedAt time.Time
	seq      int64
	n        int
	epoch    int
	incident incidents.ID
	event    incidents.Event
	// text is the event exactly as the bus holds it.
	text string
}

// damagedRow is a message that could not be taken apart, or not wholly be kept as text.
type damagedRow struct {
	msg   bus.Msg
	epoch int
	why   string
}

// split takes a message apart. An error means that none of it can be read; with rows it means that they are not exactly the message.
func split(m bus.Msg, epoch int) ([]eventRow, error) {
	id, err := incidents.IDOfSubject(m.Subject)
	if err != nil {
		return nil, err
	}
	var texts []json.RawMessage
	if err := json.Unmarshal(m.Data, &texts); err != nil {
		return nil, fmt.Errorf("%w: %w", incidents.ErrDamaged, err)
	}
	if len(texts) == 0 {
		return nil, fmt.Errorf("%w: it holds no event", incidents.ErrDamaged)
	}
	rows := make([]eventRow, len(texts))
	for i, text := range texts {
		rows[i] = eventRow{storedAt: m.At, seq: int64(m.Seq), n: i, epoch: epoch, incident: id, text: string(text)}
		if err := json.Unmarshal(text, &rows[i].event); err != nil {
			return nil, fmt.Errorf("%w: event %d: %w", incidents.ErrDamaged, i, err)
		}
	}
	if utf8.Valid(m.Data) {
		return rows, nil
	}
	for i := range rows {
		rows[i].text = strings.ToValidUTF8(rows[i].text, string(utf8.RuneError))
	}
	return rows, errNotText
}

// errNotText says that a message holds bytes that are no characters, which a database of text cannot keep.
var errNotText = errors.New("it holds bytes that are no UTF-8, which are replaced in events")

// clean is text as PostgreSQL takes it: strangers can write a zero byte, which it does not.
func clean(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", string(utf8.RuneError)), string(utf8.RuneError))
}

// columns are the rows of events as arrays, in the order of insertEvents.
func columns(rows []eventRow) []any {
	n := len(rows)
	stored, at := make([]time.Time, n), make([]*time.Time, n)
	seq, number, epoch := make([]int64, n), make([]int32, n), make([]int32, n)
	incident, handler, kind, by := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	reason, words, text := make([]string, n), make([]string, n), make([]string, n)
	for i, r := range rows {
		stored[i], at[i] = r.storedAt, instant(r.event.At)
		seq[i], number[i], epoch[i] = r.seq, int32(r.n), int32(r.epoch)
		incident[i], handler[i], kind[i], by[i] = r.incident.String(), r.incident.Handler(), clean(string(r.event.Kind)), clean(r.event.By)
		if r.event.Refusal != nil {
			reason[i] = clean(string(r.event.Refusal.Reason))
		}
		words[i], text[i] = clean(r.event.Words()), r.text
	}
	return []any{stored, seq, number, epoch, incident, handler, kind, at, by, reason, words, text}
}

// insertEvents writes events, and gives back which of them are new. Those that are there already stay as they are.
const insertEvents = `
INSERT INTO events (stored_at, seq, n, epoch, incident, handler, kind, at, written_by, reason, words, event)
SELECT stored_at, seq, n, epoch, incident, handler, kind, at, written_by, reason, words, event::json
FROM unnest($1::timestamptz[], $2::bigint[], $3::int[], $4::int[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::text[], $10::text[],
	$11::text[], $12::text[]) AS r (stored_at, seq, n, epoch, incident, handler, kind, at, written_by, reason, words, event)
ON CONFLICT DO NOTHING RETURNING seq, n`

// instant is a time for a column: null if it has not come, or if no calendar of PostgreSQL's knows it.
func instant(t time.Time) *time.Time {
	t = moment(t)
	if t.IsZero() || t.Year() < 1 || t.Year() > 9999 {
		return nil
	}
	return &t
}
