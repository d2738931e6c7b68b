package probe

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/sessiondrift"
	"github.com/firebreak-sre/firebreak/internal/sessions"
)

const (
	// maxOldest is how many orphans are told one by one, maxOwners how many owners.
	maxOldest = 200
	maxOwners = 50
)

// scan reads the live sessions page by page, until all are read, enough are, or the time is over.
func (p *Prober) scan(ctx context.Context, s store, w *watch) found {
	var f found
	for q, seen := (sessions.Query{}), map[string]bool{}; ; {
		start := time.Now()
		page, err := s.List(ctx, q)
		if err == nil && page.Next != "" && seen[page.Next] {
			err = errors.New("list sessions: the pages never end")
		}
		if err != nil {
			if isOver(ctx) && q.Cursor != "" {
				return f.sorted() // what was read is told, as not complete
			}
			return found{problem: why(ctx, err)}
		}
		w.saw(start, page.At)
		f.unreadable += page.Unreadable
		for _, one := range page.Sessions {
			if one.Quarantined != nil || one.Check() != nil {
				f.unreadable++ // no live session, whatever the store says
				continue
			}
			f.list = append(f.list, one)
		}
		if page.Next == "" {
			f.complete = true
			return f.sorted()
		}
		if len(f.list) >= p.limits.scanned || isOver(ctx) {
			return f.sorted()
		}
		q.Cursor, seen[page.Next] = page.Next, true
	}
}

// sorted puts the sessions in order. One that came twice, as it was written meanwhile, is kept as it was last.
func (f found) sorted() found {
	slices.SortStableFunc(f.list, func(a, b sessions.Session) int { return byName(a.Key, b.Key) })
	slices.Reverse(f.list)
	f.list = slices.CompactFunc(f.list, func(a, b sessions.Session) bool { return a.Key == b.Key })
	slices.Reverse(f.list)
	return f
}

func byName(a, b sessions.Key) int {
	return cmp.Or(strings.Compare(a.ID, b.ID), strings.Compare(a.Copy, b.Copy))
}

// orphans judges what was found by a membership.
func (f found) orphans(m sessions.Membership) sessiondrift.Orphans {
	if f.problem != "" {
		return sessiondrift.Orphans{Problem: f.problem}
	}
	o := sessiondrift.Orphans{Read: len(f.list), Complete: f.complete, Unreadable: f.unreadable, ByPriority: map[sessions.Priority]int{}}
	owners := map[string]int{}
	var list []sessions.Session
	for _, s := range f.list {
		if m.At.Sub(s.LeaseUntil) > 2*m.TTL.Duration() {
			o.Expired++
			owners[s.Owner]++
		}
		if sessions.Orphan(s, m) {
			o.ByPriority[s.Priority]++
			list = append(list, s)
		}
	}
	o.Count, o.Owners, o.ByOwner = len(list), len(owners), most(owners)
	slices.SortFunc(list, func(a, b sessions.Session) int {
		return cmp.Or(a.LeaseUntil.Compare(b.LeaseUntil), byName(a.Key, b.Key))
	})
	space := recorded
	for _, s := range list[:min(len(list), maxOldest)] {
		if !space.take(s) {
			break
		}
		o.Oldest = append(o.Oldest, s)
	}
	return o
}

// most are the owners with the most sessions, then those first by name.
func most(owners map[string]int) map[string]int {
	names := slices.SortedFunc(maps.Keys(owners), func(a, b string) int {
		return cmp.Or(cmp.Compare(owners[b], owners[a]), strings.Compare(a, b))
	})
	kept := map[string]int{}
	for _, name := range names[:min(len(names), maxOwners)] {
		kept[name] = owners[name]
	}
	return kept
}
