package ledger

import (
	"cmp"
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// storm is a mark on a zone: since when, and when it was last seen to go on.
type storm struct {
	Since time.Time `json:"since"`
	Seen  time.Time `json:"seen"`
	Words string    `json:"words"`
}

// maxGrain bounds how often a storm that goes on is written down.
const maxGrain = 5 * time.Second

// grainOf is how much later than what it says a mark may really have been seen last. A storm is held for so much longer, so that it
// never ends early.
func grainOf(l policy.Limits) time.Duration { return min(maxGrain, calmOf(l)/10) }

// Surge marks a storm in a zone; an empty zone is all zones. The mark holds for as long as the surge is reported again, and ends
// when [policy.BlastRadius] Calm has passed since the last report, up to five seconds later. A report that would change nothing
// is not written: that is at most one change in a few seconds and zone.
func (b *Book) Surge(l policy.Limits, zone string, now time.Time) (changed bool) {
	changed = b.mark(l, zone, "too many alerts came at once", now)
	if changed {
		b.prune(l, now)
	}
	return changed
}

func (b *Book) mark(l policy.Limits, zone, words string, now time.Time) (changed bool) {
	at := latest(now, b.c.Seen)
	old, ok := b.c.Storms[zone]
	ok = ok && now.Before(stormEnd(l, old))
	if ok && at.Sub(old.Seen) < grainOf(l) {
		return false
	}
	at = b.stamp(now)
	since := at
	if ok {
		since = old.Since
	}
	b.c.Storms[zone] = storm{Since: since, Seen: at, Words: words}
	return true
}

func stormEnd(l policy.Limits, s storm) time.Time { return s.Seen.Add(calmOf(l) + grainOf(l)) }

// storming says that a zone, or with an empty name all of them, has not been calm for long enough.
func (b *Book) storming(l policy.Limits, zone string, now time.Time) *Block {
	s, ok := b.c.Storms[zone]
	if !ok || !now.Before(stormEnd(l, s)) {
		return nil
	}
	where, block := "zone "+zone, &Block{Reason: remediations.ReasonStorm, Zone: zone, Since: s.Since, Until: stormEnd(l, s)}
	if zone == "" {
		where, block.Scope = "all zones", ScopeAll
	}
	block.Words = fmt.Sprintf("%s: %s, last at %s; fixes start again after %s of calm", where, s.Words, clock(s.Seen, now), calmOf(l))
	return block
}

// sick says in words that too many targets of the zone are sick for the fault to be theirs; "" if not.
func sick(l policy.Limits, a Ask) string {
	targets := cmp.Or(l.BlastRadius.Targets, defaultSickTargets)
	percent := cmp.Or(l.BlastRadius.SharePercent, defaultSickPercent)
	if a.Sick <= 1 || (a.Sick <= targets && a.Sick*100 <= percent*a.Known) {
		return ""
	}
	return fmt.Sprintf("%d of %d targets are sick at once; %d, and %d%% of them, are allowed", a.Sick, a.Known, targets, percent)
}

func tooSick(l policy.Limits, a Ask) *Block {
	words := sick(l, a)
	if words == "" {
		return nil
	}
	return &Block{Reason: remediations.ReasonBlastRadius, Zone: a.Zone, Words: "zone " + a.Zone + ": " + words + ": the fault is upstream of them"}
}
