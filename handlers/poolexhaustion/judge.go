package poolexhaustion

import (
	"encoding/json"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/remediations"
)

// judging is one change while it is being judged.
type judging struct {
	deciding
	before sight             // the look that was decided on
	found  finding           // what it said
	step   remediations.Step // what was decided
	after  []sight           // the looks since the change that can be judged, oldest first
}

// Judge says what a change did, from the looks since it was made, and what was decided on before. The symptom is clients that wait:
//
//   - worse, for all fixes, if in the last two looks more than a quarter more wait than before, by more than a few; if the server uses more than
//     the share that all pools may take, and did not before; if fewer transactions end than before by more than a tenth and more
//     than chance while clients wait; if two nodes take writes; after grow_pool also if the server is full or down.
//   - end_leaked, end_blocker: improved if the sessions are gone, and the queue was gone in the last two looks: nobody waits, or, where
//     many did, less than a tenth of them and only for a moment.
//   - grow_pool: improved if the queue was gone in the last two looks. Healed if nobody has for hold_for and no pool had more sessions in use
//     than its old size; only then is it given back, whatever the alert says.
//   - resume: improved if it is paused no more, and the queue was gone in the last two looks.
//
// If none of them held when Until has passed, the change had no effect; so it is too if the looks could not be read. Judge is pure.
//
// What the change was made to follows from the record: it is decided once more on the looks before it.
func (h *Handler) Judge(c think.Case[Observation]) incidents.Judgement {
	r, ok := h.read(c)
	if !ok || c.Step == nil {
		return incidents.Judgement{Effect: incidents.NoEffect,
			Words: words("no change of the cluster %q can be judged: the policy does not name it, or nothing was changed", c.Target.Name)}
	}
	j := judging{deciding: r}
	var since []sight
	for _, l := range c.After {
		if !l.At.Before(c.Step.Since) {
			since = append(since, h.sightOf(r.cluster, l))
		}
	}
	if !j.recall() {
		return j.pending(words("what %s was for cannot be told from the looks before it", c.Step.Fix))
	}
	if done, ok := j.usable(since); !ok {
		return done
	}
	if why := j.harm(); why != "" {
		return j.say(incidents.Worse, why)
	}
	switch c.Step.Fix {
	case fixEndLeaked, fixEndBlocker:
		return j.ended()
	case fixGrowPool:
		return j.grown()
	case fixResume:
		return j.resumed()
	}
	return j.pending(words("the fix %q is not known here", c.Step.Fix))
}

// recallWithin is how many of the last looks before a change may have been too late for its decision: the loop looks again right before it
// issues it.
const recallWithin = 3

// recall finds what was decided: the newest look before the change that, with those before it, asks for its fix.
func (j *judging) recall() bool {
	for n := range min(recallWithin, len(j.sights)) {
		earlier := j.until(n)
		d, f := earlier.rule()
		if d.Step != nil && d.Step.Fix == j.Case.Step.Fix {
			j.before, j.found, j.step = earlier.newest(), f, *d.Step
			return true
		}
	}
	return false
}

// usable takes the looks that can be judged. It is not ok when there is nothing to judge by; what it says then counts.
func (j *judging) usable(since []sight) (incidents.Judgement, bool) {
	if len(since) == 0 {
		return j.pending("no look was made since the change yet"), false
	}
	last := since[len(since)-1]
	grew := j.Case.Step.Fix == fixGrowPool
	switch {
	case j.Now.Sub(last.at) > j.maxGap():
		return j.pending(words("the newest look is %s old", j.Now.Sub(last.at).Round(time.Second))), false
	case last.trouble == CauseTwoPrimaries, grew && (last.trouble == CauseServerFull || last.trouble == CauseServerDown):
		return j.say(incidents.Worse, last.why), false
	case last.trouble != "" && last.trouble != CausePaused:
		return j.pending("the newest look cannot be used: " + last.why), false
	case last.seen.Server.Node != j.before.seen.Server.Node:
		return j.pending(words("the primary has moved from %s to %s since", j.before.seen.Server.Node, last.seen.Server.Node)), false
	}
	if unread := unreadWords(last.seen); unread != "" {
		return j.pending("whether clients wait is not known: " + unread), false
	}
	for _, s := range since {
		if s.trouble != "" && s.trouble != CausePaused || s.seen.Server.Node != last.seen.Server.Node || unreadWords(s.seen) != "" {
			j.after = j.after[:0] // what was seen before a look that cannot be used is another story
			continue
		}
		j.after = append(j.after, s)
	}
	return incidents.Judgement{}, true
}

func (j *judging) last() sight { return j.after[len(j.after)-1] }

const (
	// moreWaiting is how many times as many clients must wait as before to be called worse, and more than aFew more: those come and go.
	moreWaiting = 1.25
	aFew        = 2
)

// harm says what got worse since the change; "" if nothing did.
func (j *judging) harm() string {
	before, n := queued(j.waiting(j.before)), len(j.after)
	if n >= calmLooks {
		least := queued(j.waiting(j.after[n-1]))
		for _, s := range j.after[n-calmLooks:] {
			least = min(least, queued(j.waiting(s)))
		}
		if least > moreWaiting*before && least > before+aFew {
			return words("%.0f clients wait or more, and %.0f did before", least, before)
		}
	}
	if s := j.last(); j.nearlyFull(s) && !j.nearlyFull(j.before) {
		return words("the server uses %d of %d connections, more than the %s that all pools may take", s.seen.Server.Used, s.seen.Server.Usable,
			percent(j.thresholds.UsableShare))
	}
	if n < calmLooks || len(j.waiting(j.last())) == 0 {
		return "" // who wants nothing ends nothing
	}
	was, known := j.goodput(j.firstBefore(), j.before)
	is, also := j.goodput(j.after[0], j.last())
	if known && also && fell(was, is) {
		return words("%.1f transactions/s end, and %.1f did before, while clients still wait", is.perSecond(), was.perSecond())
	}
	return ""
}

// firstBefore is the first look of the story that was decided on.
func (j *judging) firstBefore() sight {
	for _, s := range j.sights {
		if s.trouble == "" && s.seen.Server.Node == j.before.seen.Server.Node {
			return s
		}
	}
	return j.before
}

// calmLooks is in how many looks in a row nobody must wait.
const calmLooks = 2

// calm says that nobody waited in the last looks; words are how it stands.
func (j *judging) calm() (bool, string) {
	said := words("%s, and %.0f did before", counted(whole(queued(j.last().queues)), "client waits", "clients wait"), queued(j.before.queues))
	if queued(j.last().queues) == 0 {
		said = words("nobody waits, and %.0f did before", queued(j.before.queues))
	}
	if len(j.after) < calmLooks {
		return false, said + ", in one look only"
	}
	for _, s := range j.after[len(j.after)-calmLooks:] {
		if !j.drained(s) {
			return false, said
		}
	}
	return true, said
}

// drained says that the queue is gone: nobody waits, or, where many did, less than a tenth of them and only for a moment. A pool that is just
// large enough always has somebody who waits some milliseconds.
func (j *judging) drained(s sight) bool {
	few := max(float64(j.thresholds.Waiting), queued(j.waiting(j.before))/10)
	return queued(s.queues) < few && len(j.waiting(s)) == 0
}

// ended judges that sessions were ended by whether they are gone, and whether that set the others free.
func (j *judging) ended() incidents.Judgement {
	s := j.last()
	var there []Session
	for _, x := range j.found.ends {
		if s.has(x) {
			there = append(there, x)
		}
	}
	calm, said := j.calm()
	switch {
	case len(there) > 0:
		return j.pending(words("still there: %s; %s", sessionWords(there), said))
	case j.Case.Step.Fix == fixEndBlocker && s.seen.Server.LockWaiting >= j.thresholds.Victims:
		return j.pending(words("it is gone, and %d sessions wait for locks still; %s", s.seen.Server.LockWaiting, said))
	case calm:
		return j.say(incidents.Improved, "what was ended is gone: "+said)
	}
	return j.pending("what was ended is gone; " + said)
}

// grown judges a larger pool by who waits, and whether it is needed any more.
func (j *judging) grown() incidents.Judgement {
	calm, said := j.calm()
	if !calm {
		return j.pending(said)
	}
	done := j.say(incidents.Improved, said)
	well, size := j.wellFor()
	done.Healed = well >= j.thresholds.HoldFor.D()
	done.Words += words("; for %s nobody has waited, with no more than %d in use (given back after %s)", well.Round(time.Second), size, j.thresholds.HoldFor)
	return done
}

// wellFor is for how long, up to the newest look, nobody waited and the old size would have been enough. A database without clients is in no
// look, and needs nothing.
func (j *judging) wellFor() (time.Duration, int) {
	size := j.oldSize()
	newest := j.last().at
	since := newest
	for i := len(j.after) - 1; i >= 0; i-- {
		s := j.after[i]
		q := s.find(j.found.queue.key())
		if queued(s.queues) >= float64(j.thresholds.Waiting) || q != nil && mostInUse(*q) > size || since.Sub(s.at) > j.maxGap() {
			break
		}
		since = s.at
	}
	return newest.Sub(since), size
}

// oldSize is the size that the pool had: for each user at a pooler, over all instances in an application.
func (j *judging) oldSize() int {
	if j.found.queue.app != nil {
		return whole(j.found.queue.size)
	}
	var p growParams
	if json.Unmarshal(j.step.Params, &p) != nil {
		return 0
	}
	return p.From
}

// mostInUse is how many connections the busiest user of a queue has in use.
func mostInUse(q queue) int {
	if q.app != nil {
		return whole(q.busy)
	}
	most := 0
	for _, p := range q.db.Pools {
		most = max(most, p.ServersActive)
	}
	return most
}

// resumed judges that a pause was ended by whether the queue has drained.
func (j *judging) resumed() incidents.Judgement {
	calm, said := j.calm()
	q := j.last().find(j.found.queue.key())
	switch {
	case q != nil && q.db != nil && q.db.Paused:
		return j.pending(words("%s is paused; %s", q.name(), said))
	case calm:
		return j.say(incidents.Improved, words("%s runs again: %s", j.found.queue.name(), said))
	}
	return j.pending(words("%s runs again; %s", j.found.queue.name(), said))
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
		e.queues(j.waiting(j.last()), "")
		e.server(j.last().seen, "")
	}
	if j.before.at != (time.Time{}) {
		e.queues(j.waiting(j.before), "_before")
		e.server(j.before.seen, "_before")
	}
	return incidents.Judgement{Effect: effect, Words: text, Evidence: e}
}
