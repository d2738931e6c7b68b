package sessions

import (
	"context"
	"errors"
	"fmt"

	store "github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/remediations"
)

// fence asks what became of each part of an order.
func (t target) fence(ctx context.Context, w work, o remediations.Order) (remediations.Presence, error) {
	// The clock is read before the store is asked: what it does not know now comes too late from now on.
	m, err := t.membership(ctx)
	if err != nil {
		return remediations.Presence{}, err
	}
	p := remediations.Presence{State: remediations.Unknown, Clock: m.At}
	if until := deadline(o); !m.At.After(until) {
		p.Detail = fmt.Sprintf("by the store's clock it may still be carried out for %s", until.Sub(m.At))
		return p, nil
	}
	known, unread, so := 0, "", tally{of: w.most()}
	for _, one := range w.parts {
		is, err := t.knows(ctx, w, one, o)
		if err != nil {
			return remediations.Presence{}, err
		}
		if !is {
			continue
		}
		known++
		order := one.order(o, w.epoch, deadline(o))
		a, _, err := one.send(ctx, t.Store, order)
		if err == nil {
			err = about(a, one, order)
		}
		switch {
		case errors.Is(err, store.ErrAction):
			p.State, p.Detail = remediations.Foreign, fmt.Sprintf("the store carried out another order as action %s", order.Action)
			return p, nil
		case err != nil:
			unread = "; the store carried it out, and its answer cannot be read: " + err.Error()
		default:
			so.add(a)
		}
	}
	switch {
	case known == 0:
		p.State, p.Detail = remediations.Absent, "the store does not know the action, and its deadline has passed"
	case so.done == 0 && unread == "":
		p.State, p.Detail = remediations.Absent, "the store carried it out and changed nothing: "+so.words()
	default:
		p.State, p.Detail = remediations.Ours, so.words()+unread
	}
	return p, nil
}

// knows says whether the store carried a part out. It asks with an order that cannot be: whatever the store's clock says, nothing is done.
func (t target) knows(ctx context.Context, w work, one part, o remediations.Order) (bool, error) {
	order := one.order(o, w.epoch, longPast())
	_, _, err := one.send(ctx, t.Store, order)
	switch {
	case errors.Is(err, store.ErrDeadline):
		return false, nil
	case err == nil, errors.Is(err, store.ErrAction): // an answer is one too: that store does not compare orders
		return true, nil
	}
	return false, fmt.Errorf("ask for action %s: %w", order.Action, err)
}
