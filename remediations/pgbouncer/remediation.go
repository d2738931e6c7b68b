package pgbouncer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/internal/failpoint"
	"github.com/firebreak-sre/firebreak/internal/pgbouncer"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// mostClients is up to how many clients the pooler is asked for its clock, which makes it list them all.
const mostClients = 1000

// bounded gives one look or command its own timeout.
func bounded(ctx context.Context, o remediations.Order) (context.Context, context.CancelFunc) {
	if o.Timeout.D() <= 0 {
		return context.WithTimeout(ctx, defaultTimeout)
	}
	return context.WithTimeout(ctx, o.Timeout.D())
}

// look reads the pooler and the database of an order.
func look(ctx context.Context, o remediations.Order, c *pgbouncer.Console, database string) (pgbouncer.Sight, pgbouncer.Database, error) {
	ctx, cancel := bounded(ctx, o)
	defer cancel()
	s, err := c.Look(ctx)
	if err != nil {
		return s, pgbouncer.Database{}, err
	}
	d, listed := s.Find(database)
	if !listed {
		return s, d, fmt.Errorf("%w: %.80q is not in SHOW DATABASES", pgbouncer.ErrNoDatabase, database)
	}
	return s, d, nil
}

// change sends a command if the pooler is still as still wants it, and gives the database as it was read back.
func change(ctx context.Context, o remediations.Order, c *pgbouncer.Console, command pgbouncer.Command, database string,
	still func(pgbouncer.Sight, pgbouncer.Database) error) (pgbouncer.Sight, pgbouncer.Database, error) {
	ctx, cancel := bounded(ctx, o)
	defer cancel()
	after, err := c.Change(ctx, command, func(s pgbouncer.Sight) error {
		d, listed := s.Find(database)
		switch {
		case !listed:
			return fmt.Errorf("%w: %.80q is not in SHOW DATABASES", pgbouncer.ErrNoDatabase, database)
		case !s.Settings.Admin(c.User()):
			return pgbouncer.ErrAdminNeeded
		}
		if err := still(s, d); err != nil {
			return err
		}
		failpoint.Hit("pgbouncer:send")
		return nil
	})
	d, listed := after.Find(database)
	if err == nil && !listed {
		err = fmt.Errorf("database %.80q is not in SHOW DATABASES any more", database)
	}
	return after, d, err
}

// proven makes a refusal of what proves that nothing was changed, and leaves doubt as it is.
func proven(err error) error {
	switch {
	case errors.Is(err, remediations.ErrRefused):
		return err
	case errors.Is(err, pgbouncer.ErrNotSent), errors.Is(err, pgbouncer.ErrSaid):
		return fmt.Errorf("%w: %w", remediations.ErrRefused, err)
	}
	return fmt.Errorf("in doubt: %w", err)
}

// Check looks at the pooler of the order.
func (r *Poolers) Check(ctx context.Context, o remediations.Order) (remediations.Presence, error) {
	f, err := r.fix(o.Step)
	if err == nil {
		var p remediations.Presence
		if p, err = f.check(ctx, o); err == nil {
			return r.timed(ctx, o, p), nil
		}
	}
	return remediations.Presence{State: remediations.Unknown}, fmt.Errorf("check %s: %w", o.Place(), err)
}

// timed adds the pooler's clock where it can be had. Without it the look is as good.
func (r *Poolers) timed(ctx context.Context, o remediations.Order, p remediations.Presence) remediations.Presence {
	ctx, cancel := bounded(ctx, o)
	defer cancel()
	if clock, found, err := r.poolers[o.Place()].Console.Clock(ctx, mostClients); err == nil && found {
		p.Clock, p.ClockWithin = clock, policy.Duration(time.Second)
	}
	return p
}

// Apply makes the change if the pooler is still as it was seen.
func (r *Poolers) Apply(ctx context.Context, o remediations.Order) (remediations.Receipt, error) {
	f, err := r.fix(o.Step)
	if err == nil {
		err = valid(o, r.Bounds(o.Step))
	}
	var receipt remediations.Receipt
	if err == nil {
		inDeadline, cancel := context.WithDeadline(ctx, o.Deadline)
		defer cancel()
		receipt, err = f.apply(inDeadline, o)
	}
	if err != nil {
		return remediations.Receipt{}, fmt.Errorf("%s on %s: %w", o.Fix, o.Place(), err)
	}
	return receipt, nil
}

// Revert takes the change back if it is still ours.
func (r *Poolers) Revert(ctx context.Context, o remediations.Order, _ remediations.Receipt) error {
	f, err := r.fix(o.Step)
	if err == nil {
		err = f.revert(ctx, o)
	}
	if err != nil {
		return fmt.Errorf("take %s on %s back: %w", o.Fix, o.Place(), err)
	}
	return nil
}

// valid says what is wrong with an order before anything is sent.
func valid(o remediations.Order, b remediations.Bounds) error {
	var err error
	switch {
	case o.Action == "":
		err = errors.New("it has no action")
	case o.Once != b.Once:
		err = fmt.Errorf("once is %t, and the fix says %t", o.Once, b.Once)
	case o.TTL.D() <= 0:
		err = fmt.Errorf("ttl %s is not positive", o.TTL)
	case o.Limit.D() > b.MaxLimit || o.TTL.D() > b.MaxLimit:
		err = fmt.Errorf("it may stand for %s, not for ttl %s, limit %s", b.MaxLimit, o.TTL, o.Limit)
	case o.Released != 0:
		err = fmt.Errorf("it is made as a whole, not with %d %% released", o.Released)
	case !time.Now().Before(o.Until):
		err = fmt.Errorf("until %s has passed", o.Until.Format(time.RFC3339))
	case o.Seen.State != remediations.Absent:
		err = fmt.Errorf("it was seen %q, not absent", o.Seen.State)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", remediations.ErrRefused, err)
	}
	return inTime(o)
}

// inTime says that the order may still be carried out.
func inTime(o remediations.Order) error {
	if !time.Now().Before(o.Deadline) {
		return fmt.Errorf("%w: deadline %s has passed", remediations.ErrRefused, o.Deadline.Format(time.RFC3339))
	}
	return nil
}

// errAlready is why nothing was sent: it is so already.
var errAlready = errors.New("it is so already")

// kept is what a receipt keeps of how it was before.
func kept(v any) (json.RawMessage, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("in doubt: write down what it was before: %w", err)
	}
	return b, nil
}
