package sessionstest

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// slack is what may pass between two reads, or be lost to the resolution of a clock.
const slack = 20 * time.Second

func reads(ctx context.Context, t *trial) error {
	m, err := t.store.Membership(ctx)
	if err != nil {
		return err
	}
	if err := m.Check(); err != nil {
		return err
	}
	if m.Is(owner) == sessions.Alive {
		return fmt.Errorf("a node is named %s", owner)
	}
	page, err := t.store.List(ctx, sessions.Query{Limit: 1})
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	if d := page.At.Sub(m.At); d < -time.Second || d > slack {
		return fmt.Errorf("the list's clock is %s from the membership's", d)
	}
	replication, err := t.store.Replication(ctx)
	if err != nil {
		return fmt.Errorf("read the replication: %w", err)
	}
	cut, err := t.store.Cut(ctx)
	if err != nil {
		return fmt.Errorf("read the cut: %w", err)
	}
	if cut.History != replication.Cut.History || cut.Position < replication.Cut.Position {
		return fmt.Errorf("the cut went from %+v to %+v", replication.Cut, cut)
	}
	d, err := t.store.Digest(ctx, sessions.Primary, cut)
	if err != nil {
		return fmt.Errorf("read a digest: %w", err)
	}
	if len(d.Buckets) != sessions.Buckets {
		return fmt.Errorf("the digest has %d buckets, not %d", len(d.Buckets), sessions.Buckets)
	}
	return nil
}

func listed(ctx context.Context, t *trial) error {
	m, err := t.store.Membership(ctx)
	if err != nil {
		return err
	}
	for _, leaseIn := range []float64{3600, -3600} {
		made := t.orphan(m)
		made.LeaseIn, made.Version, made.Priority = leaseIn, sessions.Version{"a": 3, "b": 1}, sessions.High
		before, err := t.store.Membership(ctx)
		if err != nil {
			return err
		}
		s, err := t.make(ctx, made)
		if err != nil {
			return err
		}
		if s.Owner != made.Owner || s.Epoch != made.Epoch || !s.Version.Equal(made.Version) || s.Priority != made.Priority || s.Quarantined != nil {
			return fmt.Errorf("it is listed as %+v, and was made as %+v", s, made)
		}
		if off := s.LeaseUntil.Sub(before.At).Seconds() - leaseIn; math.Abs(off) > slack.Seconds() {
			return fmt.Errorf("its lease is %.1fs away from what it should be by the store's clock", off)
		}
		if err := t.live(ctx, made, s); err != nil {
			return err
		}
	}
	return digestCounts(ctx, t)
}

// digestCounts wants a digest to show that a session was written.
func digestCounts(ctx context.Context, t *trial) error {
	m, err := t.store.Membership(ctx)
	if err != nil {
		return err
	}
	made := t.orphan(m)
	if _, err := t.make(ctx, made); err != nil {
		return err
	}
	before, err := t.digest(ctx)
	if err != nil {
		return err
	}
	made.Version = sessions.Counter(4)
	if _, err := t.make(ctx, made); err != nil {
		return err
	}
	after, err := t.digest(ctx)
	if err == nil && len(sessions.Differ(before, after)) == 0 {
		err = fmt.Errorf("the digest is the same after %s was written", made.Key)
	}
	return err
}

func (t *trial) digest(ctx context.Context) (sessions.Digest, error) {
	cut, err := t.store.Cut(ctx)
	if err != nil {
		return sessions.Digest{}, err
	}
	return t.store.Digest(ctx, sessions.Primary, cut)
}

func unread(ctx context.Context, t *trial) error {
	if _, err := t.store.List(ctx, sessions.Query{Node: owner}); refused(err, sessions.ErrUnknownNode) != nil {
		return refused(err, sessions.ErrUnknownNode)
	}
	if _, err := t.store.List(ctx, sessions.Query{Limit: sessions.MostListed + 1}); refused(err, sessions.ErrRequest) != nil {
		return refused(err, sessions.ErrRequest)
	}
	replication, err := t.store.Replication(ctx)
	if err != nil {
		return err
	}
	for _, r := range replication.Replicas {
		far := replication.Cut
		far.Position = sessions.MaxNumber
		if _, err := t.store.Digest(ctx, r.Name, far); refused(err, sessions.ErrBehind) != nil {
			return fmt.Errorf("%s: %w", r.Name, refused(err, sessions.ErrBehind))
		}
	}
	return nil
}
