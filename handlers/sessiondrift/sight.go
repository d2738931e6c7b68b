package sessiondrift

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/internal/sessions"
)

type look = think.Look[Observation]

// sight is one look, made ready to be judged.
type sight struct {
	at   time.Time
	seen Observation
	// trouble is why nothing may be touched by what this look says; "" if there is nothing of the kind. why says it in words.
	trouble Cause
	why     string
}

// sightOf finds what stands in the way of touching anything. The order of the troubles is that of the rules: who does not know who is there
// can say nothing else, and a partition looks like everything that follows it.
func (h *Handler) sightOf(s store, l look) sight {
	v := sight{at: l.At, seen: l.Seen}
	for _, trouble := range []func(Observation) (Cause, string){
		unreadable, noQuorum, h.partition, h.clock, s.otherTTL, h.tooMany,
	} {
		if cause, why := trouble(l.Seen); cause != "" {
			v.trouble, v.why = cause, why
			break
		}
	}
	return v
}

// unreadable is for a store that does not say who is there. The membership is checked again: what decides does not rely on who looked.
func unreadable(o Observation) (Cause, string) {
	switch {
	case o.Problem != "":
		return CauseStoreUnreadable, "the store could not be looked at: " + o.Problem
	case o.Members.Problem != "":
		return CauseStoreUnreadable, "the store does not say who is there: " + o.Members.Problem
	}
	if err := o.Members.Check(); err != nil {
		return CauseStoreUnreadable, "what the store says of its members cannot be: " + err.Error()
	}
	return "", ""
}

func noQuorum(o Observation) (Cause, string) {
	m := o.Members
	switch {
	case m.Quorum:
		return "", ""
	case len(m.Members) == 0:
		return CauseNoQuorum, "no node is registered, so nobody can say that an owner is gone"
	}
	return CauseNoQuorum, words("%d of %d registered nodes are alive, and they are no majority that agrees on epoch %d: this may be the small side of a partition",
		len(inState(o, sessions.Alive)), len(m.Members), m.Epoch)
}

// partition is for every sign that nodes do not hear each other: an alert that says so; a member that is silent to the store and not to
// another node; several that were lost at once; one that is alive and that nobody hears while others are heard.
func (h *Handler) partition(o Observation) (Cause, string) {
	if len(o.Around.Partition) > 0 {
		return CausePartition, "these alerts fire, and mean that nodes do not hear each other: " + list(o.Around.Partition)
	}
	for _, m := range o.Members.Members {
		if m.State != sessions.Alive && len(m.Vouched) > 0 {
			return CausePartition, words("%s has no lease, and %s still hears from it: it lives behind a partition", m.Name, list(m.Vouched))
		}
	}
	if names := h.lostTogether(o); len(names) > 1 && !deploying(o) {
		return CausePartition, words("%s were lost within %s of each other: several at once is a partition before it is several deaths",
			list(names), h.thresholds.Stable)
	}
	heard := speakers(o)
	for _, m := range o.Members.Members {
		if len(heard) > 0 && m.State == sessions.Alive && len(m.Vouched) == 0 && len(o.Members.Members) > 1 &&
			o.Members.At.Sub(m.Since) > 2*o.Members.TTL.Duration() && !slices.Equal(heard, []string{m.Name}) {
			return CausePartition, words("%s reaches the store, and no other node hears from it, while others hear each other", m.Name)
		}
	}
	return "", ""
}

// lostTogether are members without a lease that lost it within a short time of another one.
func (h *Handler) lostTogether(o Observation) []string {
	var names []string
	for i, a := range o.Members.Members {
		for j, b := range o.Members.Members {
			if i != j && a.State != sessions.Alive && b.State != sessions.Alive && a.Since.Sub(b.Since).Abs() <= h.thresholds.Stable.D() {
				names = append(names, a.Name)
				break
			}
		}
	}
	return names
}

// clock is for a store whose clock is not ours, or that says that something happened in the future. How leases end is told by that clock.
func (h *Handler) clock(o Observation) (Cause, string) {
	skew := h.thresholds.ClockSkew.D()
	if c := o.Clock; c.Within > 0 && math.Abs(c.Offset)-c.Within > skew.Seconds() || !finite(c.Offset) || !finite(c.Within) || c.Within < 0 {
		return CauseClock, words("the store's clock is %s from ours (measured within %s, and %s is too much): leases may seem to be over, or not to be",
			seconds(c.Offset), seconds(c.Within), h.thresholds.ClockSkew)
	}
	m := o.Members
	if ahead := m.StableSince.Sub(m.At); ahead > skew {
		return CauseClock, words("the membership is stable since %s from now, by the store's own clock", span(ahead))
	}
	for _, member := range m.Members {
		if ahead := member.Since.Sub(m.At); ahead > skew {
			return CauseClock, words("%s is %s since %s from now, by the store's own clock", member.Name, member.State, span(ahead))
		}
	}
	return "", ""
}

// otherTTL is for a store whose leases are shorter than the policy says: it would call a session an orphan too early.
func (s store) otherTTL(o Observation) (Cause, string) {
	if is, said := o.Members.TTL.Duration(), s.ttl(); said > 0 && is < said {
		return CauseUndecided, words("the store says that leases last %s, and the policy says %s: it would give sessions up too early", is, said)
	}
	return "", ""
}

// deploying says that the application is known to be rolled out: then several nodes are away at once, and their sessions with them. Nothing is
// changed while that is so, but nobody has to be called for it either.
func deploying(o Observation) bool { return o.Around.Deploying != nil && *o.Around.Deploying }

// tooMany is for so many overdue sessions that they are no orphans. All that are overdue count, whoever owns them.
func (h *Handler) tooMany(o Observation) (Cause, string) {
	n := o.Orphans
	if n.Problem != "" || deploying(o) {
		return "", ""
	}
	if overdue := max(n.Expired, n.Count); overdue > 0 && 100*float64(overdue) > h.thresholds.OrphanPercent*float64(n.Read) {
		return CauseTooMany, words("%d of %d sessions are overdue, more than %g %%: that is a partition, a clock or a deploy before it is so many orphans",
			overdue, n.Read, h.thresholds.OrphanPercent)
	}
	if before := o.Around.OrphansBefore; before != nil && float64(n.Count) > h.jumpLimit(*before) {
		return CauseTooMany, words("there are %d orphans, and there were %.0f some minutes ago: more than %g times as many (fewer than %d count as such) "+
			"are a partition, a clock or a deploy",
			n.Count, *before, h.thresholds.OrphanJump, smallJump)
	}
	return "", ""
}

// jumpLimit is how many orphans there may be when there were so many some minutes ago. A number that cannot be is none.
func (h *Handler) jumpLimit(before float64) float64 {
	if !finite(before) || before < smallJump {
		before = smallJump
	}
	return h.thresholds.OrphanJump * before
}

// inState are the members in a state, by name.
func inState(o Observation, s sessions.State) []string {
	var names []string
	for _, m := range o.Members.Members {
		if m.State == s {
			names = append(names, m.Name)
		}
	}
	return names
}

// speakers are the nodes that say of at least one other that they hear from it, each once, sorted.
func speakers(o Observation) []string {
	var names []string
	for _, m := range o.Members.Members {
		names = append(names, m.Vouched...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// follows says whether a replica's link is there: those that are not are named by the store's own word for it.
func follows(r sessions.Replica) bool { return r.State != "down" && r.State != "unreachable" }

// strays says that a replica is none any more, or follows another stream: it may have been written to.
func strays(r sessions.Replica) bool {
	return r.State == "not a replica" || strings.Contains(r.State, "another history")
}

// recent are the last looks without a long pause or a step back in time between them, oldest first.
func (h *Handler) recent(all []sight) []sight {
	start := len(all)
	for start > 0 {
		if start < len(all) {
			if gap := all[start].at.Sub(all[start-1].at); gap < 0 || gap > h.maxGap() {
				break
			}
		}
		start--
	}
	return all[start:]
}
