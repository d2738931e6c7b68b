package sessionstest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// do carries an order out once: what it decides for each session it writes under the lock, and its answer with it.
func (m *Memory) do(o sessions.Order, kind string, whole any, quorum bool, act func(*record, sessions.Membership) error) (record, error) {
	print, err := sessions.Print(kind, whole)
	if err != nil {
		return record{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if known, ok := m.actions[o.Action]; ok {
		if known.print != print {
			return record{}, sessions.ErrAction
		}
		return *known, nil
	}
	membership := m.membership()
	switch {
	case !o.Deadline.After(membership.At):
		return record{}, sessions.ErrDeadline
	case membership.Epoch != o.Epoch:
		return record{}, fmt.Errorf("%w: it is %d", sessions.ErrEpoch, membership.Epoch)
	case quorum && !membership.Quorum:
		return record{}, sessions.ErrQuorum
	}
	r := &record{print: print, back: map[sessions.Key]bool{},
		answer: sessions.Answer{Action: o.Action, At: membership.At, Items: []sessions.Item{}}}
	if err := act(r, membership); err != nil {
		return record{}, err
	}
	if len(r.took) > 0 {
		r.answer.Until = membership.At.Add(sessions.QuarantineFor)
	}
	m.actions[o.Action] = r
	m.wrote()
	r.cut = m.cut()
	return *r, nil
}

// say adds what became of a session.
func (r *record) say(key sessions.Key, o sessions.Outcome) {
	r.answer.Items = append(r.answer.Items, sessions.Item{Key: key, Outcome: o})
}

// compare says why a session may not be touched, "" if it may.
func (m *Memory) compare(seen sessions.Session) sessions.Outcome {
	now, ok := m.primary[seen.Key]
	switch {
	case !ok:
		return sessions.Missing
	case !now.Same(seen):
		return sessions.Changed
	}
	return ""
}

// takeAway quarantines a live session.
func (m *Memory) takeAway(r *record, key sessions.Key, now time.Time) {
	e := m.primary[key]
	r.took = append(r.took, taken{was: e})
	e.Quarantined = &sessions.Quarantined{Action: r.answer.Action, At: now, Until: now.Add(sessions.QuarantineFor)}
	m.away[key] = e
	delete(m.primary, key)
	r.say(key, sessions.Done)
}

// Quarantine takes orphans out of sight.
func (m *Memory) Quarantine(_ context.Context, q sessions.Quarantine) (sessions.Answer, error) {
	if err := q.Check(); err != nil {
		return sessions.Answer{}, err
	}
	r, err := m.do(q.Order, "quarantine", q, true, func(r *record, now sessions.Membership) error {
		limit := min(q.Max, sessions.Bound(now.Total))
		for _, seen := range q.Sessions {
			why := m.compare(seen)
			switch {
			case why != "":
				r.say(seen.Key, why)
			case !sessions.Orphan(seen, now):
				r.say(seen.Key, sessions.NotOrphan)
			case len(r.took) >= limit:
				r.say(seen.Key, sessions.OverBound)
			default:
				m.takeAway(r, seen.Key, now.At)
			}
		}
		return nil
	})
	return r.answer, err
}

// Restore gives back what an action took.
func (m *Memory) Restore(_ context.Context, o sessions.Restore) (sessions.Answer, error) {
	if err := o.Check(); err != nil {
		return sessions.Answer{}, err
	}
	r, err := m.do(o.Order, "restore", o, false, func(r *record, _ sessions.Membership) error {
		undo, ok := m.actions[o.Undo]
		if !ok || len(undo.took) == 0 {
			return sessions.ErrUnknownAction
		}
		given := 0
		for _, t := range undo.took {
			switch {
			case undo.back[t.was.Key]:
				r.say(t.was.Key, sessions.Kept)
			case given >= o.Max:
				r.say(t.was.Key, sessions.OverBound)
			default:
				outcome := m.giveBack(t, o.Undo)
				if outcome == sessions.Done {
					undo.back[t.was.Key] = true
					given++
				}
				r.say(t.was.Key, outcome)
			}
		}
		return nil
	})
	return r.answer, err
}

func (m *Memory) giveBack(t taken, by string) sessions.Outcome {
	key := t.was.Key
	live, lives := m.primary[key]
	if t.left.ID != "" { // it was given to another owner
		if !lives || !live.Same(t.left.Session) {
			return sessions.Taken
		}
		m.primary[key] = t.was
		return sessions.Done
	}
	away, there := m.away[key]
	switch {
	case lives:
		return sessions.Taken
	case !there || away.Quarantined.Action != by:
		return sessions.Expired
	}
	delete(m.away, key)
	m.primary[key] = t.was
	return sessions.Done
}

// Sync says how far the replica is.
func (m *Memory) Sync(_ context.Context, s sessions.Sync) (sessions.Synced, error) {
	if err := s.Check(); err != nil {
		return sessions.Synced{}, err
	}
	r, err := m.do(s.Order, "sync", s, false, func(r *record, _ sessions.Membership) error {
		for _, id := range s.IDs {
			outcome := sessions.Missing
			if len(m.copies(id)) > 0 {
				outcome = sessions.Done
			}
			r.say(sessions.Key{ID: id}, outcome)
		}
		return nil
	})
	if err != nil {
		return sessions.Synced{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	result := sessions.Synced{Answer: r.answer, Cut: r.cut,
		Replicas: []sessions.Acked{{Name: Replica, Position: m.reached, Has: m.reached >= r.cut.Position}}}
	result.Finish()
	return result, nil
}

func (m *Memory) copies(id string) []sessions.Session {
	var list []sessions.Session
	for key, e := range m.primary {
		if key.ID == id {
			list = append(list, e.Session)
		}
	}
	return list
}

// Reconcile takes away copies that another one dominates.
func (m *Memory) Reconcile(_ context.Context, o sessions.Reconcile) (sessions.Answer, error) {
	if err := o.Check(); err != nil {
		return sessions.Answer{}, err
	}
	r, err := m.do(o.Order, "reconcile", o, true, func(r *record, now sessions.Membership) error {
		limit := min(o.Max, sessions.Bound(now.Total))
		for _, copies := range sessions.ByID(o.Sessions) {
			m.reconcile(r, copies, o.SetAside, limit, now.At)
		}
		return nil
	})
	return r.answer, err
}

func (m *Memory) reconcile(r *record, copies []sessions.Session, aside bool, limit int, now time.Time) {
	changed := len(m.copies(copies[0].ID)) != len(copies) ||
		slices.ContainsFunc(copies, func(c sessions.Session) bool { return m.compare(c) != "" })
	plan := sessions.Resolve(copies)
	take := 0
	for key, outcome := range plan {
		if aside && outcome == sessions.Conflict {
			plan[key] = sessions.Done
		}
		if plan[key] == sessions.Done {
			take++
		}
	}
	for _, c := range copies {
		switch {
		case changed:
			r.say(c.Key, sessions.Changed)
		case plan[c.Key] != sessions.Done:
			r.say(c.Key, plan[c.Key])
		case len(r.took)+take > limit: // all of a session or nothing
			r.say(c.Key, sessions.OverBound)
		default:
			m.takeAway(r, c.Key, now)
			take--
		}
	}
}

// Recover gives orphans to a member.
func (m *Memory) Recover(_ context.Context, o sessions.Recover) (sessions.Answer, error) {
	if err := o.Check(); err != nil {
		return sessions.Answer{}, err
	}
	r, err := m.do(o.Order, "recover", o, true, func(r *record, now sessions.Membership) error {
		if now.Is(o.To) != sessions.Alive {
			return sessions.ErrNotAlive
		}
		for _, seen := range o.Sessions {
			why := m.compare(seen)
			if why == "" && !sessions.Orphan(seen, now) {
				why = sessions.NotOrphan
			}
			if why != "" {
				r.say(seen.Key, why)
				continue
			}
			was := m.primary[seen.Key]
			left := entry{Session: o.Taken(was.Session, now.Epoch, now.At.Add(m.ttl)), contents: maps.Clone(was.contents)}
			m.primary[seen.Key] = left
			r.took = append(r.took, taken{was, left})
			r.say(seen.Key, sessions.Done)
		}
		return nil
	})
	return r.answer, err
}
