package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/bus/backup"
	"github.com/firebreak-sre/firebreak/handlers"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations/guard"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
)

// leftover brings the parts of a backup together, which are of several moments: the records first, everything else a little later. See
// [backup] for what can differ. Nothing may be looser than the record says, and nothing open may be forgotten.
type leftover struct {
	bus    *bus.Bus
	policy policy.Policy
	now    func() time.Time

	// open counts the open incidents, dropped the locks that were let go. brake says in words what stands in the way now.
	open, dropped int
	brake         string
}

// settle is the end of a restore.
func (l *leftover) settle(ctx context.Context, m backup.Manifest) error {
	if err := l.bus.Prepare(ctx); err != nil {
		return err
	}
	if err := l.pause(ctx, m); err != nil {
		return err
	}
	books, err := l.bus.Cell(ctx, "ledger", "ledger")
	if err != nil {
		return err
	}
	agenda, err := l.bus.Agenda(ctx, handlers.AgendaName)
	if err != nil {
		return err
	}
	store := incidents.NewStore(l.bus)
	if err := l.enter(ctx, store, agenda); err != nil {
		return err
	}
	return l.locks(ctx, store, agenda, ledger.New(books, l.policy.Limits))
}

// pause stops everything. If there is no room for one more pause the kill switch does the same.
func (l *leftover) pause(ctx context.Context, m backup.Manifest) error {
	doc, err := l.bus.Cell(ctx, "switch", "switch")
	if err != nil {
		return err
	}
	brake, err := guard.NewBrake(doc, l.policy.Guard.StopFile)
	if err != nil {
		return err
	}
	reason := fmt.Sprintf("restored from a backup of %s: what happened after that is not known. Look at what stands at the targets, then resume",
		m.Begun.UTC().Format(time.RFC3339))
	p, err := brake.Pause(ctx, guard.Pause{By: "firebreak restore", Via: "restore", Reason: reason}, l.now().UTC())
	if err == nil {
		l.brake = "Pause " + p.ID + " stands: no change is started anywhere."
		return nil
	}
	if off := brake.SwitchOff(ctx, guard.Order{By: "firebreak restore", Via: "restore", Reason: reason}, l.now().UTC()); off != nil {
		return fmt.Errorf("pause everything: %w", errors.Join(err, off))
	}
	l.brake = "The kill switch is on (a pause could not be set: " + err.Error() + "); let it go with \"firebreak kill-switch off\" besides."
	return nil
}

// enter puts every open incident into the agenda, as due now. The agenda was taken behind the records: an incident that ended in between is open
// in its record, and in the agenda no more.
func (l *leftover) enter(ctx context.Context, store *incidents.Store, agenda *bus.Agenda) error {
	maybe, err := l.unended(ctx)
	if err != nil {
		return err
	}
	for id := range maybe {
		st, err := store.Load(ctx, id)
		damaged := errors.Is(err, incidents.ErrDamaged) // it was so before, and who carries it says so
		if err != nil && !damaged {
			return fmt.Errorf("read incident %s: %w", id, err)
		}
		if !damaged && !st.Open() {
			continue
		}
		l.open++
		if err := agenda.Set(ctx, id.Key(), l.now()); err != nil {
			return err
		}
	}
	return nil
}

// unended are the incidents whose last message, but for what people said, is not their end.
func (l *leftover) unended(ctx context.Context) (map[incidents.ID]bool, error) {
	open := map[incidents.ID]bool{}
	err := l.bus.Follow(ctx, bus.Past{Stream: bus.Incidents}, func(m bus.Msg) error {
		id, err := incidents.IDOfSubject(m.Subject)
		if err != nil {
			return nil // not a record; nobody carries it
		}
		events, err := incidents.Decode(m.Data)
		if err != nil {
			open[id] = true
			return nil
		}
		switch last := events[len(events)-1].Kind; last {
		case incidents.Closed:
			delete(open, id)
		case incidents.Acked: // it comes behind the end as well
		default:
			open[id] = true
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find the open incidents: %w", err)
	}
	return open, nil
}

// locks sees to it that every lock has somebody who gives it back. The ledger was taken behind the records: it can hold a lock for an incident
// that was opened in between. Of that incident nothing is known, so what was done in it belongs to what a person has to look at; its
// tokens stay spent.
func (l *leftover) locks(ctx context.Context, store *incidents.Store, agenda *bus.Agenda, books *ledger.Ledger) error {
	if err := books.SkipFences(ctx, backup.Ahead); err != nil {
		return err
	}
	view, err := books.View(ctx, l.now())
	if err != nil {
		return err
	}
	for _, held := range view.Standing {
		id, err := incidents.ParseID(held.Incident)
		if err == nil {
			_, err = store.Load(ctx, id)
		}
		switch {
		case err == nil, errors.Is(err, incidents.ErrDamaged):
			if err := agenda.Set(ctx, id.Key(), l.now()); err != nil {
				return err
			}
		case errors.Is(err, bus.ErrNotFound), errors.Is(err, incidents.ErrBadID):
			end := ledger.End{Incident: held.Incident, Domain: held.Domain, Fence: held.Fence, Unused: true}
			if err := books.Release(ctx, end, l.now()); err != nil {
				return err
			}
			l.dropped++
		default:
			return fmt.Errorf("read incident %s, which holds the lock of %s: %w", held.Incident, held.Domain, err)
		}
	}
	return nil
}
