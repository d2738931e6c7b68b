// Package families makes the rules of a policy for a replay: all failure families as they think, the bounds of all fixes, and the
// maintenance windows. It brings no client, which a test holds: what is made here can be run on the past, and reach nothing.
package families

import (
	"errors"
	"fmt"

	"github.com/firebreak-sre/firebreak/handlers/poolexhaustion"
	"github.com/firebreak-sre/firebreak/handlers/replay"
	"github.com/firebreak-sre/firebreak/handlers/replicationlag"
	"github.com/firebreak-sre/firebreak/handlers/retrystorm"
	"github.com/firebreak-sre/firebreak/handlers/sessiondrift"
	"github.com/firebreak-sre/firebreak/handlers/think"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations/known"
	"github.com/firebreak-sre/firebreak/remediations/windows"
)

// Rules are those of a policy. Build is the version of this program, as decisions have it in their record.
func Rules(p policy.Policy, build string) (replay.Rules, error) {
	storm, stormErr := retrystorm.New(p.Handlers.RetryStorm)
	lag, lagErr := replicationlag.New(p)
	pool, poolErr := poolexhaustion.New(p)
	drift, driftErr := sessiondrift.New(p)
	open, windowsErr := windows.New(p.Guard.Maintenance)
	if err := errors.Join(stormErr, lagErr, poolErr, driftErr, windowsErr); err != nil {
		return replay.Rules{}, fmt.Errorf("read the policy for a replay: %w", err)
	}
	thinkers := map[string]*think.Bound{}
	for _, b := range []*think.Bound{think.Bind(storm), think.Bind(lag), think.Bind(pool), think.Bind(drift)} {
		thinkers[b.Name()] = b
	}
	return replay.Rules{Hash: p.Hash(), Build: build, Thinkers: thinkers, Permits: p.Permits, Anyone: p.Anyone, Bounds: known.New(p).Bounds,
		Windows: open.Check, Limits: p.Limits}, nil
}
