package fakeslack

import "time"

// tier is how often a method may be called.
type tier int

// The tiers, in calls a minute. Slack says of each that it is "at least" this many; this fake allows no more. Tier 1 is one
// a minute, with bursts: apps.connections.open could not be called after a lost connection otherwise.
const (
	unlimited tier = 0
	tier1     tier = 10
	tier2     tier = 20
	tier3     tier = 50
	tier4     tier = 100
)

// brakes remember what was called when.
type brakes struct {
	// calls are those of the last minute, by method.
	calls map[string][]time.Time
	// due is when a channel has taken in all its messages, at one a second.
	due map[string]time.Time
}

// limited says how long the caller of a method has to wait. 0: not at all, and the call is counted.
func (b *brakes) limited(method string, t tier, now time.Time) time.Duration {
	if t == unlimited {
		return 0
	}
	if b.calls == nil {
		b.calls = map[string][]time.Time{}
	}
	recent := b.calls[method]
	for len(recent) > 0 && now.Sub(recent[0]) >= time.Minute {
		recent = recent[1:]
	}
	b.calls[method] = recent
	if len(recent) >= int(t) {
		return time.Minute - now.Sub(recent[0])
	}
	b.calls[method] = append(recent, now)
	return 0
}

// crowded says how long to wait before the next message to a channel, which takes one a second and a burst at once.
func (b *brakes) crowded(channel string, burst int, now time.Time) time.Duration {
	if b.due == nil {
		b.due = map[string]time.Time{}
	}
	due := b.due[channel]
	if due.Before(now) {
		due = now
	}
	if wait := due.Sub(now) - time.Duration(burst-1)*time.Second; wait > 0 {
		return wait
	}
	b.due[channel] = due.Add(time.Second)
	return 0
}
