package move

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions/redis"
)

// Hanging is the address of a server that carries a failover out, and how far it is.
func Hanging(ctx context.Context, s *redis.Store) (redis.Seat, error) {
	var errs []error
	for _, name := range s.Names() {
		seat, err := s.Seat(ctx, name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if seat.Failover == redis.WaitingForSync || seat.Failover == redis.HandingOver {
			return seat, nil
		}
	}
	return redis.Seat{}, errors.Join(append([]error{fmt.Errorf("%w: no server that answers carries a failover out", ErrUnfit)}, errs...)...)
}

// Abort ends a failover that hangs, whatever the replica says, and gives the address of the server that is the primary again. Where the
// replica has the role already, or what tells it to take it is still on its way, there are two primaries afterwards: only somebody who
// knows that it is down, or keeps it away, may order this. The error says whether all others that answer follow; until they do, nobody may
// use them.
func Abort(ctx context.Context, s *redis.Store) (string, error) {
	seat, err := Hanging(ctx, s)
	if err != nil {
		return "", err
	}
	at, err := s.At(seat.Name)
	if err != nil {
		return "", err
	}
	if err := at.EndFailover(ctx); err != nil {
		return "", err
	}
	var errs []error
	for _, name := range at.Names()[1:] {
		last, follows := pair{at, name}.await(ctx, time.Now().Add(followWithin), func(s seats) bool {
			return s.two() || s.kept() && (s.heirErr != nil || s.heir.Linked && s.heir.Cut.History == s.old.Cut.History)
		})
		switch {
		case last.two():
			errs = append(errs, fmt.Errorf("%w: %s", ErrTwo, last))
		case !follows || last.heirErr != nil:
			errs = append(errs, fmt.Errorf("%w: it was ended, and %s does not follow yet: %s", ErrUnsettled, name, last))
		}
	}
	return seat.Addr, errors.Join(errs...)
}
