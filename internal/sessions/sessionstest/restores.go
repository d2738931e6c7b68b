package sessionstest

import (
	"context"
	"errors"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

func restoreChecks() []check {
	return []check{
		{"restore_unknown", "a restore of an action that there was not is refused", true, restoreUnknown},
		{"restore_again", "what was restored once is not touched by a second restore", true, restoreAgain},
		{"restore_taken", "what was made anew meanwhile is not overwritten by a restore", true, restoreTaken},
		{"restore_epoch", "a restore decided in another epoch changes nothing", true, restoreEpoch},
	}
}

func restoreUnknown(ctx context.Context, t *trial) error {
	_, err := t.restore(ctx, "trial-"+t.run+"-never")
	return refused(err, sessions.ErrUnknownAction)
}

func restoreAgain(ctx context.Context, t *trial) error {
	s, made, _, err := t.makeOrphan(ctx)
	if err != nil {
		return err
	}
	q, _, err := t.quarantine(ctx, s)
	if err != nil {
		return err
	}
	if _, err := t.restore(ctx, q.Action); err != nil {
		return err
	}
	made.Version, made.Contents = sessions.Counter(9), map[string]string{"cart": "empty"}
	now, err := t.make(ctx, made)
	if err != nil {
		return err
	}
	a, err := t.restore(ctx, q.Action)
	if err != nil {
		return err
	}
	return errors.Join(want(a, s.Key, sessions.Kept), t.live(ctx, made, now))
}

func restoreTaken(ctx context.Context, t *trial) error {
	s, made, _, err := t.makeOrphan(ctx)
	if err != nil {
		return err
	}
	q, _, err := t.quarantine(ctx, s)
	if err != nil {
		return err
	}
	made.Version, made.Contents = sessions.Counter(1), map[string]string{"cart": "new"}
	now, err := t.make(ctx, made)
	if err != nil {
		return err
	}
	a, err := t.restore(ctx, q.Action)
	if err != nil {
		return err
	}
	return errors.Join(want(a, s.Key, sessions.Taken), t.live(ctx, made, now))
}

func restoreEpoch(ctx context.Context, t *trial) error {
	s, _, _, err := t.makeOrphan(ctx)
	if err != nil {
		return err
	}
	q, _, err := t.quarantine(ctx, s)
	if err != nil {
		return err
	}
	o, err := t.order(ctx, 1)
	if err != nil {
		return err
	}
	o.Epoch++
	_, err = t.store.Restore(ctx, sessions.Restore{Order: o, Undo: q.Action})
	return errors.Join(refused(err, sessions.ErrEpoch), t.away(ctx, s.Key, q.Action))
}
