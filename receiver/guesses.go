package receiver

import (
	"net/netip"
	"sync"
	"time"
)

// What one address may get wrong: so many at once, and one more after each span. With it about fourteen thousand tokens could be tried in a
// day, of the 2^256 that "firebreak token" chooses from.
const (
	guessesAtOnce = 10
	guessEvery    = 6 * time.Second
)

// guessers is how many addresses are told apart. Each takes some hundred bytes; those beyond share one budget.
const guessers = 4096

// sayAgain is how long nothing more is logged of an address.
const sayAgain = time.Minute

// guesses counts wrong credentials by address. It never sees a right one: whoever shows that comes in whatever others at the same address have
// done, since an alert must not be lost, nor a person be locked out, by somebody else behind the same NAT.
type guesses struct {
	now func() time.Time

	mu sync.Mutex
	// by is guarded by mu, as are the rest. crowd is the budget of all that there is no room for.
	by     map[netip.Prefix]*guesser
	crowd  guesser
	pruned time.Time
}

// guesser is one address. Its budget is full at full, which moves on by guessEvery with each wrong credential.
type guesser struct {
	full, said time.Time
}

func newGuesses(now func() time.Time) *guesses {
	return &guesses{now: now, by: map[netip.Prefix]*guesser{}}
}

// wrong counts a wrong credential. wait is how long until the next one is within the budget, 0 if this one still was. say is whether a line
// in the log is due.
func (g *guesses) wrong(remote string) (wait time.Duration, say bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	one := g.of(prefixOf(remote), now)
	if say = now.Sub(one.said) >= sayAgain; say {
		one.said = now
	}
	if one.full.Before(now) {
		one.full = now
	}
	// What is spent comes back by and by; a credential beyond the budget spends nothing, or nobody would ever get out of it.
	if wait = one.full.Add(guessEvery).Sub(now) - guessesAtOnce*guessEvery; wait > 0 {
		return wait, say
	}
	one.full = one.full.Add(guessEvery)
	return 0, say
}

// of is the guesser of an address, made if there is room. mu is held.
func (g *guesses) of(p netip.Prefix, now time.Time) *guesser {
	if one := g.by[p]; one != nil {
		return one
	}
	if len(g.by) >= guessers {
		g.prune(now)
	}
	if len(g.by) >= guessers {
		return &g.crowd
	}
	one := &guesser{}
	g.by[p] = one
	return one
}

// prune forgets who has the whole budget again and of whom something may be said again, at most once in a second: it goes through all.
func (g *guesses) prune(now time.Time) {
	if now.Sub(g.pruned) < time.Second {
		return
	}
	g.pruned = now
	for p, one := range g.by {
		if !one.full.After(now) && now.Sub(one.said) >= sayAgain {
			delete(g.by, p)
		}
	}
}

// prefixOf is whom an address belongs to: one of IPv4, and a /64 of IPv6, of which everybody has at least one whole. What is no address, such
// as the other end of a socket, is one and the same.
func prefixOf(remote string) netip.Prefix {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{}
	}
	addr, bits := at.Addr().Unmap().WithZone(""), 32
	if addr.Is6() {
		bits = 64
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
