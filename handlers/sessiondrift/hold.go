package sessiondrift

import (
	"math"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// What keeps one kind of change from being made although the cluster looks whole.

// held says why a fix must not be made now; false if nothing keeps it. Takes says that it takes something away, orphans that it rests on an
// owner being gone.
func (r deciding) held(takes, orphans bool) (finding, bool) {
	rules := []func() (finding, bool){r.clockMoved, r.unknownAround, r.deploys}
	if takes {
		rules = append(rules, r.unstable, r.unknownMissed)
	}
	if orphans {
		rules = append(rules, r.oneView, r.unknownOrphans)
	}
	for _, rule := range append(rules, r.noEpoch) {
		if f, ok := rule(); ok {
			return f, true
		}
	}
	return finding{}, false
}

// noEpoch is for a store that counts no generations of its membership: an order could not be fenced by it.
func (r deciding) noEpoch() (finding, bool) {
	for _, s := range r.samples() {
		if s.seen.Members.Epoch == 0 {
			return page(CauseNoEpoch, "the store's membership has no epoch, so that an order that comes late could not be told from one in time. "+
				"A person must do it"), true
		}
	}
	return finding{}, false
}

// clockMoved is for a store whose clock does not go on as ours does: it was set, or another node answers now.
func (r deciding) clockMoved() (finding, bool) {
	all := r.samples()
	for i, s := range all[1:] {
		theirs, ours := s.seen.Members.At.Sub(all[i].seen.Members.At), s.at.Sub(all[i].at)
		if theirs <= 0 || (theirs-ours).Abs() > 2*r.thresholds.ClockSkew.D()+s.within()+all[i].within() {
			return wait(CauseClock, words("between the last looks the store's clock went on by %s, and ours by %s", theirs, ours)), true
		}
	}
	for _, s := range all {
		c := s.seen.Clock
		switch {
		case c.Within <= 0:
			return wait(CauseClock, "how far the store's clock is from ours was not measured, and leases end by it"), true
		case math.Abs(c.Offset)+c.Within > r.thresholds.ClockSkew.D().Seconds():
			return wait(CauseClock, words("the store's clock was measured to be %s from ours, but only within %s: whether it is right is not known",
				seconds(c.Offset), seconds(c.Within))), true
		}
	}
	return finding{}, false
}

// within is how precisely a look could know the time.
func (s sight) within() time.Duration {
	return time.Duration(max(s.seen.Clock.Within, 0) * float64(time.Second))
}

// unknownAround is for questions to Prometheus that the policy names and that were not answered. Not to know of a partition is no proof that
// there is none.
func (r deciding) unknownAround() (finding, bool) {
	for _, s := range r.samples() {
		a, asked := s.seen.Around, r.store.asks()
		switch {
		case a.PartitionProblem != "":
			return wait(CauseNotMeasured, "whether an alert tells of a partition is not known: "+a.PartitionProblem), true
		case a.DeployingProblem != "":
			return wait(CauseNotMeasured, "whether the application is being deployed is not known: "+a.DeployingProblem), true
		case asked.Deploying != "" && a.Deploying == nil:
			return wait(CauseNotMeasured, "whether the application is being deployed is asked for, and nothing was said"), true
		}
	}
	return finding{}, false
}

// deploys is for an application that is being rolled out, or whose membership has just become another one.
func (r deciding) deploys() (finding, bool) {
	last := r.newest()
	if deploying(last.seen) {
		return patiently(CauseDeploy, "the application is being deployed: sessions change their owners, and come back"), true
	}
	epoch := last.seen.Members.Epoch
	for _, l := range r.recently() {
		m := l.Seen.Members
		if m.Problem != "" || m.At.IsZero() {
			continue
		}
		if deploying(l.Seen) {
			return patiently(CauseDeploy, words("the application was being deployed %s ago, and it is waited for %s after that",
				span(last.at.Sub(l.At)), r.thresholds.Stable)), true
		}
		if m.Epoch != epoch {
			return patiently(CauseDeploy, words("who is registered has changed since %s ago: the membership was of epoch %d, and is of %d. "+
				"It is waited for %s after that", span(last.at.Sub(l.At)), m.Epoch, epoch, r.thresholds.Stable)), true
		}
	}
	return finding{}, false
}

// unstable is for a membership that has not stood for long enough. A member that is silent is about to be gone, or to come back.
func (r deciding) unstable() (finding, bool) {
	for _, s := range r.samples() {
		m := s.seen.Members
		if names := inState(s.seen, sessions.Silent); len(names) > 0 {
			return patiently(CauseUnstable, words("%s is silent, and not given up yet by the others", list(names))), true
		}
		since := m.StableSince
		for _, member := range m.Members {
			if member.Since.After(since) {
				since = member.Since
			}
		}
		stood := m.At.Sub(since)
		switch {
		case since.IsZero():
			return patiently(CauseUnstable, "the store does not say since when the membership is as it is"), true
		case stood < r.thresholds.Stable.D():
			return patiently(CauseUnstable, words("a member changed its state %s before the look at %s; nothing is taken away before %s have passed",
				span(stood), s.at.Format(time.TimeOnly), r.thresholds.Stable)), true
		}
	}
	return finding{}, false
}

// unknownMissed is for clients that may miss sessions already: without the number before, nobody could see that a change made it worse.
func (r deciding) unknownMissed() (finding, bool) {
	for _, s := range r.samples() {
		a := s.seen.Around
		if a.NotFoundProblem != "" || r.store.asks().NotFound != "" && a.NotFound == nil {
			return wait(CauseNotMeasured, "how many clients miss their session is asked for and not known, so what a change does to them could not be seen: "+
				a.NotFoundProblem), true
		}
	}
	return finding{}, false
}

// oneView is for a membership in which an owner would be given up by one node alone, or because nobody says whom he hears.
func (r deciding) oneView() (finding, bool) {
	for _, s := range r.samples() {
		alive, speak, all := inState(s.seen, sessions.Alive), speakers(s.seen), len(s.seen.Members.Members)
		switch {
		case len(alive) < 2:
			return page(CauseOneView, words("%s alone is alive: no owner is given up on the view of one node", strings.Join(alive, ""))), true
		case 2*len(speak) <= all:
			return page(CauseOneView, words("%d of %d registered nodes say whom they hear, which is no majority: an owner would be given up by its lease alone",
				len(speak), all)), true
		}
	}
	return finding{}, false
}

// unknownOrphans is for a scan that does not tell how many orphans there are, or for a number before that was asked for and not told.
func (r deciding) unknownOrphans() (finding, bool) {
	for _, s := range r.samples() {
		n, a := s.seen.Orphans, s.seen.Around
		switch {
		case n.Problem != "":
			return wait(CauseNotMeasured, "the sessions could not be listed: "+n.Problem), true
		case n.Count < len(n.Oldest) || n.Expired < n.Count || n.Read < n.Expired:
			return page(CauseNotMeasured, words("the scan contradicts itself: %d read, %d overdue, %d orphans, %d of them listed",
				n.Read, n.Expired, n.Count, len(n.Oldest))), true
		case !n.Complete:
			return page(CauseNotMeasured, words("only %d sessions were read and there are more, so whether these are too many is not known", n.Read)), true
		case 100*float64(n.Unreadable) > r.thresholds.OrphanPercent*float64(n.Read+n.Unreadable):
			return page(CauseNotMeasured, words("%d of %d sessions cannot be read as sessions: what they are is not known", n.Unreadable, n.Read+n.Unreadable)), true
		case a.OrphansBeforeProblem != "" || r.store.asks().OrphansBefore != "" && a.OrphansBefore == nil:
			return wait(CauseNotMeasured, "how many orphans there were some minutes ago is asked for and not known, so a jump could not be told: "+
				a.OrphansBeforeProblem), true
		}
	}
	return finding{}, false
}
