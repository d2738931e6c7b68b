package remediations

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/policy"
)

// Ledger is what no fix can pass, whichever handler asks for it and on whichever replica: one fix at a time in a failure domain,
// so many in an hour and a day, a pause after each. It is one document that is changed by one compare-and-set, so all
// limits are checked and taken together. A crash after a grant costs budget; it never gives budget back.
type Ledger struct {
	cell   *bus.Cell
	limits policy.Limits
}

// OpenLedger opens the ledger that all replicas share.
func OpenLedger(ctx context.Context, b *bus.Bus, limits policy.Limits) (*Ledger, error) {
	cell, err := b.Cell(ctx, "ledger", "ledger")
	if err != nil {
		return nil, err
	}
	return &Ledger{cell: cell, limits: limits}, nil
}

// NoError is a named no: the ledger was read, and it refuses.
type NoError struct {
	Reason Reason
	Words  string
	// By is the incident that stands in the way, if one does.
	By string
	// Until is when it is worth asking again; zero if that depends on By.
	Until time.Time
}

// Error is the reason with its words.
func (e *NoError) Error() string { return string(e.Reason) + ": " + e.Words }

// Grant is the right to make one fix in one failure domain. It does not end by time: Release ends it.
type Grant struct {
	// Fence is larger than that of every earlier grant.
	Fence uint64
}

const bookVersion = 1

// book is the ledger's document. What no limit asks for any more is dropped from it at every change.
type book struct {
	V      int                  `json:"v"`
	Fence  uint64               `json:"fence"`
	Active map[string]active    `json:"active"` // by domain
	Spent  []spent              `json:"spent"`
	Ended  map[string]time.Time `json:"ended"` // by domain: when its last fix ended
}

type active struct {
	Incident string    `json:"incident"`
	Fence    uint64    `json:"fence"`
	Since    time.Time `json:"since"`
}

type spent struct {
	Domain string    `json:"domain"`
	At     time.Time `json:"at"`
}

// Reserve takes the lock of a failure domain and one token of every budget, or says by a [NoError] why not. Asking again for an
// incident that holds the lock gives the same grant and costs nothing. Any other error means that the limits could not be
// read or taken: it must be treated as a no.
func (l *Ledger) Reserve(ctx context.Context, incident, domain string, now time.Time) (Grant, error) {
	var grant Grant
	err := l.cell.Change(ctx, func(doc []byte) ([]byte, error) {
		b, err := readBook(doc)
		if err != nil {
			return nil, err
		}
		if a, ok := b.Active[domain]; ok && a.Incident == incident {
			grant = Grant{Fence: a.Fence}
			return nil, errHeld
		}
		b.prune(l.limits, now)
		if no := b.refuse(l.limits, domain, now); no != nil {
			return nil, no
		}
		b.Fence++
		b.Active[domain] = active{Incident: incident, Fence: b.Fence, Since: now}
		b.Spent = append(b.Spent, spent{Domain: domain, At: now})
		grant = Grant{Fence: b.Fence}
		return json.Marshal(b)
	})
	if errors.Is(err, errHeld) {
		return grant, nil
	}
	if err != nil {
		return Grant{}, fmt.Errorf("reserve %s: %w", domain, err)
	}
	return grant, nil
}

// errHeld ends a change that has nothing to change.
var errHeld = errors.New("held already")

// Release gives a failure domain free, if the incident holds it, and begins its cooldown. It is safe to repeat.
func (l *Ledger) Release(ctx context.Context, incident, domain string, now time.Time) error {
	err := l.cell.Change(ctx, func(doc []byte) ([]byte, error) {
		b, err := readBook(doc)
		if err != nil {
			return nil, err
		}
		if a, ok := b.Active[domain]; !ok || a.Incident != incident {
			return nil, errHeld
		}
		delete(b.Active, domain)
		b.Ended[domain] = now
		b.prune(l.limits, now)
		return json.Marshal(b)
	})
	if err != nil && !errors.Is(err, errHeld) {
		return fmt.Errorf("release %s: %w", domain, err)
	}
	return nil
}

// readBook refuses what it does not understand: a limit that cannot be read is a no. Only a ledger that was never written is
// empty; one that says nothing is damaged.
func readBook(doc []byte) (*book, error) {
	b := &book{}
	if doc == nil {
		b.V = bookVersion
	} else if err := json.Unmarshal(doc, b); err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	if b.V != bookVersion {
		return nil, fmt.Errorf("read the ledger: its format is %d, and this build knows %d", b.V, bookVersion)
	}
	if b.Active == nil {
		b.Active = map[string]active{}
	}
	if b.Ended == nil {
		b.Ended = map[string]time.Time{}
	}
	return b, nil
}

func (b *book) prune(l policy.Limits, now time.Time) {
	day := now.Add(-24 * time.Hour)
	kept := b.Spent[:0]
	for _, s := range b.Spent {
		if s.At.After(day) {
			kept = append(kept, s)
		}
	}
	b.Spent = kept
	for d, at := range b.Ended {
		if at.Before(day) && !now.Before(at.Add(cooldownOf(l))) {
			delete(b.Ended, d)
		}
	}
}

// refuse is the first limit that stands in the way, nil if none does.
func (b *book) refuse(l policy.Limits, domain string, now time.Time) *NoError {
	if a, ok := b.Active[domain]; ok {
		return &NoError{Reason: ReasonTargetBusy, By: a.Incident,
			Words: fmt.Sprintf("incident %s has had a fix in %s since %s", a.Incident, domain, a.Since.Format(time.TimeOnly))}
	}
	if n := len(b.Active); n >= l.Global.Concurrent {
		return &NoError{Reason: ReasonConcurrent, Words: fmt.Sprintf("%d fixes stand at once; %d are allowed", n, l.Global.Concurrent)}
	}
	cooldown := cooldownOf(l)
	if ended, ok := b.Ended[domain]; ok && now.Before(ended.Add(cooldown)) {
		return &NoError{Reason: ReasonCooldown, Until: ended.Add(cooldown),
			Words: fmt.Sprintf("the last fix in %s ended at %s, and it is left alone for %s", domain, ended.Format(time.TimeOnly), cooldown)}
	}
	if no := b.overspent(l.PerDomain, domain, now); no != nil {
		return no
	}
	return b.overspent(l.Global, "", now)
}

// overspent checks one budget; an empty domain counts all.
func (b *book) overspent(limit policy.Budget, domain string, now time.Time) *NoError {
	where := "all failure domains"
	if domain != "" {
		where = domain
	}
	for _, w := range []struct {
		window time.Duration
		max    int
		name   string
	}{{time.Hour, limit.Hour, "hour"}, {24 * time.Hour, limit.Day, "day"}} {
		n, oldest := 0, now
		for _, s := range b.Spent {
			if (domain == "" || s.Domain == domain) && s.At.After(now.Add(-w.window)) {
				n++
				if s.At.Before(oldest) {
					oldest = s.At
				}
			}
		}
		if n >= w.max {
			return &NoError{Reason: ReasonBudgetSpent, Until: oldest.Add(w.window),
				Words: fmt.Sprintf("%d of %d fixes of this %s are spent in %s", n, w.max, w.name, where)}
		}
	}
	return nil
}

// defaultCooldown is decision-table 1D's for fixes that are not promotions.
const defaultCooldown = 10 * time.Minute

func cooldownOf(l policy.Limits) time.Duration {
	if l.Cooldown == nil {
		return defaultCooldown
	}
	return l.Cooldown.D()
}
