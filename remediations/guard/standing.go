package guard

import (
	"fmt"
	"slices"
	"strings"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/alerts/live"
	"github.com/firebreak-sre/firebreak/remediations"
)

// standing is what is known of one alert. The larger is the stricter: of several peers the largest counts.
type standing int

const (
	absent      standing = iota // nobody knows it
	unprocessed                 // it has just come in, so that nobody looked for silences
	active                      // it fires, and nothing speaks against acting on it
	odd                         // it is in a state that this build does not know
	muted                       // a time interval mutes it, or it is suppressed without a word why
	inhibited
	silenced
	unrouted // it is not routed to us, so it is not ours
)

// reason is how the standing is named when it is the no.
func (s standing) reason() remediations.Reason {
	switch s {
	case absent:
		return remediations.ReasonResolved
	case muted:
		return remediations.ReasonMuted
	case inhibited:
		return remediations.ReasonInhibited
	case silenced:
		return remediations.ReasonSilenced
	case unrouted:
		return remediations.ReasonNotAllowed
	case unprocessed, active, odd:
	}
	return remediations.ReasonUnconfirmed
}

// opinion is one alert's standing, with words.
type opinion struct {
	standing standing
	words    string
}

// maxTold is how many alerts, or ids of one alert, a refusal names.
const maxTold = 3

// judge is nil if one of the alerts is active. Otherwise the standing that explains most is the no: that somebody suppressed
// an alert comes before that another one is not ours, and that before that yet another one is gone.
func judge(list []alerts.Alert, answered []answer) *remediations.NoError {
	all := make([]opinion, len(list))
	for i, a := range list {
		all[i] = standingOf(a, answered)
		if all[i].standing == active {
			return nil
		}
	}
	for _, s := range []standing{silenced, inhibited, muted, odd, unprocessed, unrouted, absent} {
		var words []string
		for _, f := range all {
			if f.standing == s {
				words = append(words, f.words)
			}
		}
		if len(words) > 0 {
			return refuse(s.reason(), some(words, "; "))
		}
	}
	return refuse(remediations.ReasonUnconfirmed, "nothing is known of the incident's alerts")
}

// standingOf is the strictest that a peer says of an alert.
func standingOf(a alerts.Alert, answered []answer) opinion {
	name := fmt.Sprintf("%s (%s)", clean(a.Name(), maxName), clean(a.Fingerprint, 16))
	worst := opinion{standing: absent, words: name + " is not known any more"}
	for _, one := range answered {
		at, ok := one.list[a.Fingerprint]
		if !ok {
			continue
		}
		s, words := standingAt(at, one.peer.Receiver)
		if s > worst.standing {
			worst = opinion{standing: s, words: name + " " + words + ", says " + one.peer.Name}
		}
	}
	return worst
}

// standingAt is what one peer says of an alert. Who suppresses it counts more than the state: Alertmanager does not call a muted
// alert suppressed everywhere.
func standingAt(a live.Alert, receiver string) (standing, string) {
	switch {
	case receiver != "" && len(a.Receivers) > 0 && !slices.Contains(a.Receivers, receiver):
		return unrouted, fmt.Sprintf("is routed to %s and not to our receiver %s", ids(a.Receivers), receiver)
	case len(a.SilencedBy) > 0:
		return silenced, "is silenced by " + ids(a.SilencedBy)
	case len(a.InhibitedBy) > 0:
		return inhibited, "is inhibited by " + ids(a.InhibitedBy)
	case len(a.MutedBy) > 0:
		return muted, "is muted by " + ids(a.MutedBy)
	}
	switch a.State {
	case live.Active:
		return active, "is active"
	case live.Unprocessed:
		return unprocessed, "has just come in, and was not compared with silences yet"
	case live.Suppressed:
		return muted, "is suppressed without a word by what"
	}
	return odd, fmt.Sprintf("is in the unknown state %q", clean(string(a.State), maxName))
}

// ids are names that strangers gave, on one line.
func ids(list []string) string {
	names := make([]string, len(list))
	for i, id := range list {
		names[i] = clean(id, maxName)
	}
	return some(names, ", ")
}

// some joins the first of the words and counts the rest.
func some(words []string, separator string) string {
	if len(words) <= maxTold {
		return strings.Join(words, separator)
	}
	return fmt.Sprintf("%s%sand %d more", strings.Join(words[:maxTold], separator), separator, len(words)-maxTold)
}
