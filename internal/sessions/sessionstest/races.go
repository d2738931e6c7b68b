package sessionstest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// both orders two things at once.
func both(ctx context.Context, t *trial, orders [2]sessions.Quarantine) ([2]sessions.Answer, error) {
	var answers [2]sessions.Answer
	var errs [2]error
	var all sync.WaitGroup
	for i, q := range orders {
		all.Go(func() {
			// A store may have somebody else in the way; that proves that nothing was changed.
			for {
				answers[i], errs[i] = t.store.Quarantine(ctx, q)
				if !errors.Is(errs[i], sessions.ErrBusy) || ctx.Err() != nil {
					return
				}
			}
		})
	}
	all.Wait()
	return answers, errors.Join(errs[:]...)
}

func race(ctx context.Context, t *trial) error {
	for range 5 {
		s, _, _, err := t.makeOrphan(ctx)
		if err != nil {
			return err
		}
		var orders [2]sessions.Quarantine
		for i := range orders {
			o, err := t.order(ctx, 1)
			if err != nil {
				return err
			}
			orders[i] = sessions.Quarantine{Order: o, Sessions: []sessions.Session{s}}
		}
		answers, err := both(ctx, t, orders)
		if err != nil {
			return err
		}
		winner := 0
		if answers[1].Count(sessions.Done) == 1 {
			winner = 1
		}
		if answers[0].Count(sessions.Done)+answers[1].Count(sessions.Done) != 1 {
			return fmt.Errorf("two orders at once answered %+v and %+v", answers[0], answers[1])
		}
		if err := t.away(ctx, s.Key, orders[winner].Action); err != nil {
			return err
		}
	}
	return nil
}

func sameRace(ctx context.Context, t *trial) error {
	s, made, _, err := t.makeOrphan(ctx)
	if err != nil {
		return err
	}
	o, err := t.order(ctx, 1)
	if err != nil {
		return err
	}
	q := sessions.Quarantine{Order: o, Sessions: []sessions.Session{s}}
	answers, err := both(ctx, t, [2]sessions.Quarantine{q, q})
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(answers[0], answers[1]) || answers[0].Of(s.Key) != sessions.Done {
		return fmt.Errorf("one order twice at once answered %+v and %+v", answers[0], answers[1])
	}
	if _, err := t.restore(ctx, q.Action); err != nil {
		return err
	}
	return t.live(ctx, made, s)
}
