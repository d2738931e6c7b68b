package move

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/sessions/redis"
)

// Check is one thing that must hold before a move is begun.
type Check struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	// Words say what was found.
	Words string `json:"words"`
}

// Config is a move that is asked for.
type Config struct {
	// To is the replica that becomes the primary.
	To string
	// Within is how long the server may hold writes up while it waits for the replica, default 5s, at most [LongestHold].
	Within time.Duration
	// Patience is how much longer the roles may take to be exchanged, default 10s.
	Patience time.Duration
	// MostLag and MostBehind are how far behind the replica may be, in time and bytes, default 2s and 1 MiB.
	MostLag    time.Duration
	MostBehind uint64
	// MostSessions bounds the work and the memory, default [MostSessions].
	MostSessions int
	// Keep is called with the snapshot before the move; an error ends it there. Nil: nobody keeps it.
	Keep func(Snapshot) error
}

// LongestHold bounds how long writes may be held up.
const LongestHold = 30 * time.Second

func (c Config) withDefaults() (Config, error) {
	if c.Within == 0 {
		c.Within = 5 * time.Second
	}
	if c.Patience == 0 {
		c.Patience = 10 * time.Second
	}
	if c.MostLag == 0 {
		c.MostLag = 2 * time.Second
	}
	if c.MostBehind == 0 {
		c.MostBehind = 1 << 20
	}
	if c.MostSessions == 0 {
		c.MostSessions = MostSessions
	}
	if c.To == "" || c.Within < time.Millisecond || c.Within > LongestHold || c.Patience < 0 || c.MostLag < 0 || c.MostSessions < 0 {
		return c, fmt.Errorf("%w: move to %q within %s: a replica has a name, and writes may be held up for at most %s", sessions.ErrRequest,
			c.To, c.Within, LongestHold)
	}
	return c, nil
}

// plan is what was found before a move.
type plan struct {
	checks []Check
	from   redis.Seat
	to     redis.Seat
	heir   redis.Heir
	before Snapshot
	sides  Sides
}

func (p *plan) check(name string, ok bool, format string, args ...any) bool {
	p.checks = append(p.checks, Check{Name: name, OK: ok, Words: fmt.Sprintf(format, args...)})
	return ok
}

// ok says whether everything that was checked holds.
func (p *plan) ok() bool {
	return len(p.checks) > 0 && !slices.ContainsFunc(p.checks, func(c Check) bool { return !c.OK })
}

// look makes all checks up to the first one after which the others say nothing. It changes nothing. What cannot be read is a no.
func look(ctx context.Context, s *redis.Store, c Config) *plan {
	p := &plan{}
	if !p.roles(ctx, s, c) || !p.fit(ctx, s, c) || !p.near(ctx, s, c) {
		return p
	}
	var err error
	p.before, p.sides, err = Both(ctx, s, c.To, c.MostSessions)
	switch {
	case err != nil:
		p.check("same", false, "the two could not be compared: %v", err)
	case !p.sides.OK():
		p.check("same", false, "of %d sessions some are not the same: %v, the first: %s", p.sides.Sessions, p.sides.Count, p.sides.Named[0])
	default:
		p.check("same", true, "both hold the same %d sessions with the same contents, on cut %d; %d were on their way and read again", p.sides.Sessions,
			p.sides.Cut.Position, p.sides.Again)
	}
	return p
}

// roles looks whether the one is the primary, and the other follows it.
func (p *plan) roles(ctx context.Context, s *redis.Store, c Config) bool {
	var err error
	if p.from, err = s.Seat(ctx, sessions.Primary); err != nil {
		return p.check("primary", false, "it cannot be read: %v", err)
	}
	if !p.check("primary", p.from.Primary && p.from.Failover == redis.NoFailover, "%s: primary %t, failover %q", p.from.Addr, p.from.Primary,
		p.from.Failover) {
		return false
	}
	if _, err := s.Facing(ctx); err != nil { // a third server may say so too
		return p.check("one", false, "%v", err)
	}
	if p.to, err = s.Seat(ctx, c.To); err != nil {
		return p.check("replica", false, "it cannot be read: %v", err)
	}
	follows := !p.to.Primary && p.to.Linked && p.to.Cut.History == p.from.Cut.History && p.to.Addr != p.from.Addr
	return p.check("replica", follows, "%s: follows %s, linked %t, same history %t", p.to.Addr, p.to.Follows, p.to.Linked,
		p.to.Cut.History == p.from.Cut.History)
}

// fit looks whether the replica may be a primary, and whether nobody else decides about that.
func (p *plan) fit(ctx context.Context, s *redis.Store, c Config) bool {
	var err error
	if p.heir, err = s.Heir(ctx, c.To); err != nil {
		return p.check("fit", false, "%v", err)
	}
	h := p.heir
	listed := p.check("listed", h.State == "online", "the primary lists it as %s:%s, %s", h.Host, h.Port, h.State)
	alone := p.check("alone", h.Mode == "standalone" && h.Sentinels == 0,
		"mode %s, watched by %d Sentinels; where a cluster or Sentinels decide, the move is theirs", h.Mode, h.Sentinels)
	memory := p.check("memory", h.Limit == 0 || h.Used < h.Limit/10*9,
		"the replica uses %d of %d bytes (0 is no limit); near its limit it would throw sessions away as a primary", h.Used, h.Limit)
	return listed && alone && memory
}

// near looks how far behind it is.
func (p *plan) near(ctx context.Context, s *redis.Store, c Config) bool {
	r, err := s.Replication(ctx)
	if err != nil {
		return p.check("lag", false, "it cannot be read: %v", err)
	}
	for _, one := range r.Replicas {
		if one.Name == c.To {
			near := one.Known && one.LagUnits <= c.MostBehind && one.LagSeconds <= c.MostLag.Seconds()
			return p.check("lag", near, "known %t, %d bytes and at most %.0f s behind, %s", one.Known, one.LagUnits, one.LagSeconds, one.State)
		}
	}
	return p.check("lag", false, "the store does not say how far %s is", c.To)
}
