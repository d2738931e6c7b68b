package move

import (
	"context"
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/sessions/redis"
)

const (
	// pollEvery is how often the two servers are asked while they exchange their roles.
	pollEvery = 10 * time.Millisecond
	// askWithin is how long one server may take to say what it is.
	askWithin = 2 * time.Second
	// followWithin is how long a replica may take to follow its primary again after a failover was ended.
	followWithin = 10 * time.Second
)

// pair is the two servers of a move.
type pair struct {
	store *redis.Store
	to    string
}

// seats are both at one look. A server that does not answer has an error.
type seats struct {
	old, heir       redis.Seat
	oldErr, heirErr error
}

func (p pair) ask(ctx context.Context) seats {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	var s seats
	heir := make(chan struct{})
	go func() {
		defer close(heir)
		s.heir, s.heirErr = p.store.Seat(ctx, p.to)
	}()
	s.old, s.oldErr = p.store.Seat(ctx, sessions.Primary)
	<-heir
	return s
}

// moved says that the roles are exchanged, and that both say so.
func (s seats) moved() bool {
	return s.oldErr == nil && s.heirErr == nil && s.heir.Primary && !s.old.Primary && s.old.Failover == redis.NoFailover
}

// kept says that the roles are as before. The primary's word is enough where the replica does not answer: it gives up by itself only as
// long as it has told the replica nothing, or when the replica has refused.
func (s seats) kept() bool {
	return s.oldErr == nil && s.old.Primary && s.old.Failover == redis.NoFailover && (s.heirErr != nil || !s.heir.Primary)
}

// two says that both are primaries, and no failover is under way.
func (s seats) two() bool {
	return s.oldErr == nil && s.heirErr == nil && s.old.Primary && s.heir.Primary && s.old.Failover == redis.NoFailover
}

// String is what both say, for people.
func (s seats) String() string {
	say := func(name string, seat redis.Seat, err error) string {
		switch {
		case err != nil:
			return fmt.Sprintf("%s does not answer (%v)", name, err)
		case seat.Primary:
			return fmt.Sprintf("%s %s says that it is the primary (%s)", name, seat.Addr, seat.Failover)
		}
		return fmt.Sprintf("%s %s says that it follows %s (%s)", name, seat.Addr, seat.Follows, seat.Failover)
	}
	return say("the old primary", s.old, s.oldErr) + "; " + say("the replica", s.heir, s.heirErr)
}

// await asks both until done is true or the time is over, and gives the last look.
func (p pair) await(ctx context.Context, until time.Time, done func(seats) bool) (seats, bool) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		s := p.ask(ctx)
		if done(s) {
			return s, true
		}
		if !time.Now().Before(until) || ctx.Err() != nil {
			return s, false
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// settle waits until a failover that was begun is over. It is not cut short: whoever began is told what came of it. Nothing is ended here,
// see the package's words. Nil is that the roles are exchanged.
func (p pair) settle(ctx context.Context, within, patience time.Duration) error {
	ctx = context.WithoutCancel(ctx)
	last, over := p.await(ctx, time.Now().Add(within+patience), func(s seats) bool { return s.moved() || s.kept() || s.two() })
	if over && last.two() {
		// The two were asked one after the other, and may have exchanged their roles between.
		last = p.ask(ctx)
	}
	switch {
	case last.moved():
		return nil
	case last.two():
		return fmt.Errorf("%w: %s", ErrTwo, last)
	case last.kept():
		return fmt.Errorf("%w: the server gave it up; the replica did not have everything within %s, or refused the role: %s", ErrTakenBack,
			within, last)
	}
	return fmt.Errorf("%w: nothing was ended, since the replica may have the role, or may yet take it; it goes on by itself when the old "+
		"primary reaches the replica: %s", ErrUnsettled, last)
}
