package pgbouncer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/firebreak-sre/firebreak/internal/pgbouncer"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/pgbouncer/bounds"
)

// grow is grow_pool of one database.
type grow struct {
	bounds.Grow
	console *pgbouncer.Console
	// key is set to raised, from base.
	key          pgbouncer.Key
	base, raised int
}

func newGrow(p Pooler, raw json.RawMessage) (fix, error) {
	params, err := bounds.ReadGrow(raw)
	if err != nil {
		return nil, err
	}
	g := &grow{Grow: params, console: p.Console, key: pgbouncer.DefaultPoolSize, base: params.From, raised: params.To}
	if params.Means == bounds.MeansReserve {
		g.key, g.base, g.raised = pgbouncer.ReservePoolSize, 0, params.To-params.From
	}
	return g, nil
}

// growth is a pooler as it was seen, and what that means for the order.
type growth struct {
	state     remediations.State
	effective bool // the database follows the setting
	words     string
}

// read says whose value stands; see the package's documentation.
func (g *grow) read(s pgbouncer.Sight, d pgbouncer.Database, o remediations.Order) (growth, error) {
	set, err := s.Settings.Int(string(g.key))
	if err != nil {
		return growth{}, err
	}
	has, sized := d.PoolSize, true
	if g.key == pgbouncer.ReservePoolSize {
		has, sized = d.Reserve, d.PoolSize == g.From
	}
	seen := growth{state: remediations.Foreign, effective: set == has}
	switch {
	case !sized:
	case set == g.base && has == g.base:
		seen.state = remediations.Absent
	case set == g.raised && (has == g.raised || has == g.base) && o.Seen.State == remediations.Absent:
		seen.state = remediations.Ours
	}
	seen.words = fmt.Sprintf("%s is %d; database %s has pool_size %d and reserve %d", g.key, set, g.Database, d.PoolSize, d.Reserve)
	switch {
	case seen.state == remediations.Ours && !seen.effective:
		seen.words += ": it has its own, and our change is without effect"
	case seen.state == remediations.Foreign && set == g.base && sized:
		seen.words += ": it has its own"
	case seen.state == remediations.Foreign:
		seen.words += fmt.Sprintf(", not %d and %d as planned: somebody else set that", g.From, g.base)
	}
	return seen, nil
}

func (g *grow) check(ctx context.Context, o remediations.Order) (remediations.Presence, error) {
	s, d, err := look(ctx, o, g.console, g.Database)
	if err != nil {
		return remediations.Presence{}, err
	}
	seen, err := g.read(s, d, o)
	return remediations.Presence{State: seen.state, Detail: seen.words}, err
}

func (g *grow) apply(ctx context.Context, o remediations.Order) (remediations.Receipt, error) {
	pools, err := g.pools(ctx, o)
	if err != nil {
		return remediations.Receipt{}, fmt.Errorf("%w: nothing was sent: %w", remediations.ErrRefused, err)
	}
	var already growth
	after, d, err := change(ctx, o, g.console, pgbouncer.Set(g.key, g.raised), g.Database, func(s pgbouncer.Sight, d pgbouncer.Database) error {
		seen, err := g.read(s, d, o)
		switch {
		case err != nil:
			return err
		case seen.state == remediations.Ours && seen.effective:
			already = seen
			return errAlready
		case seen.state != remediations.Absent:
			return errors.New("it changed since it was seen: " + seen.words)
		}
		if err := g.fits(s, d, pools); err != nil {
			return err
		}
		return inTime(o)
	})
	if errors.Is(err, errAlready) {
		return remediations.Receipt{Until: o.Until, Note: already.words + "; it was so already"}, nil
	}
	if err != nil {
		return remediations.Receipt{}, proven(err)
	}
	return g.judge(ctx, o, after, d)
}

// judge says by what was read back what became of our SET.
func (g *grow) judge(ctx context.Context, o remediations.Order, after pgbouncer.Sight, d pgbouncer.Database) (remediations.Receipt, error) {
	seen, err := g.read(after, d, o)
	switch {
	case err != nil:
		return remediations.Receipt{}, fmt.Errorf("in doubt: %w", err)
	case seen.state != remediations.Ours:
		return remediations.Receipt{}, errors.New("in doubt: right after the command " + seen.words)
	case !seen.effective:
		if err := g.revert(context.WithoutCancel(ctx), o); err != nil {
			return remediations.Receipt{}, fmt.Errorf("in doubt, and it could not be taken back: %s: %w", seen.words, err)
		}
		return remediations.Receipt{}, errors.New("in doubt, and it was taken back at once: " + seen.words)
	}
	before, err := kept(map[string]int{string(g.key): g.base})
	return remediations.Receipt{Until: o.Until, Before: before, Note: seen.words}, err
}

// pools are those that exist.
func (g *grow) pools(ctx context.Context, o remediations.Order) ([]pgbouncer.Pool, error) {
	ctx, cancel := bounded(ctx, o)
	defer cancel()
	return g.console.Pools(ctx)
}

// fits says that the change can have an effect, and that with it all pools together stay below the ceiling.
func (g *grow) fits(s pgbouncer.Sight, d pgbouncer.Database, pools []pgbouncer.Pool) error {
	if d.MaxConnections > 0 && d.MaxConnections < g.To {
		return fmt.Errorf("max_db_connections keeps database %s at %d sessions, so that %d would have no effect", d.Name, d.MaxConnections, g.To)
	}
	if g.key == pgbouncer.ReservePoolSize {
		switch wait, err := s.Settings.Int("reserve_pool_timeout"); {
		case err != nil:
			return err
		case wait <= 0:
			return errors.New("reserve_pool_timeout is 0, so that a reserve is never used")
		}
	}
	count := map[string]int{d.Name: 0}
	for _, p := range pools {
		count[p.Database]++
	}
	count[d.Name] = max(count[d.Name], 1)
	total := 0
	for name, n := range count {
		other, listed := s.Find(name)
		if !listed {
			return fmt.Errorf("database %.80q has a pool, and is not in SHOW DATABASES", name)
		}
		may := n * g.after(other)
		if other.MaxConnections > 0 {
			may = min(may, other.MaxConnections)
		}
		total += may
	}
	if total > g.Usable {
		return fmt.Errorf("all pools together might take %d sessions, and %d are usable", total, g.Usable)
	}
	return nil
}

// after is how many sessions a pool of a database may have after our change. Where it cannot be told whether a database has a size of its own,
// because that would be the same, it counts as one that grows.
func (g *grow) after(d pgbouncer.Database) int {
	switch {
	case g.key == pgbouncer.DefaultPoolSize && d.PoolSize == g.base:
		return g.raised + d.Reserve
	case g.key == pgbouncer.ReservePoolSize && d.Reserve == g.base:
		return d.PoolSize + g.raised
	}
	return d.PoolSize + d.Reserve
}

// revert sets the value back if ours still stands.
func (g *grow) revert(ctx context.Context, o remediations.Order) error {
	after, d, err := change(ctx, o, g.console, pgbouncer.Set(g.key, g.base), g.Database, func(s pgbouncer.Sight, d pgbouncer.Database) error {
		seen, err := g.read(s, d, o)
		switch {
		case err != nil:
			return err
		case seen.state == remediations.Absent:
			return errAlready
		case seen.state != remediations.Ours:
			return fmt.Errorf("%w: %s", remediations.ErrNotOurs, seen.words)
		}
		return nil
	})
	switch {
	case errors.Is(err, errAlready):
		return nil
	case err != nil:
		return err
	}
	seen, err := g.read(after, d, o)
	if err == nil && seen.state == remediations.Ours {
		err = errors.New("it stands still: " + seen.words)
	}
	return err // it is as before, or somebody else has changed it since, which is theirs
}
