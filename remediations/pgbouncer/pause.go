package pgbouncer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/internal/pgbouncer"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/pgbouncer/bounds"
	"github.com/firebreak-sre/firebreak/remediations/pgbouncer/deadman"
)

const (
	// presumedFor is how long after its time a pause is presumed ours while the dead-man does not answer.
	presumedFor = time.Minute
	// shortestPause is what must at least be left for the PAUSE itself.
	shortestPause = 200 * time.Millisecond
	// tidyWithin bounds what is done at the dead-man's when all is over.
	tidyWithin = 2 * time.Second
)

// pause is pause of one database.
type pause struct {
	bounds.Pause
	pooler Pooler
}

func newPause(p Pooler, raw json.RawMessage) (fix, error) {
	params, err := bounds.ReadPause(raw)
	if err != nil {
		return nil, err
	}
	return &pause{Pause: params, pooler: p}, nil
}

// read says whose pause stands; see the package's documentation.
func (p *pause) read(ctx context.Context, d pgbouncer.Database, o remediations.Order) (remediations.Presence, error) {
	switch {
	case d.Disabled:
		return remediations.Presence{State: remediations.Foreign, Detail: "database " + d.Name + " is disabled by somebody"}, nil
	case !d.Paused:
		return remediations.Presence{State: remediations.Absent, Detail: "database " + d.Name + " is not paused"}, nil
	case p.pooler.Deadman == nil:
		return remediations.Presence{State: remediations.Foreign, Detail: "database " + d.Name + " is paused, and not by us, who have no dead-man"}, nil
	}
	armed, some, err := p.pooler.Deadman.State(ctx)
	switch {
	case err != nil && o.Seen.State == remediations.Absent && time.Now().Before(o.Until.Add(presumedFor)):
		return remediations.Presence{State: remediations.Ours,
			Detail: fmt.Sprintf("database %s is paused, presumed by us: the dead-man does not say: %v", d.Name, err)}, nil
	case err != nil:
		return remediations.Presence{}, fmt.Errorf("database %s is paused, and by whom cannot be asked: %w", d.Name, err)
	case some && armed.Action == o.Action && armed.Database == d.Name:
		return remediations.Presence{State: remediations.Ours, Until: armed.Until, Detail: fmt.Sprintf("database %s is paused by us for %s more",
			d.Name, armed.Left.Round(time.Millisecond))}, nil
	}
	return remediations.Presence{State: remediations.Foreign, Detail: "database " + d.Name + " is paused, and not by this action"}, nil
}

func (p *pause) check(ctx context.Context, o remediations.Order) (remediations.Presence, error) {
	_, d, err := look(ctx, o, p.pooler.Console, p.Database)
	if err != nil {
		return remediations.Presence{}, err
	}
	return p.read(ctx, d, o)
}

func (p *pause) apply(ctx context.Context, o remediations.Order) (remediations.Receipt, error) {
	span, already, err := p.span(ctx, o)
	switch {
	case err != nil:
		return remediations.Receipt{}, fmt.Errorf("%w: nothing was sent: %w", remediations.ErrRefused, err)
	case already != "":
		return remediations.Receipt{Until: o.Until, Note: already + "; it was so already"}, nil
	}
	armed, err := p.pooler.Deadman.Arm(ctx, o.Action, p.Database, span)
	if err != nil {
		p.disarm(ctx, o) // it may be armed, and only its answer be lost
		return remediations.Receipt{}, fmt.Errorf("%w: no dead-man is armed, and nothing was sent: %w", remediations.ErrRefused, err)
	}
	return p.send(ctx, o, armed)
}

// span is for how long the database may be paused, or in words that it is, by us.
func (p *pause) span(ctx context.Context, o remediations.Order) (time.Duration, string, error) {
	if p.pooler.Deadman == nil {
		return 0, "", errors.New("there is no dead-man beside this pooler")
	}
	s, d, err := look(ctx, o, p.pooler.Console, p.Database)
	if err != nil {
		return 0, "", err
	}
	seen, err := p.read(ctx, d, o)
	switch {
	case err != nil:
		return 0, "", err
	case seen.State == remediations.Ours && !seen.Until.IsZero():
		return 0, seen.Detail, nil
	case seen.State != remediations.Absent:
		return 0, "", errors.New("it changed since it was seen: " + seen.Detail)
	}
	wait, err := s.Settings.Int("query_wait_timeout")
	if err != nil {
		return 0, "", err
	}
	if quarter := time.Duration(wait) * time.Second / 4; wait > 0 && o.TTL.D() > quarter {
		return 0, "", fmt.Errorf("waiting clients are sent away after %ds, so it may be paused for %s, not %s", wait, quarter, o.TTL)
	}
	return min(o.TTL.D(), time.Until(o.Until)), "", nil
}

// send pauses what is armed. The PAUSE has half of the time: what is left of it afterwards is what the pause is for.
func (p *pause) send(ctx context.Context, o remediations.Order, armed deadman.Armed) (remediations.Receipt, error) {
	bound := min(o.Timeout.D(), armed.Left/2)
	if o.Timeout.D() <= 0 {
		bound = min(defaultTimeout, armed.Left/2)
	}
	if bound < shortestPause {
		p.disarm(ctx, o)
		return remediations.Receipt{}, fmt.Errorf("%w: only %s are left for it", remediations.ErrRefused, armed.Left)
	}
	within := o
	within.Timeout = policy.Duration(bound)
	_, d, err := change(ctx, within, p.pooler.Console, pgbouncer.Pause(p.Database), p.Database, func(_ pgbouncer.Sight, d pgbouncer.Database) error {
		if d.Paused || d.Disabled {
			return fmt.Errorf("database %s was paused or disabled by somebody since it was seen", d.Name)
		}
		return inTime(o)
	})
	switch {
	case errors.Is(err, pgbouncer.ErrNotSent), errors.Is(err, pgbouncer.ErrSaid):
		p.disarm(ctx, o)
		return remediations.Receipt{}, proven(err)
	case err != nil:
		return remediations.Receipt{}, p.giveUp(ctx, o, err)
	case !d.Paused:
		p.disarm(ctx, o)
		return remediations.Receipt{}, fmt.Errorf("in doubt: right after it was paused database %s runs", d.Name)
	}
	// We may have been frozen on the way, and the dead-man may have died or be done: without it nothing stands.
	armed, some, err := p.pooler.Deadman.State(ctx)
	if err == nil && (!some || armed.Action != o.Action || armed.Database != p.Database || armed.Left <= 0) {
		err = errors.New("it is not armed any more")
	}
	if err != nil {
		return remediations.Receipt{}, p.giveUp(ctx, o, fmt.Errorf("after the PAUSE the dead-man does not hold it: %w", err))
	}
	before, err := kept(map[string]bool{"paused": false})
	return remediations.Receipt{Until: armed.Until, Before: before,
		Note: fmt.Sprintf("database %s is paused; it is resumed within %s whatever happens to us", d.Name, armed.Left.Round(time.Millisecond))}, err
}

// giveUp resumes at once what may be paused: a transaction is open, or the pooler does not answer. What cannot be resumed stays armed.
func (p *pause) giveUp(ctx context.Context, o remediations.Order, cause error) error {
	ctx = context.WithoutCancel(ctx)
	if err := p.putBack(ctx, o); err != nil {
		return fmt.Errorf("in doubt: it was not paused as it should (%w), and could not be resumed, which the dead-man does when its time is over: %w",
			cause, err)
	}
	return fmt.Errorf("in doubt: it was not paused as it should, and was resumed at once: %w", cause)
}

// putBack resumes, and reads back that it runs.
func (p *pause) putBack(ctx context.Context, o remediations.Order) error {
	_, d, err := change(ctx, o, p.pooler.Console, pgbouncer.Resume(p.Database), p.Database, func(_ pgbouncer.Sight, d pgbouncer.Database) error {
		if !d.Paused {
			return errAlready
		}
		return nil
	})
	switch {
	case errors.Is(err, errAlready), errors.Is(err, pgbouncer.ErrNotPaused):
	case err != nil:
		return err
	case d.Paused:
		return fmt.Errorf("right after it was resumed database %s is paused", d.Name)
	}
	p.disarm(ctx, o)
	return nil
}

// revert resumes what we have paused.
func (p *pause) revert(ctx context.Context, o remediations.Order) error {
	seen, err := p.check(ctx, o)
	switch {
	case err != nil:
		return err
	case seen.State == remediations.Absent:
		p.disarm(ctx, o)
		return nil
	case seen.State != remediations.Ours:
		return fmt.Errorf("%w: %s", remediations.ErrNotOurs, seen.Detail)
	}
	return p.putBack(ctx, o)
}

// disarm tells the dead-man that it is over. If that does not reach it, it finds a database that runs.
func (p *pause) disarm(ctx context.Context, o remediations.Order) {
	if p.pooler.Deadman == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyWithin)
	defer cancel()
	_ = p.pooler.Deadman.Disarm(ctx, o.Action)
}
