package pgbouncer_test

import (
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations/pgbouncer"
	"github.com/firebreak-sre/firebreak/remediations/remediationtest"
)

// A larger pool keeps to what every remediation must, by both means. The stranger sets another value; what ends a change that nobody renewed is a
// RELOAD. PgBouncer keeps no owner, so whose a value is follows from the value.
func TestConformance(t *testing.T) {
	t.Parallel()
	pg := postgres(t)
	for means, c := range map[string]struct{ params, key, base, ours string }{
		"default": {`{"database":"app","from":20,"to":23,"usable":60}`, "default_pool_size", "20", "23"},
		"reserve": {`{"database":"own","from":8,"to":10,"usable":60,"means":"reserve_pool_size"}`, "reserve_pool_size", "0", "2"},
	} {
		t.Run(means, func(t *testing.T) {
			t.Parallel()
			remediationtest.Run(t, func(t *testing.T) remediationtest.Target {
				b := open(t, pg)
				s := step(pgbouncer.FixGrow, c.params)
				s.Timeout = policy.Duration(5 * time.Second)
				strangers := 0
				return remediationtest.Target{
					Remediation: b.admin(),
					Step:        s,
					Standing: func() string {
						return map[string]string{c.base: "", c.ours: "a1", "31": remediationtest.Stranger}[b.setting(c.key)]
					},
					Effects:  func() int { return strangers + b.wire.count("SET "+c.key+" = "+c.ours) },
					Stranger: func() { strangers++; b.by("SET " + c.key + " = 31") },
					Expire:   func() { b.by("RELOAD") },
					Mute:     b.wire.muted,
				}
			})
		})
	}
}
