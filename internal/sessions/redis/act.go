package redis

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

//go:embed prelude.lua
var prelude string

//go:embed quarantine.lua
var quarantineBody string

//go:embed reconcile.lua
var reconcileBody string

//go:embed recover.lua
var recoverBody string

//go:embed restore.lua
var restoreBody string

//go:embed sync.lua
var syncBody string

// scripts are the orders, each with what all have in common.
type scripts struct{ quarantine, reconcile, recover, restore, sync *goredis.Script }

func loadScripts() scripts {
	load := func(body string) *goredis.Script { return goredis.NewScript(prelude + "\n" + body) }
	return scripts{load(quarantineBody), load(reconcileBody), load(recoverBody), load(restoreBody), load(syncBody)}
}

// run carries an order out by its script.
func (s *Store) run(ctx context.Context, c goredis.Scripter, script *goredis.Script, kind string, o sessions.Order, whole any,
	more []any) (sessions.Answer, error) {
	print, err := sessions.Print(kind, whole)
	if err != nil {
		return sessions.Answer{}, err
	}
	args := append([]any{s.config.Prefix, o.Action, print, o.Deadline.UnixMilli(), o.Epoch, kind, s.config.TTL.Milliseconds(),
		sessions.QuarantineFor.Milliseconds(), sessions.RememberFor.Milliseconds()}, more...)
	words, err := script.Run(ctx, c, nil, args...).StringSlice()
	if err != nil {
		return sessions.Answer{}, fmt.Errorf("%s: %w", kind, refusal(err))
	}
	if len(words) == 2 && words[0] == "refused" {
		if known := sessions.Refusal(words[1]); known != nil {
			return sessions.Answer{}, fmt.Errorf("%s: %w", kind, known)
		}
	}
	if len(words) != 4 || words[0] != "done" {
		return sessions.Answer{}, fmt.Errorf("%s: redis answers %q", kind, words)
	}
	a, err := readAnswer(o.Action, words[1], words[2], words[3])
	if err != nil {
		return sessions.Answer{}, fmt.Errorf("%s: %w", kind, err)
	}
	return a, nil
}

// refusal tells what Redis refuses at the first write of a script, or before, from what a script may have done. What may be refused in the
// middle of one, as by NOPERM, stays in doubt.
func refusal(err error) error {
	var said goredis.Error
	if !errors.As(err, &said) {
		return err
	}
	for _, word := range []string{"READONLY", "LOADING", "MASTERDOWN", "NOREPLICAS", "MISCONF", "OOM", "NOAUTH", "BUSY"} {
		if strings.HasPrefix(said.Error(), word+" ") || strings.HasPrefix(said.Error(), "-"+word+" ") {
			return fmt.Errorf("%w: %w", sessions.ErrBusy, err)
		}
	}
	return err
}

// readAnswer reads what a script keeps of an answer: a line for each session, "outcome key".
func readAnswer(action, at, until, lines string) (sessions.Answer, error) {
	a := sessions.Answer{Action: action, Items: []sessions.Item{}}
	var err error
	if a.At, err = moment(at); err != nil {
		return a, err
	}
	if until != "" {
		if a.Until, err = moment(until); err != nil {
			return a, err
		}
	}
	for line := range strings.SplitSeq(lines, "\n") {
		outcome, name, _ := strings.Cut(line, " ")
		key, ok := parseKey(name)
		if !ok {
			return a, fmt.Errorf("read the answer: line %q", line)
		}
		a.Items = append(a.Items, sessions.Item{Key: key, Outcome: sessions.Outcome(outcome)})
	}
	return a, nil
}

// seen is a session as a script compares it.
func seen(s sessions.Session) []any {
	return []any{s.Key.String(), s.Owner, strconv.FormatUint(s.Epoch, 10), s.Version.String(), strconv.FormatInt(s.LeaseUntil.UnixMilli(), 10),
		string(s.Priority)}
}

// limit is how many may be taken: the order's bound, or the store's.
func (s *Store) limit(ctx context.Context, o sessions.Order) (int, error) {
	total, err := s.count(ctx)
	return min(o.Max, sessions.Bound(total)), err
}

// Quarantine takes orphans out of sight.
func (s *Store) Quarantine(ctx context.Context, q sessions.Quarantine) (sessions.Answer, error) {
	if err := q.Check(); err != nil {
		return sessions.Answer{}, err
	}
	limit, err := s.limit(ctx, q.Order)
	if err != nil {
		return sessions.Answer{}, notSent(err)
	}
	args := []any{limit}
	for _, one := range q.Sessions {
		args = append(args, seen(one)...)
	}
	return s.run(ctx, s.primary, s.scripts.quarantine, "quarantine", q.Order, q, args)
}

// notSent is what went wrong before an order was sent.
func notSent(err error) error { return fmt.Errorf("%w: %w", sessions.ErrBusy, err) }

// Reconcile takes away copies that another one dominates. What dominates is judged here, on versions that the script then finds unchanged.
func (s *Store) Reconcile(ctx context.Context, r sessions.Reconcile) (sessions.Answer, error) {
	if err := r.Check(); err != nil {
		return sessions.Answer{}, err
	}
	limit, err := s.limit(ctx, r.Order)
	if err != nil {
		return sessions.Answer{}, notSent(err)
	}
	args := []any{limit}
	for _, copies := range sessions.ByID(r.Sessions) {
		plan := sessions.Resolve(copies)
		for _, one := range copies {
			outcome := plan[one.Key]
			if outcome == sessions.Conflict && r.SetAside {
				outcome = sessions.Done
			}
			args = append(append(args, seen(one)...), one.ID, string(outcome))
		}
	}
	return s.run(ctx, s.primary, s.scripts.reconcile, "reconcile", r.Order, r, args)
}

// Recover gives orphans to a member.
func (s *Store) Recover(ctx context.Context, r sessions.Recover) (sessions.Answer, error) {
	if err := r.Check(); err != nil {
		return sessions.Answer{}, err
	}
	args := []any{r.To}
	for _, one := range r.Sessions {
		args = append(append(args, seen(one)...), one.Version.Next(r.To).String())
	}
	return s.run(ctx, s.primary, s.scripts.recover, "recover", r.Order, r, args)
}

// Restore gives back what an action took.
func (s *Store) Restore(ctx context.Context, r sessions.Restore) (sessions.Answer, error) {
	if err := r.Check(); err != nil {
		return sessions.Answer{}, err
	}
	return s.run(ctx, s.primary, s.scripts.restore, "restore", r.Order, r, []any{r.Undo, r.Max})
}

// Sync writes sessions over themselves, waits, and reads how far each replica is.
func (s *Store) Sync(ctx context.Context, o sessions.Sync) (sessions.Synced, error) {
	if err := o.Check(); err != nil {
		return sessions.Synced{}, err
	}
	var args []any
	for _, id := range o.IDs {
		args = append(args, id)
	}
	conn := s.primary.Conn() // WAIT is about what its own connection wrote
	defer conn.Close()
	a, err := s.run(ctx, conn, s.scripts.sync, "sync", o.Order, o, args)
	if err != nil {
		return sessions.Synced{}, err
	}
	result := sessions.Synced{Answer: a, Replicas: []sessions.Acked{}}
	if result.Cut, err = s.keepCut(ctx, o.Action); err != nil {
		return sessions.Synced{}, err
	}
	ends := time.Now().Add(o.Within.Duration())
	if n := len(s.replicas); n > 0 && o.Within.Duration() >= time.Millisecond {
		// How many it says does not count. Each replica is asked.
		if err := conn.Wait(ctx, n, o.Within.Duration()).Err(); err != nil {
			return sessions.Synced{}, fmt.Errorf("wait for the replicas: %w", err)
		}
	}
	for _, r := range s.config.Replicas {
		at, err := reach(ctx, s.replicas[r.Name], result.Cut, max(time.Until(ends), 0))
		acked := sessions.Acked{Name: r.Name, Position: at.Position, Has: err == nil}
		if at.History != result.Cut.History {
			acked.Position = 0 // a number of another stream says nothing
		}
		result.Replicas = append(result.Replicas, acked)
	}
	result.Finish()
	return result, nil
}

// keepCut keeps the position that the replicas are to reach with the action, so that it stays the same. Whoever is first says it.
func (s *Store) keepCut(ctx context.Context, action string) (sessions.Cut, error) {
	cut, err := s.Cut(ctx)
	if err != nil {
		return cut, err
	}
	key := s.recordKey(action)
	if err := s.primary.HSetNX(ctx, key, "cut", cut.History+" "+strconv.FormatUint(cut.Position, 10)).Err(); err != nil {
		return cut, fmt.Errorf("keep the position: %w", err) // no refusal: the sessions were sent already
	}
	text, err := s.primary.HGet(ctx, key, "cut").Result()
	if err != nil {
		return cut, fmt.Errorf("read the position: %w", err)
	}
	history, position, _ := strings.Cut(text, " ")
	n, err := number(position)
	return sessions.Cut{History: history, Position: n}, err
}
