package probe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/poolexhaustion"
)

const (
	// blockersEvery is how often a server may be asked who blocks whom: each time it stops all its locking for a moment.
	blockersEvery = 5 * time.Second
	// blockersPatience is how long a look waits for its turn to ask. A look that is a little early would find out nothing otherwise.
	blockersPatience = time.Second
	// maxBlockersStatement is how long asking may take.
	maxBlockersStatement = time.Second
	// maxQuery is how much of a statement is kept, in characters, without its literals.
	maxQuery = 300
)

// untilTurn is how long it is until a server may be asked again that was asked last, zero or less for now. Zero is never asked before.
func untilTurn(last, now time.Time) time.Duration {
	if last.IsZero() {
		return 0
	}
	return blockersEvery - now.Sub(last)
}

// turns remembers when each server was asked last who blocks whom, and who it was.
type turns struct {
	mu    sync.Mutex           // guards the fields below
	last  map[string]time.Time // when a server was asked
	roots map[string][]int     // the pids that it named
}

func newTurns() *turns { return &turns{last: map[string]time.Time{}, roots: map[string][]int{}} }

// found remembers who blocks others at a server; nobody is remembered too.
func (t *turns) found(place string, roots []int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.roots[place] = roots
}

// named are the pids that a server named last.
func (t *turns) named(place string) []int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.roots[place])
}

// take takes the turn, if it has come.
func (t *turns) take(place string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if untilTurn(t.last[place], now) > 0 {
		return false
	}
	t.last[place] = now
	return true
}

// await waits for the turn to come if that is soon, and the look has time enough for it.
func (t *turns) await(ctx context.Context, place string) {
	t.mu.Lock()
	left := untilTurn(t.last[place], time.Now())
	t.mu.Unlock()
	if deadline, ok := ctx.Deadline(); left <= 0 || left > blockersPatience || ok && time.Until(deadline) < 2*left {
		return
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// findBlockers finds the roots of all chains of waiting. What cannot be found is said in the server; the rest of the look goes on.
//
// The sessions were read before: a blocker that has begun another transaction since is shown with its old one, and ending it by
// that finds nobody.
func (r *serverReader) findBlockers(ctx context.Context, s *poolexhaustion.Server) {
	if !r.asked.take(r.place, time.Now()) {
		s.BlockersProblem = fmt.Sprintf("left out: this server was asked less than %s ago", blockersEvery)
		return
	}
	part, err := r.tx.Begin(ctx) // a savepoint: what fails in it does not spoil the rest
	if err == nil {
		s.Blockers, err = ask[poolexhaustion.Blocker](ctx, part, maxBlockersStatement, blockersSQL(s.Version))
		err = errors.Join(err, part.Rollback(ctx)) // gives the bound of the statement back too
	}
	if err != nil {
		s.Blockers = nil
		s.BlockersProblem = printable(fmt.Sprintf("find who blocks whom: %v", err))
	}
}

// roots are the pids of the sessions that others wait for. Where the server may not be asked again yet they are those that it named last: one of
// them that runs a statement would not be among the sessions of this look otherwise, and no two looks would show that it is still the same.
func (r *serverReader) roots(s *poolexhaustion.Server) []int {
	if s.BlockersProblem != "" {
		return r.asked.named(r.place)
	}
	roots := make([]int, 0, len(s.Blockers))
	for _, b := range s.Blockers {
		roots = append(roots, b.PID)
	}
	r.asked.found(r.place, slices.Clone(roots))
	return roots
}

// blockersSQL finds the roots with all that wait behind them, at any distance; pg_blocking_pids by itself gives the next in the chain only. A
// worker of a parallel query waits for its leader, where the version tells which that is. In a circle nobody is a root:
// deadlock_timeout ends those.
func blockersSQL(version int) string {
	waiter := "a.pid"
	if version >= 130000 {
		waiter = "coalesce(a.leader_pid, a.pid)"
	}
	return `WITH RECURSIVE edge AS MATERIALIZED (
  SELECT DISTINCT ` + waiter + ` AS pid, b.pid AS blocker FROM pg_stat_activity a
  CROSS JOIN LATERAL unnest(pg_blocking_pids(a.pid)) AS b (pid) WHERE a.wait_event_type = 'Lock'),
chain AS (
  SELECT pid, blocker AS root FROM edge
  UNION SELECT chain.pid, edge.blocker FROM chain JOIN edge ON edge.pid = chain.root)
SELECT root AS pid, count(DISTINCT pid) AS victims FROM chain
WHERE root NOT IN (SELECT pid FROM edge)
GROUP BY root ORDER BY victims DESC, root LIMIT ` + mostSQL
}

// progressViews are the views of maintenance that a version has, and what each names its command by.
func progressViews(version int) [][2]string {
	views := [][2]string{{"vacuum", "'VACUUM'"}, {"cluster", "command"}, {"create_index", "command"}}
	if version >= 130000 {
		views = append(views, [2]string{"analyze", "'ANALYZE'"}, [2]string{"basebackup", "'BASE_BACKUP'"})
	}
	if version >= 140000 {
		views = append(views, [2]string{"copy", "command"})
	}
	return views
}

// sessionsSQL reads the sessions that are idle in a transaction, and those of $1, which are the first to be kept. A role that cannot be found
// counts as a superuser that replicates: nobody may end what nobody knows. The statement is cut to what masking needs.
func sessionsSQL(version int) string {
	var working []string
	for _, v := range progressViews(version) {
		working = append(working, "SELECT pid, coalesce("+v[1]+", '"+v[0]+"') AS command FROM pg_stat_progress_"+v[0])
	}
	return `WITH working AS MATERIALIZED (
  ` + strings.Join(working, "\n  UNION ALL ") + `),
kept AS MATERIALIZED (
  SELECT a.* FROM pg_stat_activity a
  WHERE a.pid <> pg_backend_pid()
    AND (a.pid = ANY ($1::int[]) OR a.backend_type = 'client backend' AND a.state LIKE 'idle in transaction%')
  ORDER BY a.pid = ANY ($1::int[]) DESC, a.xact_start NULLS LAST, a.pid LIMIT ` + mostSQL + `)
SELECT a.pid,
  coalesce(a.backend_start AT TIME ZONE 'UTC', '0001-01-01') AS backend_start,
  coalesce(a.xact_start AT TIME ZONE 'UTC', '0001-01-01') AS xact_start,
  coalesce(a.usename::text, '') AS "user",
  coalesce(a.datname::text, '') AS database,
  coalesce(a.application_name, '') AS application_name,
  coalesce(host(a.client_addr), '') AS client_addr,
  coalesce(a.backend_type, '') AS backend_type,
  coalesce(a.state, '') AS state,
  coalesce(a.wait_event_type, '') AS wait_event_type,
  coalesce(a.wait_event, '') AS wait_event,
  coalesce(extract(epoch FROM clock_timestamp() - a.xact_start), 0)::float8 AS xact_age,
  coalesce(extract(epoch FROM clock_timestamp() - a.state_change), 0)::float8 AS state_age,
  coalesce(r.rolsuper, true) AS superuser,
  coalesce(r.rolreplication, true) AS replication,
  coalesce((SELECT string_agg(DISTINCT w.command, ', ') FROM working w WHERE w.pid = a.pid), '') AS progress,
  left(coalesce(a.query, ''), 4000) AS query
FROM kept a LEFT JOIN pg_roles r ON r.oid = a.usesysid
ORDER BY a.xact_start NULLS LAST, a.pid`
}
