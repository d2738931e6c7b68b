package probe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/sessiondrift"
	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// maxMembers is how many members a store may have; the stores that we reach ourselves have the same bound.
const maxMembers = 256

// readSessions reads who is there, and what they have, into four parts of an observation.
func (p *Prober) readSessions(ctx context.Context, s store, into *sessiondrift.Observation) {
	ctx, cancel := within(ctx, p.limits.scan)
	defer cancel()
	var w watch
	found := found{problem: "the sessions were not read, as the membership is not known"}
	into.Members = p.readMembers(ctx, s, &w)
	if into.Members.Problem == "" {
		found = p.scan(ctx, s, &w)
	}
	into.Orphans, into.Copies, into.Clock = found.orphans(into.Members.Membership), found.copies(), w.clock()
}

// readMembers reads the membership, and believes none that contradicts itself or the policy.
func (p *Prober) readMembers(ctx context.Context, s store, w *watch) sessiondrift.Members {
	ctx, cancel := within(ctx, p.limits.members)
	defer cancel()
	start := time.Now()
	m, err := s.Membership(ctx)
	w.saw(start, m.At)
	if err == nil {
		err = m.Check()
	}
	switch {
	case err != nil:
	case len(m.Members) > maxMembers:
		err = fmt.Errorf("there are %d members, at most %d", len(m.Members), maxMembers)
	case m.TTL.Duration() != s.ttl:
		err = fmt.Errorf("the store says that leases last %s, and the policy %s", m.TTL.Duration(), s.ttl)
	case !recordable(m):
		err = errors.New("the membership names voters that no membership could have")
	}
	if err != nil {
		return sessiondrift.Members{Problem: why(ctx, err)}
	}
	return sessiondrift.Members{Membership: m}
}

// recordable says whether those who vouch are names, and not more than there are members.
func recordable(m sessions.Membership) bool {
	for _, member := range m.Members {
		long := func(name string) bool { return cut(name, maxName) != name }
		if len(member.Vouched) > len(m.Members) || slices.ContainsFunc(member.Vouched, long) {
			return false
		}
	}
	return true
}

// watch compares a store's clock with ours: of all answers that told the time, the one that took least.
type watch struct {
	offset, within time.Duration
	seen           bool
}

// saw takes the time of an answer to what was asked at start.
func (w *watch) saw(start, theirs time.Time) {
	took := time.Since(start)
	if half := took / 2; !theirs.IsZero() && (!w.seen || half < w.within) {
		*w = watch{offset: theirs.Sub(start.Add(half)), within: max(half, time.Microsecond), seen: true}
	}
}

func (w *watch) clock() sessiondrift.Clock {
	return sessiondrift.Clock{Offset: w.offset.Seconds(), Within: w.within.Seconds()}
}

// found is what a scan of the live sessions came upon: each key once, in the order of ids and copies.
type found struct {
	list       []sessions.Session
	unreadable int
	// complete says that these are all. Otherwise time or bounds ended it, or the problem did.
	complete bool
	problem  string
}
