package ledger

import (
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// Ask is one fix that somebody wants to start. Everything but Sick, Known and Override must be said.
type Ask struct {
	Incident string
	// Domain is the failure domain, in which one fix stands at a time; Zone is what fails together, in which the sick are counted.
	Domain string
	Zone   string
	// Target is "<handler>:<name of the target>"; Action is "<remediation>/<fix>", e.g. "breaker/open".
	Target string
	Action string
	Class  remediations.Class
	// Sick are the targets of the zone that have an open incident now, this one included; Known are all that the policy names there.
	Sick, Known int
	// Override says that a person breaks the glass: it passes what the package's comment says, and never the lock of the domain.
	Override bool
}

// End is a fix that stands no more.
type End struct {
	Incident string
	Domain   string
	// Class is that of the fix. Empty takes that of the ask; of two the stricter counts.
	Class remediations.Class
	// Doubt says that nobody knows whether the fix still stands. The domain is then frozen until a person acknowledges it.
	Doubt bool
	// Unused says that the record proves that nothing was sent: there is nothing to cool down from, and nothing for a person to look
	// at. The budget stays spent.
	Unused bool
	// Fence is the grant that ends; zero is whichever the incident holds. With it, a late repetition cannot end a later grant.
	Fence uint64
}

// Book is the ledger's document. It is not safe for concurrent use.
type Book struct{ c content }

// content is what is stored. What no limit asks for any more is dropped from it at every change.
type content struct {
	V     int    `json:"v"`
	Fence uint64 `json:"fence"`
	// Active and Ended are by domain, and so are Waits: what waits for a person, oldest first.
	Active map[string]Standing `json:"active"`
	Spent  []spent             `json:"spent"`
	Ended  map[string]ended    `json:"ended"`
	Waits  map[string][]wait   `json:"waits"`
	// Storms are by zone; "" is all zones.
	Storms map[string]storm `json:"storms"`
	// Acked is by target: the last fence of which a person knows. What was granted by then is in no chain any more.
	Acked map[string]uint64 `json:"acked"`
	// Seen is the latest time of any change: nothing is written that is earlier.
	Seen time.Time `json:"seen,omitzero"`
}

// Standing is a grant that was not given back yet, and what it is for.
type Standing struct {
	Domain   string             `json:"domain,omitempty"` // not stored: it is the key
	Incident string             `json:"incident"`
	Fence    uint64             `json:"fence"`
	Since    time.Time          `json:"since"`
	Zone     string             `json:"zone,omitempty"`
	Target   string             `json:"target,omitempty"`
	Action   string             `json:"action,omitempty"` // empty: from a ledger of format 1, and it counts as every action
	Class    remediations.Class `json:"class"`
	Override bool               `json:"override,omitempty"`
}

// spent is one token of every budget. Without a target and an action it is from a ledger of format 1, and counts as all of its domain.
type spent struct {
	Domain string    `json:"domain"`
	Target string    `json:"target,omitempty"`
	Action string    `json:"action,omitempty"`
	Fence  uint64    `json:"fence,omitempty"`
	At     time.Time `json:"at"`
}

// ended are the last fixes that ended in a domain. There are two because the pause after a risky one is longer than after a plain one that
// came later.
type ended struct {
	Plain ending `json:"plain,omitzero"`
	Risky ending `json:"risky,omitzero"`
}

type ending struct {
	Incident string    `json:"incident,omitempty"`
	At       time.Time `json:"at"`
}

// risky says whether a fix of the class leaves something that a person must look at. Only class A does not.
func risky(c remediations.Class) bool { return c != remediations.ClassA }

// Reserve takes the lock of the domain and one token of every budget, or says why not. Asking again for the same change of an
// incident that holds the lock gives the same grant and costs nothing. Another change of that incident is another grant, with a fence
// of its own, which takes the place of the first if the limits allow it: otherwise it would pass the limits of its action.
//
// Changed says that the book must be stored. It can be true although the answer is no; see the package's comment.
func (b *Book) Reserve(l policy.Limits, a Ask, now time.Time) (grant remediations.Grant, no *remediations.NoError, changed bool) {
	if no := a.check(); no != nil {
		return remediations.Grant{}, no, false
	}
	held, ok := b.c.Active[a.Domain]
	if ok && held.covers(a) {
		return remediations.Grant{Fence: held.Fence}, nil, false
	}
	unsure := b.unsure(now)
	if unsure != nil && !a.Override {
		return remediations.Grant{}, unsure.no(), false
	}
	if words := sick(l, a); words != "" {
		changed = b.mark(l, a.Zone, words, now)
	}
	if block := b.refuse(l, a, now); block != nil {
		return remediations.Grant{}, block.no(), changed
	}
	if unsure != nil {
		b.rewind(now)
	}
	at := b.stamp(now)
	b.c.Fence++
	b.c.Active[a.Domain] = Standing{Incident: a.Incident, Fence: b.c.Fence, Since: at, Zone: a.Zone, Target: a.Target, Action: a.Action,
		Class: a.Class, Override: a.Override}
	b.c.Spent = append(b.c.Spent, spent{Domain: a.Domain, Target: a.Target, Action: a.Action, Fence: b.c.Fence, At: at})
	b.prune(l, now)
	return remediations.Grant{Fence: b.c.Fence}, nil, true
}

// Would is what Reserve would say no with, nil if it would grant. It changes nothing: neither is anything taken, nor a storm marked. What it says
// is true for this moment only.
func (b *Book) Would(l policy.Limits, a Ask, now time.Time) *remediations.NoError {
	if no := a.check(); no != nil {
		return no
	}
	if held, ok := b.c.Active[a.Domain]; ok && held.covers(a) {
		return nil
	}
	if unsure := b.unsure(now); unsure != nil && !a.Override {
		return unsure.no()
	}
	if block := b.refuse(l, a, now); block != nil {
		return block.no()
	}
	return nil
}

// covers says whether the grant is already the one that is asked for.
func (s Standing) covers(a Ask) bool {
	return s.Incident == a.Incident && (s.Action == "" || s.Action == a.Action && s.Target == a.Target)
}

// check refuses what does not say what it is for: it would be counted in nothing.
func (a Ask) check() *remediations.NoError {
	for _, f := range []struct{ name, value string }{
		{"incident", a.Incident}, {"failure domain", a.Domain}, {"zone", a.Zone}, {"target", a.Target}, {"action", a.Action}, {"class", string(a.Class)},
	} {
		if f.value == "" {
			return &remediations.NoError{Reason: remediations.ReasonNotAllowed, Words: "the ledger was asked for a fix without its " + f.name}
		}
	}
	switch a.Class {
	case remediations.ClassA, remediations.ClassP, remediations.ClassP2:
		return nil
	}
	return &remediations.NoError{Reason: remediations.ReasonNotAllowed, Words: fmt.Sprintf("no fix of class %s is ever made", a.Class)}
}

// refuse is the first limit that stands in the way, nil if none does.
func (b *Book) refuse(l policy.Limits, a Ask, now time.Time) *Block {
	if held, ok := b.c.Active[a.Domain]; ok && held.Incident != a.Incident {
		return b.busy(a.Domain, now)
	}
	if a.Override {
		return nil
	}
	for _, check := range []func() *Block{
		func() *Block { return b.waiting(a.Domain, now) },
		func() *Block { return b.cooling(l, a.Domain, now) },
		func() *Block { return b.crowded(l, scope{ScopeAction, a.Action}, a.Domain) },
		func() *Block { return b.crowded(l, scope{ScopeAll, ""}, a.Domain) },
		func() *Block { return b.overspent(l, scope{ScopeDomain, a.Domain}, now) },
		func() *Block { return b.overspent(l, scope{ScopeAction, a.Action}, now) },
		func() *Block { return b.overspent(l, scope{ScopeAll, ""}, now) },
		func() *Block { return b.chained(l, a.Domain, a.Target, a.Action, now) },
		func() *Block { return tooSick(l, a) },
		func() *Block { return b.storming(l, a.Zone, now) },
		func() *Block { return b.storming(l, "", now) },
	} {
		if block := check(); block != nil {
			return block
		}
	}
	return nil
}
