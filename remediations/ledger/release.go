package ledger

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// ErrStanding is returned for an acknowledgement of a fix that has not ended: there is nothing yet to have looked at.
var ErrStanding = errors.New("the fix has not ended")

// wait is an ended fix that a person must acknowledge before another may start in its domain.
type wait struct {
	Incident string             `json:"incident"`
	Class    remediations.Class `json:"class"`
	At       time.Time          `json:"at"`
	Doubt    bool               `json:"doubt,omitempty"`
}

// maxWaits bounds the list of one domain, which grows only by overrides. The oldest goes: the domain waits for the others all the same.
const maxWaits = 8

// Release gives a domain free, if the incident holds it, and begins its cooldown. A risky fix, and one that ended in doubt, leave the
// domain waiting for a person. It is safe to repeat.
func (b *Book) Release(l policy.Limits, e End, now time.Time) (changed bool) {
	held, ok := b.c.Active[e.Domain]
	if !ok || held.Incident != e.Incident || (e.Fence != 0 && e.Fence != held.Fence) {
		return false
	}
	at := b.stamp(now)
	delete(b.c.Active, e.Domain)
	if e.Unused {
		b.prune(l, now)
		return true
	}
	last := b.c.Ended[e.Domain]
	class := stricter(e.Class, held.Class)
	if risky(class) {
		last.Risky = ending{Incident: e.Incident, At: at}
	} else {
		last.Plain = ending{Incident: e.Incident, At: at}
	}
	b.c.Ended[e.Domain] = last
	if e.Doubt || risky(class) {
		b.wait(e.Domain, wait{Incident: e.Incident, Class: class, At: at, Doubt: e.Doubt})
	}
	b.prune(l, now)
	return true
}

// wait adds to what waits in a domain; one incident waits once.
func (b *Book) wait(domain string, w wait) {
	waits := b.c.Waits[domain]
	if i := slices.IndexFunc(waits, func(o wait) bool { return o.Incident == w.Incident }); i >= 0 {
		w.Doubt = w.Doubt || waits[i].Doubt
		w.Class = stricter(w.Class, waits[i].Class)
		waits = slices.Delete(waits, i, i+1)
	}
	waits = append(waits, w)
	b.c.Waits[domain] = waits[max(0, len(waits)-maxWaits):]
}

// stricter is the class that asks for more. What nobody knows asks for nothing here: the other one counts.
func stricter(a, b remediations.Class) remediations.Class {
	order := []remediations.Class{"", remediations.ClassA, remediations.ClassP, remediations.ClassP2, remediations.ClassN}
	if slices.Index(order, a) > slices.Index(order, b) {
		return a
	}
	return b
}

// waiting is what waits for a person in a domain: what is in doubt before what is only risky, and the oldest of those.
func (b *Book) waiting(domain string, now time.Time) *Block {
	waits := b.c.Waits[domain]
	if len(waits) == 0 {
		return nil
	}
	return waits[max(0, slices.IndexFunc(waits, func(w wait) bool { return w.Doubt }))].block(domain, now)
}

func (w wait) block(domain string, now time.Time) *Block {
	block := &Block{Reason: remediations.ReasonUnacknowledged, Scope: ScopeDomain, Domain: domain, By: w.Incident, Since: w.At,
		Words: fmt.Sprintf("a fix of class %s in %s ended at %s, and nobody has acknowledged it", w.Class, domain, clock(w.At, now))}
	if w.Doubt {
		block.Reason = remediations.ReasonFrozen
		block.Words = fmt.Sprintf("a fix in %s ended in doubt at %s: nobody knows what it left, and nobody has acknowledged it", domain, clock(w.At, now))
	}
	return block
}

// Ack is a person's word that they have looked: what waits in the domain for the incident waits no more, and the chains of the target are
// counted anew. It returns the [remediations.Reason]s that refuse no more because of it. A fix that still stands cannot be acknowledged: the error
// is [ErrStanding], and nothing is changed. It is safe to repeat. An empty domain or target leaves that part out. Cooldowns go on.
func (b *Book) Ack(l policy.Limits, incident, domain, target string, now time.Time) (lifted []string, err error) {
	for d, held := range b.c.Active {
		if held.Incident == incident && (domain == "" || d == domain) {
			return nil, fmt.Errorf("acknowledge %s: %w: it has stood in %s since %s", incident, ErrStanding, d, clock(held.Since, now))
		}
	}
	before := b.waitsFor(domain)
	rest := slices.DeleteFunc(b.c.Waits[domain], func(w wait) bool { return w.Incident == incident })
	b.c.Waits[domain] = rest
	if len(rest) == 0 {
		delete(b.c.Waits, domain)
	}
	after := b.waitsFor(domain)
	lifted = slices.DeleteFunc(before, func(r string) bool { return slices.Contains(after, r) })
	if target != "" && b.newCount(l, domain, target, now) {
		lifted = append(lifted, string(remediations.ReasonChain))
	}
	b.stamp(now)
	b.prune(l, now)
	return lifted, nil
}

// waitsFor are the reasons for which a domain waits for a person.
func (b *Book) waitsFor(domain string) []string {
	var all []string
	for _, w := range b.c.Waits[domain] {
		if w.Doubt {
			all = append(all, string(remediations.ReasonFrozen))
		}
		if risky(w.Class) {
			all = append(all, string(remediations.ReasonUnacknowledged))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// newCount begins the chains of a target anew, and says whether one of them was full. It goes by the fence, not by a clock.
func (b *Book) newCount(l policy.Limits, domain, target string, now time.Time) (full bool) {
	for _, action := range b.actions() {
		full = full || b.chained(l, domain, target, action, now) != nil
	}
	b.c.Acked[target] = b.c.Fence
	return full
}
