// Package probe is the half of the family sessiondrift that looks: at a store of sessions, at what its replicas hold, and at what
// Prometheus says about its surroundings. It reads and never changes anything. What is made of a look is not its business: see the package
// sessiondrift.
//
// A look is bounded in time and in work, and its parts do not wait for each other longer than they must:
//
//	store      membership -> one scan of the live sessions, by that membership -> orphans, copies
//	replicas   positions -> digests at one cut, all at once -> the buckets that differ, a few of them session by session
//	Prometheus all questions at once
//
// What was not reached in time says so in its part, or is said not to be complete.
package probe

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/sessiondrift"
	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/policy"
)

const (
	// lookWithin bounds a look. It is less than what the loop gives one, so that what was read is told.
	lookWithin = 8 * time.Second
	// membersWithin bounds the membership, and positionsWithin those of the replicas, which a store may ask one after the other.
	membersWithin   = 4 * time.Second
	positionsWithin = 5 * time.Second
	// scanWithin is the part of a look that may be gone when the scan ends.
	scanWithin = 7 * time.Second
	// maxScanned is how many live sessions one scan reads. Beyond that it is not complete.
	maxScanned = 100_000
)

// limits are those constants, which tests make smaller.
type limits struct {
	look, members, positions, scan time.Duration
	scanned                        int
}

func usualLimits() limits {
	return limits{look: lookWithin, members: membersWithin, positions: positionsWithin, scan: scanWithin, scanned: maxScanned}
}

// Prober looks at the stores that the policy names for sessiondrift. It is safe for concurrent use and holds no state.
type Prober struct {
	stores map[string]store
	client *http.Client
	limits limits
}

// store is one of them.
type store struct {
	sessions.Looker
	ttl time.Duration
	// metrics is nil where Prometheus is not asked.
	metrics *policy.DriftMetrics
}

// New reads which stores there are; stores says how each is reached, by its name. It looks at nothing yet. All problems are reported
// together. The client's transport is used to ask Prometheus; its redirects are not, and nil is a plain client.
func New(p policy.Policy, stores map[string]sessions.Looker, client *http.Client) (*Prober, error) {
	if client == nil {
		client = &http.Client{}
	}
	prober := &Prober{stores: map[string]store{}, client: refuseRedirects(client), limits: usualLimits()}
	var problems []error
	for _, s := range p.Handlers.SessionDrift.Stores {
		known, named := p.SessionStore(s.Store)
		looker, reached := stores[s.Store]
		switch {
		case !named:
			problems = append(problems, fmt.Errorf("store %q: sessions names no such store", s.Store))
		case !reached || looker == nil:
			problems = append(problems, fmt.Errorf("store %q: nothing to look at it with", s.Store))
		}
		prober.stores[s.Store] = store{Looker: looker, ttl: known.TTL.D(), metrics: s.Prometheus}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("read policy of handler %s: %w", sessiondrift.Name, err)
	}
	return prober, nil
}
