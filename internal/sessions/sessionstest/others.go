package sessionstest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

func otherChecks() []check {
	return []check{
		{"recover", "an orphan is given to a living member, its version dominates the old one, and a restore gives it back", true, recovers},
		{"recover_refused", "a recovery to who is not alive, or of another stage, is refused", true, recoverRefused},
		{"recover_written", "what the new owner has written is not taken back by a restore", true, recoverWritten},
		{"sync", "a sync says of every session and every replica what became of it, and is not repeated", true, syncs},
		{"sync_bounded", "a sync of more than its bound is refused", true, syncBounded},
		{"partition", "a membership without a quorum lists, restores, and takes nothing away", true, partition},
	}
}

// alive is a living member.
func alive(m sessions.Membership) (string, error) {
	for _, member := range m.Members {
		if member.State == sessions.Alive {
			return member.Name, nil
		}
	}
	return "", fmt.Errorf("%w: there is no living member", errSkip)
}

// recovery makes an orphan and orders it to be given to a member.
func (t *trial) recovery(ctx context.Context) (sessions.Recover, Made, error) {
	s, made, m, err := t.makeOrphan(ctx)
	if err != nil {
		return sessions.Recover{}, made, err
	}
	to, err := alive(m)
	if err != nil {
		return sessions.Recover{}, made, err
	}
	o, err := t.order(ctx, 1)
	return sessions.Recover{Order: o, Stage: s.Priority, To: to, Sessions: []sessions.Session{s}}, made, err
}

func recovers(ctx context.Context, t *trial) error {
	r, made, err := t.recovery(ctx)
	if err != nil {
		return err
	}
	was := r.Sessions[0]
	a, err := t.store.Recover(ctx, r)
	if err != nil {
		return err
	}
	if err := want(a, was.Key, sessions.Done); err != nil {
		return err
	}
	now, found, err := t.find(ctx, was.Key, false)
	if err != nil {
		return err
	}
	if !found || now.Owner != r.To || now.Epoch != r.Epoch || !sessions.Dominates(now.Version, was.Version) || !now.LeaseUntil.After(a.At) {
		return fmt.Errorf("it is %+v, was %+v", now, was)
	}
	if err := t.live(ctx, made, now); err != nil {
		return err
	}
	b, err := t.store.Recover(ctx, r)
	if err != nil || !slices.Equal(a.Items, b.Items) {
		return fmt.Errorf("the same order again answered %+v, %w", b, orNone(err))
	}
	if _, err := t.restore(ctx, r.Action); err != nil {
		return err
	}
	return t.live(ctx, made, was)
}

func recoverRefused(ctx context.Context, t *trial) error {
	r, made, err := t.recovery(ctx)
	if err != nil {
		return err
	}
	other := r
	other.To = owner
	_, err = t.store.Recover(ctx, other)
	if err := refused(err, sessions.ErrNotAlive); err != nil {
		return err
	}
	other = r
	other.Stage = sessions.Low
	_, err = t.store.Recover(ctx, other)
	return errors.Join(refused(err, sessions.ErrRequest), t.live(ctx, made, r.Sessions[0]))
}

func recoverWritten(ctx context.Context, t *trial) error {
	r, made, err := t.recovery(ctx)
	if err != nil {
		return err
	}
	if _, err := t.store.Recover(ctx, r); err != nil {
		return err
	}
	made.Owner, made.Version, made.LeaseIn = r.To, sessions.Counter(7), 3600
	now, err := t.make(ctx, made)
	if err != nil {
		return err
	}
	a, err := t.restore(ctx, r.Action)
	if err != nil {
		return err
	}
	return errors.Join(want(a, now.Key, sessions.Taken), t.live(ctx, made, now))
}

func syncs(ctx context.Context, t *trial) error {
	s, made, _, err := t.makeOrphan(ctx)
	if err != nil {
		return err
	}
	o, err := t.order(ctx, 2)
	if err != nil {
		return err
	}
	none := t.key()
	order := sessions.Sync{Order: o, IDs: []string{s.ID, none.ID}, Within: sessions.Seconds(sessions.LongestWait / 2)}
	first, err := t.store.Sync(ctx, order)
	if err != nil {
		return err
	}
	err = errors.Join(want(first.Answer, sessions.Key{ID: s.ID}, sessions.Done), want(first.Answer, none, sessions.Missing), t.live(ctx, made, s))
	if err != nil {
		return err
	}
	replication, err := t.store.Replication(ctx)
	if err != nil {
		return err
	}
	if len(first.Replicas) != len(replication.Replicas) {
		return fmt.Errorf("it speaks of %d replicas, and there are %d", len(first.Replicas), len(replication.Replicas))
	}
	for _, r := range first.Replicas {
		if r.Has != (r.Position >= first.Cut.Position) {
			return fmt.Errorf("%+v has what was sent at %+v: %t", r, first.Cut, r.Has)
		}
	}
	again, err := t.store.Sync(ctx, order)
	if err != nil || again.Cut != first.Cut || !slices.Equal(again.Items, first.Items) {
		return fmt.Errorf("the same order again answered %+v, %w, want %+v", again, orNone(err), first)
	}
	return nil
}

func syncBounded(ctx context.Context, t *trial) error {
	for _, limit := range []int{0, 1, sessions.MostNamed} {
		o, err := t.order(ctx, limit)
		if err != nil {
			return err
		}
		order := sessions.Sync{Order: o}
		for range min(max(limit, 1), sessions.MostSent) + 1 {
			order.IDs = append(order.IDs, t.key().ID)
		}
		_, err = t.store.Sync(ctx, order)
		if err := refused(err, sessions.ErrMax); err != nil {
			return fmt.Errorf("max %d for %d sessions: %w", limit, len(order.IDs), err)
		}
	}
	return nil
}

func partition(ctx context.Context, t *trial) error {
	p, ok := t.bench.(Partitioner)
	if !ok {
		return fmt.Errorf("%w: this bench cannot take the quorum away, and on a store that serves nobody should", errSkip)
	}
	before, _, _, err := t.makeOrphan(ctx)
	if err != nil {
		return err
	}
	earlier, _, err := t.quarantine(ctx, before)
	if err != nil {
		return err
	}
	recovery, made, err := t.recovery(ctx)
	if err != nil {
		return err
	}
	list, copies, err := t.copies(ctx, sessions.Version{"a": 2}, sessions.Version{"a": 1})
	if err != nil {
		return err
	}
	if err := p.SetQuorum(ctx, false); err != nil {
		return err
	}
	err = t.withoutQuorum(ctx, recovery, list, earlier.Action)
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), slack)
	defer cancel()
	return errors.Join(err, p.SetQuorum(after, true), t.live(ctx, made, recovery.Sessions[0]), t.live(ctx, copies[1], list[1]))
}

// withoutQuorum tries every act while there is no quorum.
func (t *trial) withoutQuorum(ctx context.Context, r sessions.Recover, copies []sessions.Session, earlier string) error {
	m, err := t.store.Membership(ctx)
	if err != nil {
		return err
	}
	s := r.Sessions[0]
	if m.Quorum || sessions.Orphan(s, m) {
		return fmt.Errorf("it has a quorum: %t, and an orphan: %t", m.Quorum, sessions.Orphan(s, m))
	}
	if _, found, err := t.find(ctx, s.Key, false); err != nil || !found {
		return fmt.Errorf("%s is listed: %t, %w", s.Key, found, orNone(err))
	}
	_, _, err = t.quarantine(ctx, s)
	if err := refused(err, sessions.ErrQuorum); err != nil {
		return fmt.Errorf("quarantine: %w", err)
	}
	_, _, err = t.reconcile(ctx, copies, 1, false)
	if err := refused(err, sessions.ErrQuorum); err != nil {
		return fmt.Errorf("reconcile: %w", err)
	}
	r.Epoch = m.Epoch
	_, err = t.store.Recover(ctx, r)
	if err := refused(err, sessions.ErrQuorum); err != nil {
		return fmt.Errorf("recover: %w", err)
	}
	a, err := t.restore(ctx, earlier)
	if err != nil || a.Count(sessions.Done) != 1 {
		return fmt.Errorf("restore answered %+v, %w", a, orNone(err))
	}
	return nil
}
