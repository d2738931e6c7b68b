package sessiondrift

import (
	"cmp"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// orphans is for sessions of owners that are gone. They are given to a living member if the policy allows that, which takes a person's
// consent; else the oldest are quarantined. Both only for those that every look that must agree saw as the same: a session that somebody
// touched is no orphan.
func (r deciding) orphans() (finding, bool) {
	last := r.newest().seen
	if last.Orphans.Problem != "" || last.Orphans.Count == 0 && len(last.Orphans.Oldest) == 0 {
		return finding{}, false
	}
	cause, fix := CauseOrphans, fixQuarantine
	if r.store.allows(fixRecover) {
		cause, fix = CauseRecoverable, fixRecover
	}
	if f, held := r.held(true, true); held {
		f.why = words("%s. Nothing is done about them: %s", r.orphansWords(), f.why)
		return f, true
	}
	if who := written(r.recently()); len(who) > 0 {
		return page(CausePartition, words("%s. Sessions of %s were written while it was given up: it lives behind a partition, or another one writes in its name. %s",
			r.orphansWords(), list(who), byHand(CausePartition))), true
	}
	same := r.sameOrphans()
	switch {
	case len(last.Orphans.Oldest) == 0:
		return wait(CauseUndecided, words("%d orphans are counted, and none is named", last.Orphans.Count)), true
	case !slices.ContainsFunc(last.Orphans.Oldest, func(s sessions.Session) bool { return s.Epoch > 0 }):
		return page(CauseNoEpoch, words("%s. None of them has an epoch, so that it is not known in which membership it was taken. A person must do it",
			r.orphansWords())), true
	case len(same) == 0:
		return wait(CauseUndecided, words("%s. None was the same orphan in each of the last %d looks: they have just come to be orphans, or are none",
			r.orphansWords(), len(r.samples()))), true
	}
	settled := r.settled(same)
	if len(settled) == 0 {
		return wait(cause, words("%s. All of them came to be orphans within the last minute, and more may come", r.orphansWords())), true
	}
	if fix == fixRecover {
		return r.recoverThem(settled), true
	}
	return r.quarantineThem(settled), true
}

func (r deciding) quarantineThem(settled []sessions.Session) finding {
	total := r.total()
	n := min(len(settled), r.store.maxSessions(), sessions.Bound(total))
	if n == 0 {
		return wait(CauseUndecided, words("%s, and the store counts no session at all", r.orphansWords()))
	}
	taken, oldest := settled[:n], "The oldest is"
	if n > 1 {
		oldest = words("The %d oldest are", n)
	}
	return act(CauseOrphans, fixQuarantine, quarantineParams{Epoch: r.epoch(), Total: total, Sessions: plain(taken)},
		words("%s. %s taken out of sight, which can be undone for %s: at most %d, and never more than 1 in 100 of all sessions. %s",
			r.orphansWords(), oldest, span(sessions.QuarantineFor), r.store.maxSessions(), r.partitionWords()))
}

func (r deciding) recoverThem(settled []sessions.Session) finding {
	to, why := r.heir()
	if why != "" {
		return page(CauseRecoverable, words("%s. They are given to nobody: %s", r.orphansWords(), why))
	}
	meant := slices.Clone(settled)
	rank := func(s sessions.Session) int { return slices.Index(sessions.Priorities(), s.Priority) }
	slices.SortStableFunc(meant, func(a, b sessions.Session) int { return cmp.Compare(rank(a), rank(b)) })
	meant = meant[:min(len(meant), recoverParts*r.store.maxSessions())]
	return act(CauseRecoverable, fixRecover, recoverParams{Epoch: r.epoch(), To: to, Sessions: plain(meant)},
		words("%s. %s given to %s, critical ones first, if a person consents. %s",
			r.orphansWords(), counted(len(meant), "session would be", "sessions would be"), to, r.partitionWords()))
}

// heir is the member that gets what is recovered: the one that the policy names, or of those alive the one that is overdue with the fewest
// sessions, the first by name of several. why says why there is none.
func (r deciding) heir() (to, why string) {
	last := r.newest().seen
	alive := inState(last, sessions.Alive)
	if name := r.store.Fix.RecoverTo; name != "" {
		if !slices.Contains(alive, name) {
			return "", words("handlers.sessiondrift.stores[%s].fix.recover_to names %s, which is not alive", r.store.Store, name)
		}
		return name, ""
	}
	overdue := last.Orphans.ByOwner
	slices.SortFunc(alive, func(a, b string) int { return cmp.Or(cmp.Compare(overdue[a], overdue[b]), cmp.Compare(a, b)) })
	if len(alive) == 0 {
		return "", "no member is alive"
	}
	return alive[0], ""
}

// sameOrphans are those that each look that must agree listed as the same, and that are orphans by its membership; oldest lease first. What
// was counted is not believed: it is judged again.
func (r deciding) sameOrphans() []sessions.Session {
	var same []sessions.Session
	samples := r.samples()
	listed := make([]map[sessions.Key]sessions.Session, len(samples))
	for i, v := range samples {
		listed[i] = map[sessions.Key]sessions.Session{}
		for _, s := range v.seen.Orphans.Oldest {
			listed[i][s.Key] = s
		}
	}
	for _, s := range r.newest().seen.Orphans.Oldest {
		everywhere := s.Epoch > 0 && s.Check() == nil
		for i, v := range samples {
			everywhere = everywhere && sessions.Orphan(s, v.seen.Members.Membership) && s.Same(listed[i][s.Key])
		}
		if everywhere {
			same = append(same, s)
		}
	}
	slices.SortFunc(same, byLease)
	return slices.CompactFunc(same, func(a, b sessions.Session) bool { return a.Key == b.Key })
}

// byLease is the order in which orphans are listed: the one whose lease ended first, then by id, then by copy.
func byLease(a, b sessions.Session) int {
	return cmp.Or(a.LeaseUntil.Compare(b.LeaseUntil), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Copy, b.Copy))
}

// recently are the looks of the time for which the membership has to be stable, whatever pauses are between them.
func (r deciding) recently() []look {
	var all []look
	for _, l := range r.Before {
		if last := r.newest().at; !l.At.Before(last.Add(-r.thresholds.Stable.D())) && !l.At.After(last) {
			all = append(all, l)
		}
	}
	return all
}

// written names the owners whose listed sessions were not the same from one look to the next: whoever was given up has not written them.
func written(looks []look) []string {
	before, changed := map[sessions.Key]sessions.Session{}, []sessions.Session{}
	for _, l := range looks {
		for _, s := range l.Seen.Orphans.Oldest {
			if was, ok := before[s.Key]; ok && was.Owner == s.Owner && !was.Same(s) {
				changed = append(changed, s)
			}
			before[s.Key] = s
		}
	}
	return owners(changed)
}

// settled are the orphans that came to be such before the present minute began, by the store's clock.
func (r deciding) settled(all []sessions.Session) []sessions.Session {
	m := r.newest().seen.Members
	before := m.At.UTC().Add(-2 * m.TTL.Duration()).Truncate(settleStep)
	var out []sessions.Session
	for _, s := range all {
		if s.LeaseUntil.Before(before) {
			out = append(out, s)
		}
	}
	return out
}

// total is how many live sessions there are at least, for the bound: the fewest of the looks that are one story, down to whole hundreds, so
// that it does not move with each session that comes and goes.
func (r deciding) total() int {
	fewest := -1
	for _, s := range r.sights {
		n := s.seen.Members.Total
		if s.seen.Orphans.Problem == "" && s.seen.Orphans.Complete {
			n = min(n, s.seen.Orphans.Read)
		}
		if s.trouble == "" && (fewest < 0 || n < fewest) {
			fewest = n
		}
	}
	switch fewest = min(fewest, sessions.CountUpTo); { // beyond that the bound does not grow, and more would only move
	case fewest <= 0:
		return 0
	case fewest < 100:
		return 1
	}
	return fewest - fewest%100
}

func (r deciding) epoch() uint64 { return r.newest().seen.Members.Epoch }

func (r deciding) orphansWords() string {
	n := r.newest().seen.Orphans
	text := counted(n.Count, "session is an orphan", "sessions are orphans")
	if len(n.Oldest) > 0 {
		who := owners(n.Oldest)
		text += words(": %s gone (%s), and the first lease ended %s ago", counted(len(who), "owner is", "owners are"), list(who),
			span(r.newest().seen.Members.At.Sub(n.Oldest[0].LeaseUntil)))
	}
	return text
}

// partitionWords says what tells that there is no partition.
func (r deciding) partitionWords() string {
	if r.store.asks().Partition == "" {
		return words("That there is no partition is said by the store's members alone: the policy names no alert that would tell of one "+
			"(handlers.sessiondrift.stores[%s].prometheus.partition)", r.store.Store)
	}
	return "A majority says whom it hears, nobody hears the owners, and no alert tells of a partition"
}

// allows says whether the policy allows a fix.
func (s store) allows(fix string) bool { return slices.Contains(s.Fix.Allow, fix) }

// plain are sessions as they were seen, without what is not compared before an act: when they were written is for people, and would make two
// plans of one.
func plain(all []sessions.Session) []sessions.Session {
	out := make([]sessions.Session, 0, len(all))
	for _, s := range all {
		s.LeaseUntil, s.UpdatedAt, s.Quarantined = s.LeaseUntil.UTC(), time.Time{}, nil
		out = append(out, s)
	}
	return out
}
