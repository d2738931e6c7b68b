package sessionstest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

func quarantineChecks() []check {
	return []check{
		{"quarantine", "an orphan is taken out of sight, and restored with the same contents", true, quarantines},
		{"idempotent", "the same action twice has the same answer and no second effect, also after it was restored", true, idempotent},
		{"late_repeat", "the same action gets its answer also after its deadline", true, lateRepeat},
		{"action_reused", "an action that was used for another order is refused", true, reused},
		{"max", "an order without a bound, or with more than its bound, is refused", true, bounded},
		{"cap", "no order takes more than 1 % of the sessions, at most 50", true, capped},
		{"epoch", "an order decided in another epoch changes nothing", true, epochs},
		{"deadline", "an order that comes too late by the store's clock changes nothing", true, deadlines},
		{"touched", "a session that was written after the look is left alone", true, touched},
		{"not_orphan", "what is no orphan is left alone: leased, not long over, owned by a member, of a newer epoch", true, notOrphans},
		{"race", "of two orders for one session at once, one takes it", true, race},
		{"same_race", "one action ordered twice at once is done once", true, sameRace},
	}
}

func quarantines(ctx context.Context, t *trial) error {
	s, made, _, err := t.makeOrphan(ctx)
	if err != nil {
		return err
	}
	q, a, err := t.quarantine(ctx, s)
	if err != nil {
		return err
	}
	if err := want(a, s.Key, sessions.Done); err != nil {
		return err
	}
	if left := a.Until.Sub(a.At); left < sessions.QuarantineFor {
		return fmt.Errorf("it can be restored for %s, want at least %s", left, sessions.QuarantineFor)
	}
	if err := t.away(ctx, s.Key, q.Action); err != nil {
		return err
	}
	back, err := t.restore(ctx, q.Action)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return errors.Join(want(back, s.Key, sessions.Done), t.live(ctx, made, s))
}

func idempotent(ctx context.Context, t *trial) error {
	s, made, _, err := t.makeOrphan(ctx)
	if err != nil {
		return err
	}
	q, first, err := t.quarantine(ctx, s)
	if err != nil {
		return err
	}
	again := func() error {
		second, err := t.store.Quarantine(ctx, q)
		if err != nil {
			return fmt.Errorf("the same order again: %w", err)
		}
		if !reflect.DeepEqual(first, second) {
			return fmt.Errorf("the answer was %+v and is %+v", first, second)
		}
		return nil
	}
	if err := again(); err != nil {
		return err
	}
	o, err := t.order(ctx, 5)
	if err != nil {
		return err
	}
	undo := sessions.Restore{Order: o, Undo: q.Action}
	one, err := t.store.Restore(ctx, undo)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	two, err := t.store.Restore(ctx, undo)
	if err != nil || !reflect.DeepEqual(one, two) {
		return fmt.Errorf("restore answered %+v, then %+v, %w", one, two, orNone(err))
	}
	return errors.Join(again(), t.live(ctx, made, s))
}

func lateRepeat(ctx context.Context, t *trial) error {
	s, _, m, err := t.makeOrphan(ctx)
	if err != nil {
		return err
	}
	o, err := t.order(ctx, 1)
	if err != nil {
		return err
	}
	o.Deadline = m.At.Add(2 * time.Second)
	q := sessions.Quarantine{Order: o, Sessions: []sessions.Session{s}}
	first, err := t.store.Quarantine(ctx, q)
	if errors.Is(err, sessions.ErrDeadline) {
		return fmt.Errorf("%w: the store took longer than two seconds", errSkip)
	}
	if err != nil {
		return err
	}
	if err := t.past(ctx, o.Deadline); err != nil {
		return err
	}
	second, err := t.store.Quarantine(ctx, q)
	if err != nil || !reflect.DeepEqual(first, second) {
		return fmt.Errorf("the answer was %+v and is %+v, %w", first, second, orNone(err))
	}
	q.Action += "-late"
	_, err = t.store.Quarantine(ctx, q)
	return refused(err, sessions.ErrDeadline)
}

// past waits until the store's clock is past a moment.
func (t *trial) past(ctx context.Context, moment time.Time) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		m, err := t.store.Membership(ctx)
		if err != nil || m.At.After(moment) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the store's clock: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// errNone stands where there was no error, in a sentence about something else.
var errNone = errors.New("no error")

func orNone(err error) error {
	if err == nil {
		return errNone
	}
	return err
}

func reused(ctx context.Context, t *trial) error {
	one, _, _, err := t.makeOrphan(ctx)
	if err != nil {
		return err
	}
	two, made, _, err := t.makeOrphan(ctx)
	if err != nil {
		return err
	}
	q, _, err := t.quarantine(ctx, one)
	if err != nil {
		return err
	}
	q.Sessions = []sessions.Session{two}
	_, err = t.store.Quarantine(ctx, q)
	return errors.Join(refused(err, sessions.ErrAction), t.live(ctx, made, two))
}

func bounded(ctx context.Context, t *trial) error {
	one, made, _, err := t.makeOrphan(ctx)
	if err != nil {
		return err
	}
	two, other, _, err := t.makeOrphan(ctx)
	if err != nil {
		return err
	}
	for _, limit := range []int{-1, 0, 1} {
		o, err := t.order(ctx, limit)
		if err != nil {
			return err
		}
		_, err = t.store.Quarantine(ctx, sessions.Quarantine{Order: o, Sessions: []sessions.Session{one, two}})
		if err := refused(err, sessions.ErrMax); err != nil {
			return fmt.Errorf("max %d for 2 sessions: %w", limit, err)
		}
	}
	return errors.Join(t.live(ctx, made, one), t.live(ctx, other, two))
}

func capped(ctx context.Context, t *trial) error {
	var list []sessions.Session
	for range sessions.MostAtOnce + 10 {
		s, _, _, err := t.makeOrphan(ctx)
		if err != nil {
			return err
		}
		list = append(list, s)
	}
	m, err := t.store.Membership(ctx)
	if err != nil {
		return err
	}
	q, a, err := t.quarantine(ctx, list...)
	if err != nil {
		return err
	}
	// Others may come and go on a store that serves.
	least, most := 1, sessions.Bound(m.Total+m.Total/10+100)
	done, over := a.Count(sessions.Done), a.Count(sessions.OverBound)
	if done < least || done > most || done+over != len(list) {
		return fmt.Errorf("of %d orphans among %d sessions %d were taken and %d were over the bound", len(list), m.Total, done, over)
	}
	_, err = t.restore(ctx, q.Action)
	return err
}

// nothing orders a quarantine that must be refused, with the order changed.
func nothing(ctx context.Context, t *trial, refusal error, change func(*sessions.Quarantine, sessions.Membership)) error {
	s, made, m, err := t.makeOrphan(ctx)
	if err != nil {
		return err
	}
	o, err := t.order(ctx, 1)
	if err != nil {
		return err
	}
	q := sessions.Quarantine{Order: o, Sessions: []sessions.Session{s}}
	change(&q, m)
	_, err = t.store.Quarantine(ctx, q)
	if err := errors.Join(refused(err, refusal), t.live(ctx, made, s)); err != nil {
		return err
	}
	// What was refused is not remembered: the same action may still be ordered as it should be.
	q.Order, q.Sessions = o, []sessions.Session{s}
	a, err := t.store.Quarantine(ctx, q)
	if err != nil {
		return fmt.Errorf("the order as it should be: %w", err)
	}
	return want(a, s.Key, sessions.Done)
}

func epochs(ctx context.Context, t *trial) error {
	newer := func(q *sessions.Quarantine, m sessions.Membership) { q.Epoch = m.Epoch + 1 }
	if err := nothing(ctx, t, sessions.ErrEpoch, newer); err != nil {
		return err
	}
	m, err := t.store.Membership(ctx)
	if err != nil || m.Epoch == 0 {
		return err
	}
	return nothing(ctx, t, sessions.ErrEpoch, func(q *sessions.Quarantine, m sessions.Membership) { q.Epoch = m.Epoch - 1 })
}

func deadlines(ctx context.Context, t *trial) error {
	return nothing(ctx, t, sessions.ErrDeadline, func(q *sessions.Quarantine, m sessions.Membership) { q.Deadline = m.At.Add(-time.Second) })
}

func touched(ctx context.Context, t *trial) error {
	for _, change := range []func(*Made){
		func(m *Made) { m.Version = sessions.Counter(4) },
		func(m *Made) { m.LeaseIn += 60 },
		func(m *Made) { m.Owner += "2" },
	} {
		seen, made, _, err := t.makeOrphan(ctx)
		if err != nil {
			return err
		}
		change(&made)
		now, err := t.make(ctx, made)
		if err != nil {
			return err
		}
		_, a, err := t.quarantine(ctx, seen)
		if err == nil {
			err = errors.Join(want(a, seen.Key, sessions.Changed), t.live(ctx, made, now))
		}
		if err != nil {
			return err
		}
	}
	if err := unlike(ctx, t); err != nil {
		return err
	}
	gone, _, _, err := t.makeOrphan(ctx)
	if err != nil {
		return err
	}
	if err := t.bench.Remove(ctx, gone.Key); err != nil {
		return err
	}
	_, a, err := t.quarantine(ctx, gone)
	if err != nil {
		return err
	}
	return want(a, gone.Key, sessions.Missing)
}

// unlike orders a quarantine of a session that is not as the order says, in one thing at a time.
func unlike(ctx context.Context, t *trial) error {
	now, made, _, err := t.makeOrphan(ctx)
	if err != nil {
		return err
	}
	for thing, change := range map[string]func(*sessions.Session){
		"owner":    func(s *sessions.Session) { s.Owner += "2" },
		"version":  func(s *sessions.Session) { s.Version = sessions.Counter(2) },
		"lease":    func(s *sessions.Session) { s.LeaseUntil = s.LeaseUntil.Add(-time.Millisecond) },
		"priority": func(s *sessions.Session) { s.Priority = sessions.Critical },
		"epoch":    func(s *sessions.Session) { s.Epoch = max(s.Epoch, 1) - 1 },
	} {
		seen := now
		if change(&seen); seen.Same(now) {
			continue // there is no epoch before
		}
		_, a, err := t.quarantine(ctx, seen)
		if err == nil {
			err = errors.Join(want(a, now.Key, sessions.Changed), t.live(ctx, made, now))
		}
		if err != nil {
			return fmt.Errorf("another %s: %w", thing, err)
		}
	}
	return nil
}

func notOrphans(ctx context.Context, t *trial) error {
	m, err := t.store.Membership(ctx)
	if err != nil {
		return err
	}
	ttl := m.TTL.Duration().Seconds()
	kinds := map[string]func(*Made){
		"leased":        func(made *Made) { made.LeaseIn = 3600 },
		"not long over": func(made *Made) { made.LeaseIn = min(-0.001, -2*ttl+max(slack.Seconds(), ttl)) },
		"newer epoch":   func(made *Made) { made.Epoch = m.Epoch + 1 },
	}
	for _, member := range m.Members {
		if member.State == sessions.Alive {
			kinds["owned by "+member.Name] = func(made *Made) { made.Owner = member.Name }
			break
		}
	}
	if ttl < slack.Seconds() {
		delete(kinds, "not long over") // it would be, before it is looked at
	}
	for kind, change := range kinds {
		made := t.orphan(m)
		change(&made)
		s, err := t.make(ctx, made)
		if err != nil {
			return err
		}
		_, a, err := t.quarantine(ctx, s)
		if err == nil {
			err = errors.Join(want(a, s.Key, sessions.NotOrphan), t.live(ctx, made, s))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	return nil
}
