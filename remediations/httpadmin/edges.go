package httpadmin

import (
	"context"
	"fmt"

	"github.com/firebreak-sre/firebreak/remediations"
)

var (
	_ remediations.Remediation = (*Admin)(nil)
	_ remediations.Adjuster    = (*Admin)(nil)
)

// Bounds are those of one fix at one place; see [bounds.Places.Of].
func (a *Admin) Bounds(s remediations.Step) remediations.Bounds { return a.places.Of(s) }

// Check reads the instances of the order's place.
func (a *Admin) Check(ctx context.Context, o remediations.Order) (remediations.Presence, error) {
	t, err := a.target(o.Step)
	if err != nil {
		return remediations.Presence{State: remediations.Unknown}, err
	}
	return t.Check(ctx, o)
}

// Apply makes the change on the order's place.
func (a *Admin) Apply(ctx context.Context, o remediations.Order) (remediations.Receipt, error) {
	t, err := a.target(o.Step)
	if err != nil {
		return remediations.Receipt{}, err
	}
	return t.Apply(ctx, o)
}

// Revert takes the change back on the order's place.
func (a *Admin) Revert(ctx context.Context, o remediations.Order, r remediations.Receipt) error {
	t, err := a.target(o.Step)
	if err != nil {
		return err
	}
	return t.Revert(ctx, o, r)
}

// Adjust renews the change on the order's place, or gives calls back. [ErrCannotAdjust] if its control has no request for that.
func (a *Admin) Adjust(ctx context.Context, o remediations.Order, r remediations.Receipt) (remediations.Receipt, error) {
	t, err := a.target(o.Step)
	if err != nil {
		return r, err
	}
	return t.Adjust(ctx, o, r)
}

func (a *Admin) target(s remediations.Step) (*target, error) {
	t, known := a.targets[s.Place()]
	if !known || !a.places.Has(s) {
		return nil, fmt.Errorf("find endpoints of %q: %w: there are none", s.Place(), remediations.ErrRefused)
	}
	return t, nil
}
