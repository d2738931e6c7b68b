package sessiondrift

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// judging is one change while it is being judged.
type judging struct {
	deciding
	meant  meant
	before *sight  // the newest look before the change that can be judged by
	after  []sight // the looks since the change, up to the last one, that can be judged and are one story; oldest first
}

// meant is what the change was made to, as its own params say.
type meant struct {
	Epoch    uint64             `json:"epoch"`
	To       string             `json:"to"`
	IDs      []string           `json:"ids"`
	Sessions []sessions.Session `json:"sessions"`
}

// judgeLooks is in how many looks in a row something must be so, sample_every apart, before it is the effect of a change.
const judgeLooks = 2

// Judge says what a change did, from the looks since it was made, and from those before it. What it was made to is in its params.
//
//   - worse, for all that takes something away: an owner whose sessions were taken is alive again, another node hears from it, or others of its
//     sessions are written; in two looks
//     in a row there is no quorum, or a sign of a partition; in two looks in a row more clients miss their session than before. Then it is
//     taken back: what was taken may be somebody's.
//   - quarantine: improved if none of the sessions is among the orphans, and for hold_for no more clients missed theirs than before.
//   - reconcile, set_aside: improved if no session of them has copies that differ, and hold_for as above.
//   - recover: improved if none of them is an orphan, and so long has passed that their new owner would be overdue with them if it did not
//     renew their leases, and it is not. Worse also if the new owner is gone.
//   - sync: improved if in two looks no replica lacks them or holds them older, and none is more than lag behind. Worse if a replica then
//     turns out to be ahead.
//
// If none of them held when Until has passed, the change had no effect; so it is too if the looks could not be read. What can be taken back is
// taken back then. Judge is pure.
func (h *Handler) Judge(c think.Case[Observation]) incidents.Judgement {
	r, ok := h.read(c)
	if !ok || c.Step == nil {
		return incidents.Judgement{Effect: incidents.NoEffect,
			Words: words("no change of the store %q can be judged: the policy does not name it, or nothing was changed", c.Target.Name)}
	}
	j := judging{deciding: r}
	if err := json.Unmarshal(c.Step.Params, &j.meant); err != nil || len(j.meant.IDs)+len(j.meant.Sessions) == 0 {
		return j.pending(words("what %s was for cannot be told from its settings", c.Step.Fix))
	}
	if done, ok := j.split(); !ok {
		return done
	}
	if why := j.harm(); why != "" {
		return j.say(incidents.Worse, why)
	}
	last := j.last()
	if last.trouble != "" && last.trouble != CauseTooMany {
		return j.pending("the newest look cannot be used: " + last.why)
	}
	switch c.Step.Fix {
	case fixQuarantine:
		return j.quarantined()
	case fixReconcile, fixSetAside:
		return j.setAside()
	case fixRecover:
		return j.recovered()
	case fixSync:
		return j.synced()
	}
	return j.pending(words("the fix %q is not known here", c.Step.Fix))
}

// split takes the looks of both sides. It is not ok when there is nothing to judge by; what it says then counts.
func (j *judging) split() (incidents.Judgement, bool) {
	for i := len(j.sights) - 1; i >= 0 && j.before == nil; i-- {
		if j.sights[i].trouble == "" {
			j.before = &j.sights[i]
		}
	}
	var since []sight
	for _, l := range j.Case.After {
		if !l.At.Before(j.Step.Since) {
			since = append(since, j.sightOf(j.store, l))
		}
	}
	j.after = j.recent(since)
	switch {
	case len(j.after) == 0:
		return j.pending("no look was made since the change yet"), false
	case j.Now.Sub(j.last().at) > j.maxGap():
		return j.pending(words("the newest look is %s old", span(j.Now.Sub(j.last().at)))), false
	}
	return incidents.Judgement{}, true
}

func (j *judging) last() sight { return j.after[len(j.after)-1] }

// harm says what shows that the change was wrong; "" if nothing does.
func (j *judging) harm() string {
	last := j.last()
	if j.Step.Fix == fixSync {
		if what := j.straysOf(last.seen); len(what) > 0 && j.inLast(func(s sight) bool { return len(j.straysOf(s.seen)) > 0 }) {
			return "a replica holds what the primary does not, since it was sent again: " + list(what)
		}
		return ""
	}
	if last.trouble != CauseStoreUnreadable {
		if why := j.ownerLives(last.seen); why != "" {
			return why
		}
	}
	shaken := func(s sight) bool { return s.trouble == CauseNoQuorum || s.trouble == CausePartition }
	wrote := slices.DeleteFunc(written(j.recorded()), func(name string) bool { return !slices.Contains(owners(j.meant.Sessions), name) })
	switch {
	case len(wrote) > 0 && (j.Step.Fix == fixQuarantine || j.Step.Fix == fixRecover):
		return words("sessions of %s are written, and some of them were taken: it lives, or another one writes in its name", list(wrote))
	case shaken(last) && j.inLast(shaken):
		return "what was taken may be served on the other side: " + last.why
	case j.misses(last) && j.inLast(j.misses):
		return words("%.2f requests/s miss their session, and at most %.2f did before", *last.seen.Around.NotFound, j.missedBefore())
	}
	return ""
}

// recorded are the looks since the change, as they were made.
func (j *judging) recorded() []look {
	all := make([]look, 0, len(j.after))
	for _, s := range j.after {
		all = append(all, look{At: s.at, Seen: s.seen})
	}
	return all
}

// inLast says that something is so in the last looks, of which the first was made long enough before the newest.
func (j *judging) inLast(is func(sight) bool) bool {
	for i := len(j.after) - 1; i >= 0; i-- {
		if !is(j.after[i]) {
			return false
		}
		if n := len(j.after) - i; n >= judgeLooks && j.last().at.Sub(j.after[i].at) >= j.apart() {
			return true
		}
	}
	return false
}

// ownerLives says which owner of what was taken from owners that were gone is there after all; "" if none is, or if copies were set aside,
// whose owners may well live.
func (j *judging) ownerLives(o Observation) string {
	if j.Step.Fix != fixQuarantine && j.Step.Fix != fixRecover {
		return ""
	}
	taken := owners(j.meant.Sessions)
	for _, m := range o.Members.Members {
		if !slices.Contains(taken, m.Name) {
			continue
		}
		if m.State == sessions.Alive {
			return words("%s is alive again, and its sessions were taken: it may serve them", m.Name)
		}
		if len(m.Vouched) > 0 {
			return words("%s still hears from %s, whose sessions were taken", list(m.Vouched), m.Name)
		}
	}
	if j.Step.Fix == fixRecover && o.Members.Is(j.meant.To) == sessions.Gone {
		return words("%s, which was given the sessions, is gone itself", j.meant.To)
	}
	return ""
}

const (
	// moreMisses is how many times as many requests must miss their session as before to be called worse, and missesMore per second more:
	// clients come with old cookies all the time.
	moreMisses = 1.2
	missesMore = 0.1
)

// misses says that more clients miss their session than before.
func (j *judging) misses(s sight) bool {
	rate := s.seen.Around.NotFound
	before := j.missedBefore()
	return rate != nil && finite(*rate) && *rate > moreMisses*before+missesMore
}

// missedBefore is the most requests per second that missed their session in the looks before the change; 0 if nobody asked.
func (j *judging) missedBefore() float64 {
	most := 0.0
	for _, s := range j.sights {
		if n := s.seen.Around.NotFound; n != nil && finite(*n) {
			most = max(most, *n)
		}
	}
	return most
}

// missed says whether it is known, in each look for at least hold_for, that no more clients miss their session than before. Where the policy
// does not ask, the time alone has to pass.
func (j *judging) missed() (bool, string) {
	asked := j.store.asks().NotFound != ""
	since := j.last().at
	for i := len(j.after) - 1; i >= 0; i-- {
		s := j.after[i]
		if s.trouble != "" && s.trouble != CauseTooMany || asked && s.seen.Around.NotFound == nil || j.misses(s) {
			break
		}
		since = s.at
	}
	stood := j.last().at.Sub(since)
	text := words("for %s no more clients missed their session than before (%s are enough)", span(stood), span(j.holdFor()))
	if !asked {
		text = words("for %s the membership stood (%s are enough); whether clients miss their session is not asked: "+
			"set handlers.sessiondrift.stores[%s].prometheus.not_found", span(stood), span(j.holdFor()), j.store.Store)
	}
	return stood >= j.holdFor(), text
}

// quarantined judges that orphans were taken out of sight by whether they are, and whether nobody misses them.
func (j *judging) quarantined() incidents.Judgement {
	there, known := j.orphansOf(j.last().seen)
	held, said := j.missed()
	n := len(j.meant.Sessions)
	switch {
	case !known:
		return j.pending("whether they are still listed is not known: " + said)
	case len(there) > 0:
		return j.pending(words("%d of %d are still listed (%s)", len(there), n, list(there)))
	case held:
		return j.say(incidents.Improved, words("none of the %d is listed any more, and %s", n, said))
	}
	return j.pending(words("none of the %d is listed any more, and %s", n, said))
}

// recovered judges that sessions have a new owner by whether they are no orphans any more, and by whether it renews them. A recovery that was
// cut short helped those that it came to: they stay where they are served, and the others are asked about again.
func (j *judging) recovered() incidents.Judgement {
	there, known := j.orphansOf(j.last().seen)
	held, said := j.missed()
	n, passed := len(j.meant.Sessions), j.last().at.Sub(j.Step.Since)
	takes := max(j.recoverTakes(), 3*j.last().seen.Members.TTL.Duration()+j.thresholds.SampleEvery.D())
	given := words("none of the %d is an orphan any more", n)
	if len(there) > 0 {
		given = words("%d of %d are no orphans any more, and the others were not come to (%s)", n-len(there), n, list(there))
	}
	switch {
	case !known || j.before == nil:
		return j.pending("whether they are still orphans is not known: " + said)
	case len(there) == n:
		return j.pending(words("%d of %d are still orphans (%s)", n, n, list(there)))
	case j.last().seen.Members.Is(j.meant.To) != sessions.Alive:
		return j.pending(words("%s, which was given the sessions, is not alive", j.meant.To))
	case passed < takes:
		return j.pending(words("%s; whether %s renews them can be seen %s after the change", given, j.meant.To, span(takes)))
	}
	was, is := j.before.seen.Orphans.ByOwner[j.meant.To], j.last().seen.Orphans.ByOwner[j.meant.To]
	switch {
	case is > was:
		return j.pending(words("%s is overdue with %d sessions, and was with %d before: it does not renew what it was given", j.meant.To, is, was))
	case held:
		return j.say(incidents.Improved, words("%s, %s renews them, and %s", given, j.meant.To, said))
	}
	return j.pending(words("%s, %s renews them, and %s", given, j.meant.To, said))
}

// orphansOf are those of the meant sessions that a look still lists as orphans of their owner. They were the oldest, so that they would be
// listed if they were. It is not known where the scan was not whole, or where the list is cut short before the youngest of them.
func (j *judging) orphansOf(o Observation) (there []string, known bool) {
	n := o.Orphans
	if n.Problem != "" || !n.Complete {
		return nil, false
	}
	for _, m := range j.meant.Sessions {
		if slices.ContainsFunc(n.Oldest, func(s sessions.Session) bool { return s.Key == m.Key && s.Owner == m.Owner }) {
			there = append(there, m.Key.String())
		}
		if n.Count > len(n.Oldest) && (len(n.Oldest) == 0 || byLease(m, n.Oldest[len(n.Oldest)-1]) >= 0) {
			return nil, false
		}
	}
	return there, true
}

// setAside judges that copies were set aside by whether those sessions have copies that differ still, and whether nobody misses them.
func (j *judging) setAside() incidents.Judgement {
	c := j.last().seen.Copies
	held, said := j.missed()
	var named []string
	for _, g := range slices.Concat(c.Dominated, c.Concurrent) {
		if len(g) > 0 && slices.ContainsFunc(j.meant.Sessions, func(s sessions.Session) bool { return s.ID == g[0].ID }) {
			named = append(named, g[0].ID)
		}
	}
	switch {
	case c.Problem != "" || c.More:
		return j.pending(strings.TrimSuffix("whether copies differ still is not known: "+c.Problem, ": "))
	case len(named) > 0:
		return j.pending(words("these have copies that differ still: %s", list(named)))
	case held:
		return j.say(incidents.Improved, "no copies of them differ any more, and "+said)
	}
	return j.pending("no copies of them differ any more, and " + said)
}

// synced judges that sessions were sent again by whether the replicas hold them, in two looks.
func (j *judging) synced() incidents.Judgement {
	if why := j.notSynced(j.last()); why != "" {
		return j.pending(why)
	}
	if !j.inLast(func(s sight) bool { return j.notSynced(s) == "" }) {
		return j.pending("the replicas hold what was sent, in one look only")
	}
	return j.say(incidents.Improved, words("all replicas hold the %s, and none is more than %s behind",
		counted(len(j.meant.IDs), "session that was sent", "sessions that were sent"), j.thresholds.Lag))
}

// notSynced says what keeps a look from showing that the replicas hold what was sent; "" if nothing does.
func (j *judging) notSynced(s sight) string {
	if s.trouble != "" {
		return "the look cannot be used: " + s.why
	}
	o := s.seen
	if problem := o.Replicas.Problem + o.Contents.Problem; problem != "" || len(o.Contents.Replicas) == 0 {
		return "what the replicas hold is not known: " + problem
	}
	for _, x := range o.Replicas.Replicas {
		if !follows(x) || strays(x) || !x.Known || x.LagSeconds > j.thresholds.Lag.D().Seconds() {
			return words("%s (%s) is behind, or nobody knows how far", x.Name, x.State)
		}
	}
	for _, c := range o.Contents.Replicas {
		switch {
		case c.Problem != "":
			return words("what %s holds is not known: %s", c.Name, c.Problem)
		case c.More || c.Buckets > c.Examined:
			return words("%s differs in %d parts, and only %d were looked into", c.Name, c.Buckets, c.Examined)
		}
	}
	for place := range toSend(o) {
		if slices.Contains(j.meant.IDs, place.ID) {
			return "a replica still lacks some of them, or holds them older"
		}
	}
	return ""
}

// straysOf names what replicas hold that the primary does not, of the sessions that were sent.
func (j *judging) straysOf(o Observation) []string {
	var all []string
	for _, c := range o.compared() {
		for _, d := range c.Differences {
			if !sendable(d) && slices.Contains(j.meant.IDs, d.ID) {
				all = append(all, words("%s on %s is %s", d.Key, c.Name, d.Drift))
			}
		}
	}
	return all
}

// pending waits for another look, while there is time.
func (j *judging) pending(why string) incidents.Judgement {
	until := j.Step.Until
	if until.IsZero() {
		until = j.Step.Since.Add(j.thresholds.VerifyWithin.D())
	}
	if !j.Now.Before(until) {
		return j.say(incidents.NoEffect, "no effect until the time for it was over: "+why)
	}
	return j.say(incidents.Pending, why)
}

// say is a judgement with the numbers of both sides.
func (j *judging) say(effect incidents.Effect, text string) incidents.Judgement {
	var e facts
	if len(j.after) > 0 {
		o := j.last().seen
		e.members(o, "")
		e.orphans(o, "")
		e.copies(o, "")
		e.replicas(o, "")
		e.around(o, "")
	}
	if j.before != nil {
		o := j.before.seen
		e.orphans(o, "_before")
		e.copies(o, "_before")
		e.replicas(o, "_before")
		e.around(o, "_before")
	}
	return incidents.Judgement{Effect: effect, Words: text, Evidence: e}
}
