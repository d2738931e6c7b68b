package sessiondrift

import (
	"maps"
	"slices"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// replicaAhead is for a replica that holds what the primary never had. Nothing that is sent again may overwrite that: it may be all that is
// left of what clients wrote while the replica was a primary.
func (r deciding) replicaAhead() (finding, bool) {
	now, before := stray(r.newest().seen), map[string]bool{}
	if len(now) == 0 {
		return finding{}, false
	}
	for i, s := range r.samples() {
		these := map[string]bool{}
		for _, d := range stray(s.seen) {
			if i == 0 || before[d] {
				these[d] = true
			}
		}
		before = these
	}
	if len(before) == 0 {
		return wait(CauseReplicaAhead, "since the last look only: "+list(now)), true
	}
	var held []string
	for _, d := range now {
		if before[d] {
			held = append(held, d)
		}
	}
	return page(CauseReplicaAhead, words("%s. It may have been a primary, and hold what exists nowhere else: nothing is sent to it", list(held))), true
}

// stray names what a look says of replicas that have gone their own way.
func stray(o Observation) []string {
	var all []string
	for _, r := range o.Replicas.Replicas {
		if o.Replicas.Problem == "" && strays(r) {
			all = append(all, words("%s is %s", r.Name, r.State))
		}
	}
	for _, c := range o.compared() {
		for _, d := range c.Differences {
			if !sendable(d) {
				all = append(all, words("%s on %s is %s", d.Key, c.Name, d.Drift))
			}
		}
	}
	return all
}

// compared are the replicas that could be compared with the primary.
func (o Observation) compared() []Compared {
	if o.Contents.Problem != "" {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(o.Contents.Replicas), func(c Compared) bool { return c.Problem != "" })
}

// sendable says of a difference that sending the session again would mend it, and take nothing away. The versions are compared again here.
func sendable(d sessions.Difference) bool {
	switch d.Drift {
	case sessions.Lost:
		return d.Primary.ID != ""
	case sessions.Behind:
		return sessions.Dominates(d.Primary.Version, d.Replica.Version)
	}
	return false
}

// behind is for sessions that a replica lacks, or holds in an older version, although it has read past the primary's. They are sent again.
func (r deciding) behind() (finding, bool) {
	now := toSend(r.newest().seen)
	if len(now) == 0 {
		return finding{}, false
	}
	same, lost := map[string]bool{}, false
	for place, d := range now {
		everywhere := true
		for _, s := range r.samples() {
			_, there := toSend(s.seen)[place]
			everywhere = everywhere && there
		}
		if everywhere {
			same[d.ID] = true
			lost = lost || d.Drift == sessions.Lost
		}
	}
	cause := CauseSlowSync
	if lost {
		cause = CauseLostOnReplica
	}
	said := words("%s on a replica that has read past them", counted(len(now), "session is missing or older", "sessions are missing or older"))
	if len(same) == 0 {
		if kinds := slices.Collect(maps.Values(now)); !slices.ContainsFunc(kinds, func(d sessions.Difference) bool { return d.Drift != sessions.Lost }) {
			cause = CauseLostOnReplica
		}
		return wait(cause, said+", since the last look only, or others than before"), true
	}
	for _, s := range r.samples() {
		if what := stray(s.seen); len(what) > 0 {
			return wait(CauseReplicaAhead, words("%s. Nothing is sent: the look before saw that %s", said, list(what))), true
		}
	}
	if f, held := r.held(false, false); held {
		f.why = said + ". Nothing is done about it: " + f.why
		return f, true
	}
	ids := make([]string, 0, len(same))
	for id := range same {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	ids = ids[:min(len(ids), sessions.MostSent)]
	return act(cause, fixSync, syncParams{Epoch: r.epoch(), IDs: ids}, words("%s (%s). %s sent again from the primary, whose version dominates: "+
		"nothing newer is overwritten", said, list(ids), counted(len(ids), "session is", "sessions are"))), true
}

// drifted is one session on one replica.
type drifted struct {
	replica string
	sessions.Key
}

// toSend are the differences that sending again would mend.
func toSend(o Observation) map[drifted]sessions.Difference {
	all := map[drifted]sessions.Difference{}
	for _, c := range o.compared() {
		for _, d := range c.Differences {
			if sendable(d) {
				all[drifted{c.Name, d.Key}] = d
			}
		}
	}
	return all
}

// conflict is for copies that have each seen what the other has not. Nobody can tell which is right, and no clock decides: a person does, or
// consents that all of them are set aside.
func (r deciding) conflict() (finding, bool) {
	same, moving := r.groups(func(c Copies) [][]sessions.Session { return c.Concurrent })
	if len(same)+moving == 0 {
		return finding{}, false
	}
	said := words("copies of %s have each seen what the other has not", counted(len(same)+moving, "session", "sessions"))
	switch {
	case len(same) == 0 && r.newInLast(func(c Copies) [][]sessions.Session { return c.Concurrent }):
		return wait(CauseConflict, said+", since the last look only"), true
	case len(same) == 0:
		return page(CauseConflict, said+", and they are still written. Nobody can tell which is right: a person must"), true
	}
	meant, copies := bounded(same, r.most(), clashing)
	if len(meant) == 0 {
		return page(CauseConflict, words("%s (%s). None of them can be set aside by one action of at most %d", said, ids(same), r.most())), true
	}
	if f, held := r.held(true, false); held {
		return page(CauseConflict, words("%s (%s). They are not set aside, because %s", said, ids(same), f.why)), true
	}
	return act(CauseConflict, fixSetAside, copiesParams{Epoch: r.epoch(), Sessions: plain(slices.Concat(meant...))},
		words("%s (%s). All %d copies of %s would be set aside if a person consents, and can be given back", said, ids(same), copies,
			counted(len(meant), "session", "sessions"))), true
}

// dominated is for copies that are older than another one, which has seen all that they have. Only those are set aside.
func (r deciding) dominated() (finding, bool) {
	of := func(c Copies) [][]sessions.Session { return c.Dominated }
	same, moving := r.groups(of)
	if len(same)+moving == 0 {
		return finding{}, false
	}
	said := words("of %s there are copies that are older than another one", counted(len(same)+moving, "session", "sessions"))
	if len(same) == 0 {
		return wait(CauseDominated, said+", since the last look only, or still written: they may be on their way"), true
	}
	meant, copies := bounded(same, r.most(), older)
	if len(meant) == 0 {
		return page(CauseDominated, words("%s (%s), and none of them can be set aside by one action of at most %d", said, ids(same), r.most())), true
	}
	if f, held := r.held(true, false); held {
		f.why = said + ". Nothing is done about it: " + f.why
		return f, true
	}
	return act(CauseDominated, fixReconcile, copiesParams{Epoch: r.epoch(), Sessions: plain(slices.Concat(meant...))},
		words("%s (%s). %s set aside, and can be given back; the one that has seen everything stays", said, ids(same),
			counted(copies, "copy is", "copies are"))), true
}

// clashing is how many copies a group has; none if no two are concurrent.
func clashing(group []sessions.Session) int {
	for _, outcome := range sessions.Resolve(group) {
		if outcome == sessions.Conflict {
			return len(group)
		}
	}
	return 0
}

// older is how many copies of a group another one dominates; none if two are concurrent.
func older(group []sessions.Session) int {
	n := 0
	for _, outcome := range sessions.Resolve(group) {
		switch outcome {
		case sessions.Done:
			n++
		case sessions.Conflict:
			return 0
		}
	}
	return n
}

// groups are the groups of copies that were the same, copy by copy, in each look that must agree; moving is how many others the last look has.
func (r deciding) groups(of func(Copies) [][]sessions.Session) (same [][]sessions.Session, moving int) {
	last := r.newest().seen.Copies
	if last.Problem != "" {
		return nil, 0
	}
	times := map[string]int{}
	for _, group := range of(last) {
		if len(group) > 0 {
			times[group[0].ID]++
		}
	}
	for _, group := range of(last) {
		everywhere := oneGroup(group) && times[group[0].ID] == 1
		for _, s := range r.samples() {
			everywhere = everywhere && s.seen.Copies.Problem == "" && slices.ContainsFunc(of(s.seen.Copies), func(g []sessions.Session) bool {
				return slices.EqualFunc(g, group, sessions.Session.Same)
			})
		}
		if everywhere {
			same = append(same, group)
		} else if len(group) > 0 {
			moving++
		}
	}
	return same, moving
}

// oneGroup says that a group is of one session, each copy once, and of such as a store could hold.
func oneGroup(group []sessions.Session) bool {
	seen := map[sessions.Key]bool{}
	for _, s := range group {
		if s.ID != group[0].ID || seen[s.Key] || s.Check() != nil {
			return false
		}
		seen[s.Key] = true
	}
	return len(group) > 1
}

// newInLast says that no session of the last look's groups was in one in the look before.
func (r deciding) newInLast(of func(Copies) [][]sessions.Session) bool {
	first := of(r.samples()[0].seen.Copies)
	return !slices.ContainsFunc(of(r.newest().seen.Copies), func(g []sessions.Session) bool {
		return len(g) > 0 && slices.ContainsFunc(first, func(b []sessions.Session) bool { return len(b) > 0 && b[0].ID == g[0].ID })
	})
}

// most is how many copies one action may take away: what the policy says, and never more than 1 in 100.
func (r deciding) most() int { return min(r.store.maxSessions(), sessions.Bound(r.total())) }

// bounded are the first whole groups of which not more than most copies are taken away, nor more are named than one order may.
func bounded(groups [][]sessions.Session, most int, taken func([]sessions.Session) int) (meant [][]sessions.Session, copies int) {
	named := 0
	for _, g := range groups {
		n := taken(g)
		if n == 0 || copies+n > most || named+len(g) > mostCopies {
			continue
		}
		meant, copies, named = append(meant, g), copies+n, named+len(g)
	}
	return meant, copies
}

func ids(groups [][]sessions.Session) string {
	var all []string
	for _, g := range groups {
		all = append(all, g[0].ID)
	}
	return list(all)
}
