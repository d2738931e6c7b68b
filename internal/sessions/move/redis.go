package move

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/sessions/redis"
)

// Report is what became of a move.
type Report struct {
	// From and To are the addresses of the two servers.
	From   string  `json:"from"`
	To     string  `json:"to"`
	Checks []Check `json:"checks"`
	// Moved says that the roles are exchanged.
	Moved bool `json:"moved"`
	// Held is from the request until the replica was seen as the primary: writes were held up for less.
	Held sessions.Seconds `json:"held_seconds,omitempty"`
	// Followed is from the request until the old primary followed the new one with everything.
	Followed sessions.Seconds `json:"followed_seconds,omitempty"`
	// Checked is how long everything before the request took, Compared everything after it.
	Checked  sessions.Seconds `json:"checked_seconds,omitempty"`
	Compared sessions.Seconds `json:"compared_seconds,omitempty"`
	// Before is the comparison of both servers before, After the one after with the roles exchanged, Sessions that of the snapshot.
	Before   *Sides      `json:"before,omitempty"`
	After    *Sides      `json:"after,omitempty"`
	Sessions *Comparison `json:"sessions,omitempty"`
	// Notes are what a person should do besides.
	Notes []string `json:"notes,omitempty"`
}

// OK says whether everything was moved, and nothing was lost.
func (r Report) OK() bool {
	return r.Moved && r.After != nil && r.After.OK() && r.Sessions != nil && r.Sessions.OK()
}

// Plan makes all checks and changes nothing.
func Plan(ctx context.Context, s *redis.Store, c Config) (Report, error) {
	_, r, err := prepare(ctx, s, c)
	return r, err
}

func prepare(ctx context.Context, s *redis.Store, c Config) (*plan, Report, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, Report{}, err
	}
	began := time.Now()
	p := look(ctx, s, c)
	r := Report{From: p.from.Addr, To: p.to.Addr, Checks: p.checks, Checked: sessions.Seconds(time.Since(began))}
	if !p.before.At.IsZero() {
		r.Before = &p.sides
	}
	if !p.ok() {
		last := p.checks[len(p.checks)-1]
		for _, check := range p.checks {
			if !check.OK {
				last = check
				break
			}
		}
		return nil, r, fmt.Errorf("%w: %s: %s", ErrUnfit, last.Name, last.Words)
	}
	return p, r, nil
}

// Redis moves the role of the primary to a replica. The store is one whose primary is the present one (see redis.Store.Facing). The error
// says in which state the servers are, the report what was seen on the way; there is a report with every error.
func Redis(ctx context.Context, s *redis.Store, c Config) (Report, error) {
	p, r, err := prepare(ctx, s, c)
	if err != nil {
		return r, err
	}
	c, err = c.withDefaults()
	if err != nil {
		return r, err
	}
	if c.Keep != nil {
		if err := c.Keep(p.before); err != nil {
			return r, fmt.Errorf("%w: keep the snapshot: %w", ErrUnfit, err)
		}
	}
	if err := ctx.Err(); err != nil {
		return r, fmt.Errorf("%w: %w", ErrUnfit, context.Cause(ctx))
	}
	began := time.Now()
	asked := s.Failover(ctx, p.heir, c.Within)
	if errors.Is(asked, sessions.ErrRefused) {
		return r, fmt.Errorf("%w: %w", ErrUnfit, asked)
	}
	// A request whose answer is lost may have arrived, or may yet: what came of it is read from the servers.
	if err := (pair{s, c.To}).settle(ctx, c.Within, c.Patience); err != nil {
		if asked != nil {
			err = fmt.Errorf("%w (the request may still be on its way: %w)", err, asked)
		}
		return r, err
	}
	r.Moved, r.Held = true, sessions.Seconds(time.Since(began))
	r.Notes = append(r.Notes, fmt.Sprintf("the policy names %s as the primary: name %s there now, and in every program that uses the sessions", r.From, r.To))
	if err := r.after(ctx, s, p, c, began); err != nil {
		return r, fmt.Errorf("%w: %w", ErrNotWhole, err)
	}
	if !r.OK() {
		return r, fmt.Errorf("%w: %v of the snapshot, %v between the two", ErrNotWhole, r.Sessions.Count, r.After.Count)
	}
	return r, nil
}

// after waits until the old primary follows, and compares.
func (r *Report) after(ctx context.Context, s *redis.Store, p *plan, c Config, began time.Time) error {
	turned, err := s.Facing(ctx)
	if err != nil {
		return err
	}
	now := pair{turned, r.From}
	last, over := now.await(ctx, began.Add(c.Within+c.Patience), func(s seats) bool {
		return s.oldErr == nil && s.heirErr == nil && s.old.Primary && s.heir.Linked && s.heir.Cut.History == s.old.Cut.History
	})
	if !over {
		return fmt.Errorf("the old primary does not follow the new one yet: %s", last)
	}
	r.Followed = sessions.Seconds(time.Since(began))
	compared := time.Now()
	after, sides, err := Both(ctx, turned, r.From, 2*c.MostSessions)
	if err != nil {
		return err
	}
	sessionsNow, err := Compare(ctx, turned, p.before, after)
	if err != nil {
		return err
	}
	r.After, r.Sessions, r.Compared = &sides, &sessionsNow, sessions.Seconds(time.Since(compared))
	return r.chained(ctx, turned)
}

// chained notes replicas that follow the new primary only through the old one.
func (r *Report) chained(ctx context.Context, turned *redis.Store) error {
	all, err := turned.Replication(ctx)
	if err != nil {
		return err
	}
	for _, one := range all.Replicas {
		if one.Name == r.From {
			continue
		}
		seat, err := turned.Seat(ctx, one.Name)
		if err != nil || seat.Primary {
			continue
		}
		if _, err := turned.Heir(ctx, one.Name); err != nil {
			r.Notes = append(r.Notes, fmt.Sprintf("%s follows %s, and the new primary does not list it: it has everything through that server. "+
				"REPLICAOF makes it follow directly", one.Name, seat.Follows))
		}
	}
	return nil
}
