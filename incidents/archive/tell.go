package archive

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/incidents"
)

// storiesKept is how many incidents' stories are remembered between two batches, so that a long record is not read again for each event
// that it grows by.
const storiesKept = 1024

// tell is what the records of incidents make of them, with events that were just written. It changes what is remembered: if the transaction
// does not commit, that must be forgotten.
func (a *Archive) tell(ctx context.Context, tx pgx.Tx, fresh []eventRow) ([]*story, error) {
	if len(a.stories) > storiesKept {
		clear(a.stories)
	}
	var ids []incidents.ID
	var ask []string
	whole := map[incidents.ID]bool{} // by incident of the batch: its story comes whole from the database
	for _, r := range fresh {
		if _, met := whole[r.incident]; met {
			continue
		}
		ids = append(ids, r.incident)
		switch {
		case a.stories[r.incident] != nil:
			whole[r.incident] = false
		case r.event.Kind == incidents.Opened:
			whole[r.incident], a.stories[r.incident] = false, newStory(r.storedAt)
		default:
			whole[r.incident] = true
			ask = append(ask, r.incident.String())
		}
	}
	if err := a.recall(ctx, tx, ask); err != nil {
		return nil, err
	}
	now := a.now()
	for _, r := range fresh {
		s := a.stories[r.incident]
		if !whole[r.incident] {
			s.apply(r.incident, r.event)
		}
		if !kept(s.recorded, a.keep, now) { // it outlived the month that it began in, whose partition is dropped
			s.recorded = r.storedAt
		}
	}
	told := make([]*story, len(ids))
	for i, id := range ids {
		told[i] = a.stories[id]
	}
	return told, nil
}

// recall makes the stories of incidents from all that the database holds of their records.
func (a *Archive) recall(ctx context.Context, tx pgx.Tx, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, "SELECT incident, stored_at, event::text FROM events WHERE incident = ANY($1) ORDER BY epoch, seq, n", ids)
	if err != nil {
		return fmt.Errorf("read records: %w", err)
	}
	var id incidents.ID
	var text string
	var stored time.Time
	_, err = pgx.ForEachRow(rows, []any{&id, &stored, &text}, func() error {
		if a.stories[id] == nil {
			a.stories[id] = newStory(moment(stored))
		}
		var e incidents.Event
		if json.Unmarshal([]byte(text), &e) == nil { // it could be read when it was written, so else a newer build wrote it
			a.stories[id].apply(id, e)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read records: %w", err)
	}
	return nil
}
