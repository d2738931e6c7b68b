package httpadmin

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/firebreak-sre/firebreak/internal/failpoint"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/httpadmin/bounds"
)

// Check reads every instance. See the package's documentation for what their answers come to.
func (t *target) Check(ctx context.Context, o remediations.Order) (remediations.Presence, error) {
	unknown := remediations.Presence{State: remediations.Unknown}
	c, err := t.control(o)
	if err != nil {
		return unknown, fmt.Errorf("check %s: %w", t.where.Place(), err)
	}
	ctx, cancel := bounded(ctx, o)
	defer cancel()
	seen := t.look(ctx, o, c, t.instances)
	p := presence(seen)
	if p.State == remediations.Unknown {
		return p, fmt.Errorf("check %s: %w", t.where.Place(), problems(seen))
	}
	return p, nil
}

// Apply makes the change on all instances, if none of them has one. Those that have ours already are not told again.
func (t *target) Apply(ctx context.Context, o remediations.Order) (remediations.Receipt, error) {
	r, err := t.apply(ctx, o)
	if err != nil {
		return remediations.Receipt{}, fmt.Errorf("apply %s to %s: %w", o.Fix, t.where.Place(), err)
	}
	return r, nil
}

func (t *target) apply(ctx context.Context, o remediations.Order) (remediations.Receipt, error) {
	c, err := t.valid(o)
	if err != nil {
		return remediations.Receipt{}, err
	}
	if o.Seen.State != remediations.Absent {
		return remediations.Receipt{}, fmt.Errorf("%w: it was seen %q, not absent", remediations.ErrRefused, o.Seen.State)
	}
	if err := inTime(o); err != nil {
		return remediations.Receipt{}, err
	}
	seen := t.lookBounded(ctx, o, c, t.instances)
	switch p := presence(seen); {
	case len(pick(seen, unread)) > 0:
		return remediations.Receipt{}, fmt.Errorf("%w: nothing was sent: %w", remediations.ErrRefused, problems(seen))
	case len(pick(seen, theirs)) > 0:
		return remediations.Receipt{}, fmt.Errorf("%w: it changed since it was seen: %s", remediations.ErrRefused, p.Detail)
	case presumed(seen):
		return remediations.Receipt{}, errors.New("in doubt, nothing was sent: it is on already, and the service does not say whose it is")
	case p.Obeying == p.Instances && p.State == remediations.Ours:
		return remediations.Receipt{Until: o.Until, Note: fmt.Sprintf("%d of %d instances had it already", p.Obeying, p.Instances)}, nil
	}
	if err := inTime(o); err != nil {
		return remediations.Receipt{}, err
	}
	ctx, cancel := bounded(ctx, o)
	defer cancel()
	ctx, stop := context.WithDeadline(ctx, o.Deadline)
	defer stop()
	failpoint.Hit("httpadmin:send")
	y := t.send(ctx, o, c.apply, o.Action, pick(seen, off))
	err = y.err()
	if had := len(pick(seen, ours)); had > 0 && errors.Is(err, remediations.ErrRefused) {
		// An earlier command of this order stands at some: not even a refusal by the others proves that nothing changed.
		err = fmt.Errorf("in doubt, %d instances have it and %d refused: %w", had, y.refused, errors.Join(y.errs...))
	}
	return remediations.Receipt{Until: o.Until, Note: y.note()}, err
}

// Revert takes the change back where it is ours, and looks whether it is gone.
func (t *target) Revert(ctx context.Context, o remediations.Order, _ remediations.Receipt) error {
	if err := t.revert(ctx, o); err != nil {
		return fmt.Errorf("revert %s of %s: %w", o.Fix, t.where.Place(), err)
	}
	return nil
}

func (t *target) revert(ctx context.Context, o remediations.Order) error {
	c, err := t.control(o)
	if err != nil {
		return err
	}
	seen := t.lookBounded(ctx, o, c, t.instances)
	mine := pick(seen, ours)
	if len(mine) == 0 && len(pick(seen, theirs)) > 0 {
		return fmt.Errorf("%w: %s", remediations.ErrNotOurs, presence(seen).Detail)
	}
	errs := []error{problems(seen)}
	if len(mine) > 0 {
		sending, cancel := bounded(ctx, o)
		defer cancel()
		y := t.send(sending, o, c.revert, o.Action+":revert", mine)
		after := t.lookBounded(ctx, o, c, mine)
		errs = append(errs, problems(after))
		if still := pick(after, ours); len(still) > 0 {
			errs = append(errs, fmt.Errorf("it stands still on %d of %d instances: %w", len(still), len(mine), errors.Join(y.errs...)))
		}
	}
	return errors.Join(errs...)
}

// Adjust renews the change where it is ours, with o.Released and o.Until.
func (t *target) Adjust(ctx context.Context, o remediations.Order, r remediations.Receipt) (remediations.Receipt, error) {
	adjusted, err := t.adjust(ctx, o)
	if err != nil {
		return r, fmt.Errorf("adjust %s of %s: %w", o.Fix, t.where.Place(), err)
	}
	return adjusted, nil
}

func (t *target) adjust(ctx context.Context, o remediations.Order) (remediations.Receipt, error) {
	c, err := t.control(o)
	if err != nil {
		return remediations.Receipt{}, err
	}
	if c.adjust == nil {
		return remediations.Receipt{}, ErrCannotAdjust
	}
	seen := t.lookBounded(ctx, o, c, t.instances)
	mine := pick(seen, ours)
	if len(mine) == 0 {
		if err := problems(seen); err != nil {
			return remediations.Receipt{}, err
		}
		return remediations.Receipt{}, fmt.Errorf("%w: %s", remediations.ErrNotOurs, presence(seen).Detail)
	}
	if _, err := t.valid(o); err != nil {
		return remediations.Receipt{}, err
	}
	if err := inTime(o); err != nil {
		return remediations.Receipt{}, err
	}
	ctx, cancel := bounded(ctx, o)
	defer cancel()
	ctx, stop := context.WithDeadline(ctx, o.Deadline)
	defer stop()
	key := o.Action + ":adjust:" + strconv.Itoa(o.Released) + ":" + strconv.FormatInt(o.Until.Unix(), 10)
	y := t.send(ctx, o, *c.adjust, key, mine)
	return remediations.Receipt{Until: o.Until, Note: y.note()}, y.err()
}

// control is the control of the order's fix.
func (t *target) control(o remediations.Order) (control, error) {
	c, known := t.controls[o.Fix]
	if !known || o.Place() != t.where.Place() {
		return control{}, fmt.Errorf("%w: no control for %s of %s", remediations.ErrRefused, o.Fix, o.Place())
	}
	return c, nil
}

// valid says what is wrong with an order before anything is sent.
func (t *target) valid(o remediations.Order) (control, error) {
	c, err := t.control(o)
	if err != nil {
		return c, err
	}
	switch now := time.Now(); {
	case o.Action == "":
		err = errors.New("no action")
	case o.TTL.D() <= 0:
		err = fmt.Errorf("ttl %s is not positive", o.TTL)
	case o.Limit.D() > bounds.Longest(o.Fix) || o.TTL.D() > bounds.Longest(o.Fix):
		err = fmt.Errorf("%s may stand for %s, not for ttl %s, limit %s", o.Fix, bounds.Longest(o.Fix), o.TTL, o.Limit)
	case o.Released < 0 || o.Released > 100:
		err = fmt.Errorf("released %d is not a percentage", o.Released)
	case !now.Before(o.Until):
		err = fmt.Errorf("until %s has passed", o.Until.Format(time.RFC3339))
	}
	if err != nil {
		return c, fmt.Errorf("%w: %w", remediations.ErrRefused, err)
	}
	return c, nil
}

// inTime says that the order may still be carried out.
func inTime(o remediations.Order) error {
	if !time.Now().Before(o.Deadline) {
		return fmt.Errorf("%w: deadline %s has passed", remediations.ErrRefused, o.Deadline.Format(time.RFC3339))
	}
	return nil
}

// bounded gives one round of requests its own timeout.
func bounded(ctx context.Context, o remediations.Order) (context.Context, context.CancelFunc) {
	if o.Timeout.D() <= 0 {
		return context.WithTimeout(ctx, defaultTimeout)
	}
	return context.WithTimeout(ctx, o.Timeout.D())
}

func (t *target) lookBounded(ctx context.Context, o remediations.Order, c control, at []instance) []sight {
	ctx, cancel := bounded(ctx, o)
	defer cancel()
	return t.look(ctx, o, c, at)
}
