package replicationlag

import (
	"slices"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
)

type resumeParams struct {
	SystemIdentifier string           `json:"system_identifier"`
	ReplayLSN        string           `json:"replay_lsn"`
	Settings         map[string]int64 `json:"settings"`
}

// resumeReplay resumes what somebody paused only if the pause is old and threatens the primary. All else is for a person: somebody may be
// rescuing data from just this standby.
func (r deciding) resumeReplay(f finding) incidents.Decision {
	s := f.last()
	said := words("replay on %s is %s; %s. No setting is known to be lower than the primary's, so a person paused it, or a backup did", f.name, s.pause(), s.lag.words())
	if why := r.keepsPause(f); why != "" {
		return r.page(f.cause, words("%s. It is not resumed: %s. %s", said, why, byHand(f.cause)))
	}
	settings := map[string]int64{}
	for _, name := range ComparedSettings() {
		settings[name] = s.primary.Settings[name]
	}
	return r.act(f.cause, r.once(f.name, fixResumeReplay, resumeParams{SystemIdentifier: s.node.SystemIdentifier,
		ReplayLSN: s.standby().Replayed.String(), Settings: settings}),
		words("%s. It has been paused for longer than %s, and its slot holds back more than %s of what the primary may keep",
			said, r.thresholds.PausedFor, percent(r.thresholds.RetainedShare)))
}

// keepsPause says why replay is not resumed; "" if that may be proposed.
func (r deciding) keepsPause(f finding) string {
	s, t := f.last(), r.thresholds
	lower, unknown := s.settings()
	for _, st := range f.states {
		if st.pause() != pausePaused {
			return words("it was not paused in all of the last looks (%s)", st.pause())
		}
		if st.standby().Replayed == nil || *st.standby().Replayed != *s.standby().Replayed {
			return "its position moves"
		}
	}
	keep := float64(s.primary.Settings["max_slot_wal_keep_size"]) * (1 << 20)
	switch age := r.pausedFor(f); {
	case s.node.Version < 140000:
		return "before version 14 it cannot be told from the pause which PostgreSQL makes of itself"
	case len(lower)+len(unknown) > 0:
		return "these are lower than on the primary, or not known: " + strings.Join(append(lower, unknown...), ", ")
	case age <= t.PausedFor.D():
		return words("it is known to be paused for %s, and after %s it may be proposed", seconds(age.Seconds()), t.PausedFor)
	case s.standby().Backups > 0 || s.primary.Primary.Backups > 0 ||
		slices.ContainsFunc(s.primary.Primary.Senders, func(w Sender) bool { return w.State == "backup" }):
		return "a base backup is under way"
	case s.slot == nil || s.slot.Retained == nil:
		return "what its slot holds back is not known"
	case keep <= 0:
		return "max_slot_wal_keep_size sets no bound, so nothing says that the pause does harm"
	case float64(*s.slot.Retained) <= t.RetainedShare*keep:
		return words("its slot holds back %s, and up to %s of %s does no harm", held(s.slot), percent(t.RetainedShare), size(keep))
	}
	return ""
}

// pausedFor is for how long replay is known to be paused: over our looks, or since the last commit that it replayed while the primary
// says that its oldest WAL waits for as long.
func (r deciding) pausedFor(f finding) time.Duration {
	s := f.last()
	age := r.unmoved(f.name, func(s state) bool { return s.pause() == pausePaused })
	since := s.commitAge()
	if s.lag.kind == exactly {
		since = min(since, s.lag.seconds)
	}
	return max(age, span(Seconds(since)))
}
