package sessiondrift

import (
	"slices"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// What is wrong with the replicas as such. None of it is mended from here: what is sent again makes the stream longer, not the replica faster.

// replicaDown is for a replica whose link is gone.
func (r deciding) replicaDown() (finding, bool) {
	return r.replica(CauseReplicaDown, func(x sessions.Replica) bool { return !follows(x) && !strays(x) }, func(x sessions.Replica) string {
		text := words("%s is %s", x.Name, x.State)
		if at := r.newest().seen.Members.At; !x.LastContact.IsZero() && at.After(x.LastContact) {
			text += words(", last heard from %s ago", span(at.Sub(x.LastContact)))
		}
		return text
	}, "Sessions have fewer copies than they should. It is brought back by who runs it; nothing can be sent to it before")
}

// lagUnknown is for a replica that follows, and of which nobody can say how far it is. A lag that is not known is not small.
func (r deciding) lagUnknown() (finding, bool) {
	return r.replica(CauseLagUnknown, func(x sessions.Replica) bool {
		return follows(x) && !strays(x) && (!x.Known || !finite(x.LagSeconds))
	}, func(x sessions.Replica) string {
		return words("how far %s is behind is not known (%s)", x.Name, x.State)
	}, "A lag that is not known is not small")
}

// lagging is for a replica that follows and is far behind.
func (r deciding) lagging() (finding, bool) {
	late := func(x sessions.Replica) bool {
		return follows(x) && !strays(x) && x.Known && x.LagSeconds > r.thresholds.Lag.D().Seconds()
	}
	f, found := r.replica(CauseSlowSync, late, func(x sessions.Replica) string {
		return words("%s is %s and %d behind", x.Name, seconds(x.LagSeconds), x.LagUnits)
	}, "Nothing is sent again: what it lacks is on its way to it, and more in the stream makes it no faster")
	if !found || !r.catchesUp(late) {
		return f, found
	}
	return wait(CauseRecovering, "a replica catches up: "+f.why), true
}

// shrinks is what is left of a lag at most, from the first look that must agree to the last, when a replica catches up by itself.
const shrinks = 0.8

// catchesUp says that each replica that is late is much less so than in the first of the looks.
func (r deciding) catchesUp(late func(sessions.Replica) bool) bool {
	first := r.samples()[0].seen.Replicas.Replicas
	return !slices.ContainsFunc(r.newest().seen.Replicas.Replicas, func(x sessions.Replica) bool {
		i := slices.IndexFunc(first, func(y sessions.Replica) bool { return y.Name == x.Name })
		return late(x) && (i < 0 || !late(first[i]) || x.LagSeconds > shrinks*first[i].LagSeconds || x.LagUnits > first[i].LagUnits)
	})
}

// replica is a rule about one replica or several: it is a page if all looks that must agree say it of the same one.
func (r deciding) replica(c Cause, is func(sessions.Replica) bool, say func(sessions.Replica) string, then string) (finding, bool) {
	last := r.newest().seen.Replicas
	if last.Problem != "" {
		return finding{}, false
	}
	var now, always []string
	for _, x := range last.Replicas {
		if !is(x) {
			continue
		}
		now = append(now, say(x))
		if !slices.ContainsFunc(r.samples(), func(s sight) bool {
			return s.seen.Replicas.Problem != "" ||
				!slices.ContainsFunc(s.seen.Replicas.Replicas, func(y sessions.Replica) bool { return y.Name == x.Name && is(y) })
		}) {
			always = append(always, say(x))
		}
	}
	switch {
	case len(now) == 0:
		return finding{}, false
	case len(always) == 0:
		return wait(c, "since the last look only: "+list(now)), true
	}
	return page(c, list(always)+". "+then), true
}
