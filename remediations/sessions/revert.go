package sessions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	store "github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/remediations"
)

// revert gives back what all parts took, the last first. Its words are for people.
func (t target) revert(ctx context.Context, w work, o remediations.Order, r remediations.Receipt) (string, error) {
	var kept before
	if len(r.Before) > 0 && json.Unmarshal(r.Before, &kept) != nil {
		kept = before{} // what took the sessions is in the store, and only that is needed to give them back
	}
	m, err := t.membership(ctx)
	if err != nil {
		return "", err
	}
	so, lost := tally{of: w.most()}, 0
	var errs []error
	for _, one := range slices.Backward(w.parts) {
		took := o.Action + one.suffix
		a, err := t.giveBack(ctx, w, one, o, m)
		switch {
		case errors.Is(err, store.ErrUnknownAction) && slices.Contains(kept.Actions, took):
			lost++
		case errors.Is(err, store.ErrUnknownAction) && len(kept.Actions) == 0 && !m.At.After(deadline(o)):
			errs = append(errs, fmt.Errorf("the store does not know action %s, which may still come: %w", took, errEarly))
		case errors.Is(err, store.ErrUnknownAction): // it was never carried out, or took nothing
		case err != nil: // what the others took is given back all the same
			errs = append(errs, err)
		default:
			so.add(a)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return "", err
	}
	switch back := so.done + so.why[store.Kept]; {
	case so.why[store.OverBound] > 0:
		return "", fmt.Errorf("the store gives back no more at once: %s", so.words())
	case back == 0 && m.At.After(undoDeadline(o)):
		return "", fmt.Errorf("%w: the store keeps what was taken for %s, and that is over", remediations.ErrNotOurs, store.QuarantineFor)
	case back == 0 && lost > 0:
		return "", fmt.Errorf("%w: the store no longer knows what was taken", remediations.ErrNotOurs)
	case back == 0 && len(so.why) > 0:
		return "", fmt.Errorf("%w: %s", remediations.ErrNotOurs, so.words())
	}
	return so.words(), nil
}

// errEarly is why an action that is not known is no proof yet.
var errEarly = errors.New("its deadline has not passed by the store's clock")

// giveBack restores what one part took. The epoch is the present one, since the undo is about what was taken, whoever is there by now.
func (t target) giveBack(ctx context.Context, w work, one part, o remediations.Order, m store.Membership) (store.Answer, error) {
	took := o.Action + one.suffix
	order := store.Order{Action: undoOf(took, w.epoch, m.Epoch), Epoch: m.Epoch, Max: one.most(), Deadline: undoDeadline(o)}
	if !order.Deadline.After(m.At) {
		return store.Answer{}, fmt.Errorf("restore action %s: %w", took, store.ErrUnknownAction)
	}
	a, err := t.Store.Restore(ctx, store.Restore{Order: order, Undo: took})
	if err == nil {
		err = about(a, one, order)
	}
	if err != nil {
		return store.Answer{}, fmt.Errorf("restore action %s: %w", took, err)
	}
	return a, nil
}
