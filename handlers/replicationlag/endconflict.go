package replicationlag

import (
	"slices"

	"github.com/firebreak-sre/firebreak/incidents"
)

type conflictParams struct {
	SystemIdentifier string          `json:"system_identifier"`
	Sessions         []sessionParams `json:"sessions"`
	Roles            []string        `json:"roles"`
	Max              int             `json:"max"`
}

type sessionParams struct {
	PID          int    `json:"pid"`
	BackendStart string `json:"backend_start"`
	XactStart    string `json:"xact_start"`
	User         string `json:"user"`
}

// endConflict ends the sessions that hold replay up, if it is they, if all of them may be ended, and if it lasts.
func (r deciding) endConflict(f finding) incidents.Decision {
	c, s, t := r.conflict(f), f.last(), r.thresholds
	said := words("%s is %s: %s", f.name, s.lag.words(), r.stuckWords(f))
	need := 2 * t.SLO.D()
	switch {
	case f.cause == CauseSnapshotConflict && s.standby().Startup.WaitEvent != "RecoveryConflictSnapshot":
		return r.page(f.cause, said+". Which session holds that cannot be told from outside, so none is ended")
	case s.lag.kind == exactly && s.lag.seconds <= need.Seconds():
		return r.wait(f.cause, words("%s; sessions are ended only above %s (2 × SLO)", said, need))
	case c.age <= t.ConflictAge.D():
		return r.wait(f.cause, words("%s; it has lasted %s (%s), and must last longer than %s", said, seconds(c.age.Seconds()), c.how, t.ConflictAge))
	case s.lag.kind != exactly && c.age <= need:
		return r.wait(f.cause, words("%s; the lag in seconds is only an upper bound, and what is proved is %s (%s), which must be over %s", said,
			seconds(c.age.Seconds()), c.how, need))
	case c.doubt != "":
		return r.page(f.cause, said+"; "+c.doubt)
	case len(c.spared) > 0:
		return r.page(f.cause, words("%s; %s holds it up too and is not ended, because %s. Ending others would not help%s",
			said, c.spared[0].words(), c.why, roleHint(c)))
	case len(c.victims) == 0:
		return r.wait(f.cause, words("%s; no session was seen in all of the last %d looks that has held it up for longer than %s", said, len(f.states), t.ConflictAge))
	}
	if c.tooMany != "" {
		return r.page(f.cause, words("%s; it is held up by %s. %s, and ending some of them would not help", said, sessionWords(c.victims), c.tooMany))
	}
	p := conflictParams{SystemIdentifier: s.node.SystemIdentifier, Roles: slices.Sorted(slices.Values(r.cluster.Fix.Roles)), Max: r.cluster.maxSessions()}
	for _, v := range c.victims {
		p.Sessions = append(p.Sessions, sessionParams{PID: v.PID, BackendStart: stamp(v.BackendStart), XactStart: stamp(v.XactStart), User: v.User})
	}
	return r.act(f.cause, r.once(f.name, fixEndConflict, p), words("%s, for %s now (%s). It is held up by %s%s", said, seconds(c.age.Seconds()), c.how,
		sessionWords(c.victims), moreWords(c)))
}
