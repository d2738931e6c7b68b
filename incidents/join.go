package incidents

import (
	"time"

	"github.com/firebreak-sre/firebreak/alerts"
	"github.com/firebreak-sre/firebreak/remediations"
)

// Joining is what becomes of one delivered alert.
type Joining string

// What an alert can be to its target's newest incident.
const (
	Opens   Joining = "opens"   // it begins a new incident
	Joins   Joining = "joins"   // it is news for the open incident
	Repeats Joining = "repeats" // known already: a repeat, a retry, or the copy of an Alertmanager's peer
	Late    Joining = "late"    // it tells of a time that was over before: reordered or replayed
	Stray   Joining = "stray"   // resolved, and nobody had heard that it fired
)

// refreshEvery is how often a repeat is recorded as proof that the alert still fires.
const refreshEvery = time.Hour

// Join says what an alert is to latest, the newest incident of its target (nil if there was none). Alerts come at least once,
// in any order, from several Alertmanagers, and a resolve can be missing; startsAt moves between Prometheus replicas,
// so only the fingerprint is the identity.
func Join(latest *State, a alerts.Alert) Joining {
	if latest == nil {
		return opensIfFiring(a)
	}
	known := latest.alert(a.Fingerprint)
	switch {
	case known == nil && latest.Open() && a.Status == alerts.Firing:
		return Joins
	case known == nil:
		return opensIfFiring(a)
	case known.Status == alerts.Firing && a.Status == alerts.Firing:
		return joinRefresh(latest, known, a)
	case known.Status == alerts.Firing:
		// A resolve of an earlier firing can arrive behind the next firing.
		if !a.EndsAt.IsZero() && ms(a.EndsAt).Before(ms(known.StartsAt)) {
			return Late
		}
		if !latest.Open() {
			return Repeats
		}
		return Joins
	case a.Status == alerts.Resolved:
		return Repeats
	case !ms(a.StartsAt).After(ms(known.EndsAt)) && !stillFires(*known, a):
		return Late
	case latest.Open():
		return Joins
	}
	return Opens
}

// stillFires says that Alertmanager itself was asked after the resolve had come, and says that the alert fires: another
// Prometheus, with a startsAt of its own, has not seen the end.
func stillFires(resolved, a alerts.Alert) bool {
	return a.Delivery.Source == alerts.SourceAPI && a.Delivery.At.After(resolved.Delivery.At)
}

func opensIfFiring(a alerts.Alert) Joining {
	if a.Status == alerts.Firing {
		return Opens
	}
	return Stray
}

// joinRefresh is for an alert that is known to fire. An incident that ended while its alert was said to fire had
// waited in vain for the resolve: hearing of it again is a new incident.
func joinRefresh(latest *State, known *alerts.Alert, a alerts.Alert) Joining {
	switch {
	case !latest.Open() && a.Delivery.At.After(latest.ClosedAt):
		return Opens
	case latest.Open() && a.Delivery.At.Sub(known.Delivery.At) >= refreshEvery:
		return Joins
	case latest.Refusal != nil && latest.Refusal.Reason == remediations.ReasonStaleAlert && a.Delivery.At.After(known.Delivery.At):
		return Joins // the proof that it still fires is what the incident waits for
	}
	return Repeats
}

// ms cuts to milliseconds: Alertmanager's API has no more, its webhook has.
func ms(t time.Time) time.Time { return t.Truncate(time.Millisecond) }
