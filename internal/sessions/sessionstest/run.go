package sessionstest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// Options are how the suite runs.
type Options struct {
	// Bench makes the sessions. Required.
	Bench Bench
	// Within bounds one check, default 30s.
	Within time.Duration
	// Only names the checks to run, default all.
	Only []string
}

// check is a promise, and how it is tried.
type check struct {
	name, promise string
	// acts says that it needs a quorum.
	acts bool
	try  func(context.Context, *trial) error
}

// checks are all of them, in the order in which they run.
func checks() []check {
	all := []check{
		{"reads", "the membership, the list, the cut and the replication can be read, and fit together", false, reads},
		{"listed", "a session is listed as it was made, its lease by the store's clock", false, listed},
		{"unread", "a node that there is not, and a position that is not reached, are refused by name", false, unread},
	}
	all = append(all, quarantineChecks()...)
	all = append(all, restoreChecks()...)
	all = append(all, reconcileChecks()...)
	return append(all, otherChecks()...)
}

// Run tries a store. It never panics on what a store answers, and always returns a report.
func Run(ctx context.Context, store sessions.Store, o Options) Report {
	if o.Within <= 0 {
		o.Within = 30 * time.Second
	}
	t := &trial{store: store, bench: o.Bench, run: strings.ToLower(rand.Text()[:8]), made: map[sessions.Key]bool{}}
	report := Report{Run: t.run}
	for _, c := range checks() {
		if len(o.Only) > 0 && !slices.Contains(o.Only, c.name) {
			continue
		}
		report.Checks = append(report.Checks, t.runOne(ctx, c, o.Within))
	}
	// Whatever became of the run, it cleans up after itself.
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.Within)
	defer cancel()
	report.Left = t.clean(after)
	return report
}

func (t *trial) runOne(ctx context.Context, c check, within time.Duration) Check {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	result := Check{Name: c.name, Promise: c.promise, Result: Passed}
	err := t.fit(ctx, c)
	if err == nil {
		err = c.try(ctx, t)
	}
	switch {
	case errors.Is(err, errSkip):
		result.Result, result.Words = Skipped, err.Error()
	case err != nil:
		result.Result, result.Words = Failed, err.Error()
	}
	return result
}

// fit skips what needs a quorum where there is none.
func (t *trial) fit(ctx context.Context, c check) error {
	m, err := t.store.Membership(ctx)
	if err != nil {
		return fmt.Errorf("read the membership: %w", err)
	}
	if c.acts && !m.Quorum {
		return fmt.Errorf("%w: the membership has no quorum, so nothing may be changed", errSkip)
	}
	return nil
}

// trial is one run.
type trial struct {
	store sessions.Store
	bench Bench
	run   string
	made  map[sessions.Key]bool
	// number makes ids and actions of this run different from each other.
	number int
}

// owner is a name that no node may have.
const owner = Prefix + "owner"

func (t *trial) name(what string) string {
	t.number++
	return fmt.Sprintf("%s%s-%d-%s", Prefix, t.run, t.number, what)
}

// key is the key of a new session.
func (t *trial) key() sessions.Key { return sessions.Key{ID: t.name("s")} }

// orphan is a session that is one, a day after its lease ended.
func (t *trial) orphan(m sessions.Membership) Made {
	return Made{Key: t.key(), Owner: owner, Epoch: m.Epoch, Version: sessions.Counter(3), Priority: sessions.Normal,
		LeaseIn: -(2*m.TTL.Duration() + 24*time.Hour).Seconds(), Contents: map[string]string{"cart": "3 apples", "text": "ä\x00\r\n\"'"}}
}

// make writes a session and gives it as it is listed.
func (t *trial) make(ctx context.Context, m Made) (sessions.Session, error) {
	t.made[m.Key] = true
	if err := t.bench.Make(ctx, m); err != nil {
		return sessions.Session{}, fmt.Errorf("make %s: %w", m.Key, err)
	}
	s, found, err := t.find(ctx, m.Key, false)
	if err == nil && !found {
		err = fmt.Errorf("%s was made and is not listed", m.Key)
	}
	return s, err
}

// makeOrphan makes a session that is one.
func (t *trial) makeOrphan(ctx context.Context) (sessions.Session, Made, sessions.Membership, error) {
	m, err := t.store.Membership(ctx)
	if err != nil {
		return sessions.Session{}, Made{}, m, err
	}
	made := t.orphan(m)
	s, err := t.make(ctx, made)
	if err == nil && !sessions.Orphan(s, m) {
		err = fmt.Errorf("%s is no orphan by what was read: %+v in %+v", s.Key, s, m)
	}
	return s, made, m, err
}

// find reads one session.
func (t *trial) find(ctx context.Context, key sessions.Key, quarantined bool) (sessions.Session, bool, error) {
	page, err := t.store.List(ctx, sessions.Query{IDs: []string{key.ID}, Quarantined: quarantined})
	if err != nil {
		return sessions.Session{}, false, fmt.Errorf("list %s: %w", key, err)
	}
	for _, s := range page.Sessions {
		if s.Key == key {
			return s, true, nil
		}
	}
	return sessions.Session{}, false, nil
}

// order is an order that may be carried out, by the store's own clock.
func (t *trial) order(ctx context.Context, limit int) (sessions.Order, error) {
	m, err := t.store.Membership(ctx)
	if err != nil {
		return sessions.Order{}, fmt.Errorf("read the membership: %w", err)
	}
	t.number++
	action := fmt.Sprintf("trial-%s-%d", t.run, t.number)
	return sessions.Order{Action: action, Epoch: m.Epoch, Max: limit, Deadline: m.At.Add(time.Minute)}, nil
}

// quarantine orders a quarantine of sessions as they were seen.
func (t *trial) quarantine(ctx context.Context, list ...sessions.Session) (sessions.Quarantine, sessions.Answer, error) {
	o, err := t.order(ctx, len(list))
	if err != nil {
		return sessions.Quarantine{}, sessions.Answer{}, err
	}
	q := sessions.Quarantine{Order: o, Sessions: list}
	a, err := t.store.Quarantine(ctx, q)
	return q, a, err
}

// restore orders a restore.
func (t *trial) restore(ctx context.Context, undo string) (sessions.Answer, error) {
	o, err := t.order(ctx, sessions.MostAtOnce)
	if err != nil {
		return sessions.Answer{}, err
	}
	return t.store.Restore(ctx, sessions.Restore{Order: o, Undo: undo})
}

// live wants a session to be live, with its contents as they were made and nothing of it changed.
func (t *trial) live(ctx context.Context, made Made, want sessions.Session) error {
	contents, ok, err := t.bench.Contents(ctx, made.Key)
	if err != nil {
		return fmt.Errorf("read contents of %s: %w", made.Key, err)
	}
	if !ok || !maps.Equal(contents, made.Contents) {
		return fmt.Errorf("%s is live: %t, with contents %q, want %q", made.Key, ok, contents, made.Contents)
	}
	s, found, err := t.find(ctx, made.Key, false)
	if err != nil {
		return err
	}
	if !found || !s.Same(want) {
		return fmt.Errorf("%s is listed: %t, as %+v, want %+v", made.Key, found, s, want)
	}
	return nil
}

// away wants a session to be quarantined by an action, and out of sight.
func (t *trial) away(ctx context.Context, key sessions.Key, by string) error {
	if _, ok, err := t.bench.Contents(ctx, key); err != nil || ok {
		return fmt.Errorf("%s is live: %t, %w", key, ok, orNone(err))
	}
	if _, found, err := t.find(ctx, key, false); err != nil || found {
		return fmt.Errorf("%s is still listed as live: %t, %w", key, found, orNone(err))
	}
	s, found, err := t.find(ctx, key, true)
	if err != nil {
		return err
	}
	if !found || s.Quarantined == nil || s.Quarantined.Action != by {
		return fmt.Errorf("%s is listed as quarantined: %t, by %+v, want by %s", key, found, s.Quarantined, by)
	}
	return nil
}

// want wants an outcome.
func want(a sessions.Answer, key sessions.Key, o sessions.Outcome) error {
	if got := a.Of(key); got != o {
		return fmt.Errorf("%s: the answer says %q, want %q (%+v)", key, got, o, a)
	}
	return nil
}

// refused wants a refusal by name.
func refused(err, refusal error) error {
	if !errors.Is(err, refusal) {
		return fmt.Errorf("got %w, want it refused as %q", orNone(err), sessions.Code(refusal))
	}
	return nil
}

// clean removes everything that was made.
func (t *trial) clean(ctx context.Context) []string {
	var left []string
	for key := range t.made {
		if err := t.bench.Remove(ctx, key); err != nil {
			left = append(left, key.String())
		}
	}
	return left
}
