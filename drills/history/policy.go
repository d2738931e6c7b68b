package history

import (
	"fmt"
	"strings"

	"github.com/firebreak-sre/firebreak/policy"
)

// Policy makes a policy with so many edges, in zones of ten, and limits wide enough that a busy past is not refused as a whole. Lines are
// what stands below the handler, such as "thresholds: {ratio: 2}"; without any, thresholds that make incidents short.
func Policy(edges int, mode policy.Mode, lines ...string) (policy.Policy, error) {
	var b strings.Builder
	b.WriteString("server: {api: {operators: [{name: ann, token: 0123456789abcdef0123456789abcdef, may: [read, approve]}]}}\napprovals: {rules: [{operators: [ann]}]}\n")
	b.WriteString("limits:\n  per_domain: {hour: 6, day: 30, concurrent: 1}\n  per_action: {hour: 60, day: 900, concurrent: 20}\n" +
		"  global: {hour: 80, day: 1200, concurrent: 20}\nhandlers:\n  retrystorm:\n")
	fmt.Fprintf(&b, "    mode: %s\n", mode)
	if len(lines) == 0 {
		lines = []string{"thresholds: {sample_every: 10s, verify_within: 60s, hold_for: 20s, ramp_every: 10s}"}
	}
	for _, l := range lines {
		b.WriteString("    " + l + "\n")
	}
	b.WriteString("    edges:\n")
	for i := range edges {
		const prom = "{url: 'http://127.0.0.1:9090', calls: 'c', attempts: 'a', successes: 's', failures: 'f'}"
		fmt.Fprintf(&b, "      - {service: service%03d, edge: dependency, zone: zone%02d, probe: {prometheus: %s}, fix: {breaker: {}, allow: [open, retry_budget, shed]}}\n",
			i, i/10, prom)
	}
	return policy.Parse("history", []byte(b.String()), func(string) (string, bool) { return "", false })
}
