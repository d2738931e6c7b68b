package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// rows are live sessions that were locked. Those that are there and could not be locked are in busy.
type rows struct {
	locked map[sessions.Key]found
	busy   map[sessions.Key]bool
}

// lock locks live sessions of ids, all copies, for as long as the transaction lasts. The rows of an order are at most sessions.MostNamed
// times the nodes.
func (s *Store) lock(ctx context.Context, tx pgx.Tx, ids []string) (rows, error) {
	r := rows{locked: map[sessions.Key]found{}, busy: map[sessions.Key]bool{}}
	where := fmt.Sprintf(" WHERE %s AND %s = ANY($1::text[]) ORDER BY 1, 2", s.sql.live, s.sql.id)
	for _, suffix := range []string{" FOR UPDATE SKIP LOCKED", ""} {
		result, err := tx.Query(ctx, s.sql.session+where+suffix, ids)
		if err != nil {
			return r, fmt.Errorf("lock sessions: %w", err)
		}
		list, err := pgx.CollectRows(result, parse)
		if err != nil {
			return r, fmt.Errorf("lock sessions: %w", err)
		}
		for _, f := range list {
			if _, ours := r.locked[f.session.Key]; suffix == "" && !ours {
				r.busy[f.session.Key] = true
			} else if suffix != "" {
				r.locked[f.session.Key] = f
			}
		}
	}
	return r, nil
}

// compare says why a session may not be touched, "" if it is as it was seen.
func (r rows) compare(seen sessions.Session) sessions.Outcome {
	now, ours := r.locked[seen.Key]
	switch {
	case r.busy[seen.Key]: // somebody is writing it
		return sessions.Changed
	case !ours:
		return sessions.Missing
	case now.err != nil:
		return sessions.Unreadable
	case !now.session.Same(seen):
		return sessions.Changed
	}
	return ""
}

func idsOf(list []sessions.Session) []string {
	var ids []string
	for _, s := range list {
		ids = append(ids, s.ID)
	}
	return ids
}

// locking is an order about sessions, which are locked before anything is judged.
func (s *Store) locking(o order, list []sessions.Session, act func(context.Context, *work, rows) error) order {
	var locked rows
	o.quorum = true
	o.lock = func(ctx context.Context, w *work) (err error) {
		locked, err = s.lock(ctx, w.tx, idsOf(list))
		return err
	}
	o.act = func(ctx context.Context, w *work) error { return act(ctx, w, locked) }
	return o
}

func (s *Store) take(ctx context.Context, w *work, was sessions.Session) error {
	if err := w.write(ctx, s.sql.take, was.ID, was.Copy, w.answer.At, w.answer.Action, w.guard); err != nil {
		return err
	}
	w.took = append(w.took, taken{Was: was})
	w.say(was.Key, sessions.Done)
	return nil
}

// Quarantine takes orphans out of sight.
func (s *Store) Quarantine(ctx context.Context, q sessions.Quarantine) (sessions.Answer, error) {
	if err := q.Check(); err != nil {
		return sessions.Answer{}, err
	}
	o := s.locking(order{Order: q.Order, kind: "quarantine", whole: q}, q.Sessions, func(ctx context.Context, w *work, r rows) error {
		limit := min(q.Max, sessions.Bound(w.membership.Total))
		for _, seen := range q.Sessions {
			why := r.compare(seen)
			switch {
			case why != "":
				w.say(seen.Key, why)
			case !sessions.Orphan(seen, w.membership):
				w.say(seen.Key, sessions.NotOrphan)
			case len(w.took) >= limit:
				w.say(seen.Key, sessions.OverBound)
			default:
				if err := s.take(ctx, w, seen); err != nil {
					return err
				}
			}
		}
		return nil
	})
	d, err := s.carryOut(ctx, o)
	return d.answer, err
}

// Reconcile takes away copies that another one dominates.
func (s *Store) Reconcile(ctx context.Context, q sessions.Reconcile) (sessions.Answer, error) {
	if err := q.Check(); err != nil {
		return sessions.Answer{}, err
	}
	o := s.locking(order{Order: q.Order, kind: "reconcile", whole: q}, q.Sessions, func(ctx context.Context, w *work, r rows) error {
		for _, copies := range sessions.ByID(q.Sessions) {
			if err := s.reconcile(ctx, w, r, copies, q); err != nil {
				return err
			}
		}
		return nil
	})
	d, err := s.carryOut(ctx, o)
	return d.answer, err
}

// all says whether copies are all that there are of their session, as they were seen.
func (r rows) all(copies []sessions.Session) bool {
	id, n := copies[0].ID, 0
	for key := range r.locked {
		if key.ID == id {
			n++
		}
	}
	for key := range r.busy {
		if key.ID == id {
			return false
		}
	}
	for _, c := range copies {
		if r.compare(c) != "" {
			return false
		}
	}
	return n == len(copies)
}

func (s *Store) reconcile(ctx context.Context, w *work, r rows, copies []sessions.Session, q sessions.Reconcile) error {
	plan := sessions.Resolve(copies)
	take := 0
	for key, outcome := range plan {
		if q.SetAside && outcome == sessions.Conflict {
			plan[key] = sessions.Done
		}
		if plan[key] == sessions.Done {
			take++
		}
	}
	changed := !r.all(copies)
	over := len(w.took)+take > min(q.Max, sessions.Bound(w.membership.Total))
	for _, c := range copies {
		switch {
		case changed:
			w.say(c.Key, sessions.Changed)
		case plan[c.Key] != sessions.Done:
			w.say(c.Key, plan[c.Key])
		case over: // all of a session or nothing
			w.say(c.Key, sessions.OverBound)
		default:
			if err := s.take(ctx, w, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// Recover gives orphans to a member.
func (s *Store) Recover(ctx context.Context, q sessions.Recover) (sessions.Answer, error) {
	if err := q.Check(); err != nil {
		return sessions.Answer{}, err
	}
	o := s.locking(order{Order: q.Order, kind: "recover", whole: q}, q.Sessions, func(ctx context.Context, w *work, r rows) error {
		if w.membership.Is(q.To) != sessions.Alive {
			return sessions.ErrNotAlive
		}
		for _, was := range q.Sessions {
			why := r.compare(was)
			if why == "" && !sessions.Orphan(was, w.membership) {
				why = sessions.NotOrphan
			}
			if why != "" {
				w.say(was.Key, why)
				continue
			}
			left := q.Taken(was, w.membership.Epoch, w.answer.At.Add(s.config.TTL))
			if err := s.rewrite(ctx, w, was, left, w.guard); err != nil {
				return err
			}
			w.took = append(w.took, taken{Was: was, Left: &left})
			w.say(was.Key, sessions.Done)
		}
		return nil
	})
	d, err := s.carryOut(ctx, o)
	return d.answer, err
}

// rewrite gives a session another owner.
func (s *Store) rewrite(ctx context.Context, w *work, was, left sessions.Session, guard time.Time) error {
	return w.write(ctx, s.sql.reown, was.ID, was.Copy, was.Owner, int64(was.Epoch), was.Version.String(),
		left.Owner, int64(left.Epoch), left.Version.String(), left.LeaseUntil, guard)
}

// Restore gives back what an action took.
func (s *Store) Restore(ctx context.Context, q sessions.Restore) (sessions.Answer, error) {
	if err := q.Check(); err != nil {
		return sessions.Answer{}, err
	}
	var list []taken
	o := order{Order: q.Order, kind: "restore", whole: q}
	o.lock = func(ctx context.Context, w *work) error {
		var text []byte
		err := w.tx.QueryRow(ctx, s.sql.undo, q.Undo).Scan(&text)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil // it is refused below, after what is said of the order itself
		}
		if err == nil {
			err = json.Unmarshal(text, &list)
		}
		if err != nil {
			return fmt.Errorf("read what action %s took: %w", q.Undo, err)
		}
		return nil
	}
	o.act = func(ctx context.Context, w *work) error {
		if len(list) == 0 {
			return sessions.ErrUnknownAction
		}
		return s.giveBack(ctx, w, q, list)
	}
	d, err := s.carryOut(ctx, o)
	return d.answer, err
}

func (s *Store) giveBack(ctx context.Context, w *work, q sessions.Restore, list []taken) error {
	given := 0
	for i, t := range list {
		switch {
		case t.Back != "":
			w.say(t.Was.Key, sessions.Kept)
		case given >= q.Max:
			w.say(t.Was.Key, sessions.OverBound)
		default:
			outcome, err := s.giveOneBack(ctx, w, q.Undo, t)
			if err != nil {
				return err
			}
			if outcome == sessions.Done {
				list[i].Back = w.answer.Action
				given++
			}
			w.say(t.Was.Key, outcome)
		}
	}
	text, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("write what was given back: %w", err)
	}
	if _, err := w.tx.Exec(ctx, s.sql.mark, q.Undo, text); err != nil {
		return fmt.Errorf("write what was given back: %w", err)
	}
	return nil
}

// giveOneBack looks at the row under a lock before it writes.
func (s *Store) giveOneBack(ctx context.Context, w *work, undo string, t taken) (sessions.Outcome, error) {
	one := fmt.Sprintf("%s WHERE %s = $1 AND %s = $2 FOR UPDATE", s.sql.session, s.sql.id, s.sql.copy)
	result, err := w.tx.Query(ctx, one, t.Was.ID, t.Was.Copy)
	if err != nil {
		return "", fmt.Errorf("lock a session: %w", err)
	}
	list, err := pgx.CollectRows(result, parse)
	switch {
	case err != nil:
		return "", fmt.Errorf("lock a session: %w", err)
	case len(list) == 0 && t.Left == nil:
		return sessions.Expired, nil // whoever owns the table has removed it
	case len(list) != 1 || list[0].err != nil:
		return sessions.Taken, nil
	}
	now := list[0].session
	if t.Left != nil {
		if now.Quarantined != nil || !now.Same(*t.Left) {
			return sessions.Taken, nil
		}
		return sessions.Done, s.rewrite(ctx, w, *t.Left, t.Was, w.guard)
	}
	if now.Quarantined == nil || now.Quarantined.Action != undo || !now.Same(t.Was) {
		return sessions.Taken, nil
	}
	return sessions.Done, w.write(ctx, s.sql.giveBack, now.ID, now.Copy, now.Owner, int64(now.Epoch), now.Version.String(), undo, w.guard)
}

// Sync waits until the standbys have replayed what is there of the sessions.
func (s *Store) Sync(ctx context.Context, q sessions.Sync) (sessions.Synced, error) {
	if err := q.Check(); err != nil {
		return sessions.Synced{}, err
	}
	o := order{Order: q.Order, kind: "sync", whole: q, lock: func(context.Context, *work) error { return nil }}
	o.act = func(ctx context.Context, w *work) error {
		there := map[string]bool{}
		result, err := w.tx.Query(ctx, fmt.Sprintf("%s WHERE %s AND %s = ANY($1::text[])", s.sql.session, s.sql.live, s.sql.id), q.IDs)
		if err != nil {
			return fmt.Errorf("read sessions: %w", err)
		}
		list, err := pgx.CollectRows(result, parse)
		if err != nil {
			return fmt.Errorf("read sessions: %w", err)
		}
		for _, f := range list {
			there[f.session.ID] = true
		}
		for _, id := range q.IDs {
			outcome := sessions.Missing
			if there[id] {
				outcome = sessions.Done
			}
			w.say(sessions.Key{ID: id}, outcome)
		}
		cut, _, err := where(ctx, w.tx) // what was read was committed before
		w.cut = &cut
		return err
	}
	d, err := s.carryOut(ctx, o)
	if err != nil {
		return sessions.Synced{}, err
	}
	if d.cut == nil {
		return sessions.Synced{}, errors.New("read the answer: it has no position")
	}
	return s.await(ctx, sessions.Synced{Answer: d.answer, Cut: *d.cut, Replicas: []sessions.Acked{}}, q.Within.Duration())
}

// await reads how far each standby is, for as long as it is worth waiting.
func (s *Store) await(ctx context.Context, result sessions.Synced, within time.Duration) (sessions.Synced, error) {
	primary, err := s.primary(ctx)
	if err != nil {
		return sessions.Synced{}, err
	}
	ends := time.Now().Add(within)
	for _, n := range s.config.Nodes {
		if n == primary {
			continue
		}
		acked := sessions.Acked{Name: n.Name}
		err := s.config.Servers.Look(ctx, n.Server, func(ctx context.Context, c *pgx.Conn) error {
			at, err := reach(ctx, c, result.Cut, max(time.Until(ends), 0))
			if at.History == result.Cut.History { // a number of another history says nothing
				acked.Position = at.Position
			}
			return err
		})
		acked.Has = err == nil
		result.Replicas = append(result.Replicas, acked)
	}
	result.Finish()
	return result, nil
}
