package sessions

import (
	"context"
	"fmt"
	"slices"
	"time"

	store "github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/remediations"
)

// sight is what a store holds of the sessions that are meant.
type sight struct {
	membership store.Membership
	live       map[store.Key]store.Session
	// copies counts the live ones of an id.
	copies map[string]int
}

const (
	// idsAtOnce is how many ids are asked for at once: some stores get them in an address, which may not be too long.
	idsAtOnce = 50
	// mostPages bounds the pages that a store answers with. Sessions that were named have few copies.
	mostPages = 20
)

// membership reads who is there. What contradicts itself is not believed.
func (t target) membership(ctx context.Context) (store.Membership, error) {
	m, err := t.Store.Membership(ctx)
	if err == nil {
		err = m.Check()
	}
	if err != nil {
		return m, fmt.Errorf("read the membership: %w", err)
	}
	return m, nil
}

// read reads the live copies of sessions. Those that cannot be read as sessions count as not there: they are never touched.
func (t target) live(ctx context.Context, keys []store.Key) (sight, error) {
	s := sight{live: map[store.Key]store.Session{}, copies: map[string]int{}}
	var ids []string
	for _, key := range keys {
		if !slices.Contains(ids, key.ID) {
			ids = append(ids, key.ID)
		}
	}
	for some := range slices.Chunk(ids, idsAtOnce) {
		q := store.Query{IDs: some}
		for page := 0; ; page++ {
			if page == mostPages {
				return s, fmt.Errorf("read %d sessions: it did not end after %d pages", len(some), mostPages)
			}
			found, err := t.Store.List(ctx, q)
			if err != nil {
				return s, fmt.Errorf("read %d sessions: %w", len(some), err)
			}
			s.add(found.Sessions, some)
			if q.Cursor = found.Next; q.Cursor == "" {
				break
			}
		}
	}
	return s, nil
}

// add takes what was asked for.
func (s sight) add(list []store.Session, ids []string) {
	for _, one := range list {
		if _, twice := s.live[one.Key]; twice || one.Quarantined != nil || !slices.Contains(ids, one.ID) {
			continue
		}
		s.live[one.Key] = one
		s.copies[one.ID]++
	}
}

// same says whether a session is there as it was seen.
func (s sight) same(seen store.Session) bool {
	now, there := s.live[seen.Key]
	return there && now.Same(seen)
}

// orphans counts those that are there as they were seen, and are orphans.
func (s sight) orphans(list []store.Session) int {
	n := 0
	for _, seen := range list {
		if s.same(seen) && store.Orphan(seen, s.membership) {
			n++
		}
	}
	return n
}

// all says whether copies of a session are all that there are, as they were seen.
func (s sight) all(copies []store.Session) bool {
	return s.copies[copies[0].ID] == len(copies) && !slices.ContainsFunc(copies, func(c store.Session) bool { return !s.same(c) })
}

// check looks whether there is something to do, and whether it may be done.
func (t target) check(ctx context.Context, w work) (remediations.Presence, error) {
	m, err := t.membership(ctx)
	if err != nil {
		return remediations.Presence{}, err
	}
	p := remediations.Presence{State: remediations.Unknown, Clock: m.At}
	if p.Detail = t.unfit(m, w); p.Detail != "" {
		return p, nil
	}
	var keys []store.Key
	most := 0
	for _, part := range w.parts {
		keys, most = append(keys, part.keys()...), most+part.most()
	}
	s, err := t.live(ctx, keys)
	if err != nil {
		return remediations.Presence{}, err
	}
	s.membership = m
	left := 0
	for _, part := range w.parts {
		left += part.left(s)
	}
	p.State = remediations.Absent
	if left == 0 {
		p.State = remediations.Satisfied
	}
	p.Detail = fmt.Sprintf("%d of %d are there as the plan saw them", left, most)
	return p, nil
}

// unfit says why nothing may be done with this membership, "" if it may.
func (t target) unfit(m store.Membership, w work) string {
	stood := m.At.Sub(m.StableSince)
	switch {
	case m.Epoch != w.epoch:
		return fmt.Sprintf("the membership is of epoch %d, and the plan's is %d", m.Epoch, w.epoch)
	case !m.Quorum:
		return "the membership has no quorum: this may be the small side of a partition"
	case w.orphans && m.StableSince.IsZero():
		return "the store does not say since when its membership is stable"
	case w.orphans && stood < t.Stable:
		return fmt.Sprintf("the membership changed %s ago, and must be stable for %s", stood.Round(time.Second), t.Stable)
	case w.to != "" && m.Is(w.to) != store.Alive:
		return fmt.Sprintf("%s, who is to get the sessions, is %s", w.to, m.Is(w.to))
	}
	return ""
}
