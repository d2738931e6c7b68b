package replicatest

import (
	"fmt"
	"strings"
)

// policyText is an ordinary policy with short times and wide budgets. What people would wait for is not what is tried here.
const policyText = `
server: {listen: "%[1]s"}
bus:
  url: "%[2]s"
  token: "%[3]s"
  replicas: 3
  max_bytes: 64MiB
limits:
  per_domain: {hour: 5000, day: 10000, concurrent: 1}
  per_action: {hour: 5000, day: 10000, concurrent: 100}
  global: {hour: 5000, day: 10000, concurrent: 100}
  blast_radius: {targets: 100, share_percent: 100, alerts_per_minute: 100000, calm: 1s}
  ineffective_chain: {fixes: 10000}
  cooldown: 0s
handlers:
  retrystorm:
    mode: auto
    thresholds:
      min_calls: 40
      many_edges: 100
      sample_every: 100ms
      verify_within: 30s
      hold_for: 300ms
      ramp_every: 200ms
    edges:
%[4]s`

const edgeText = `      - service: %[1]s
        edge: payments
        probe:
          timeout: 3s
          json:
            urls: [%[2]s]
            calls: edges.payments.calls
            attempts: edges.payments.attempts
            successes: edges.payments.successes
            failures: edges.payments.failures
        fix:
          allow: [open]
          ttl: 45s
          limit: 90s
          ramp: [50]
          timeout: 1s
%[3]s`

const httpText = `          http:
            instances: [%s]
            controls:
              open:
                apply:
                  path: /admin/edges/{{.Edge}}/open
                  body: '{"action":{{.Action}},"released":{{.Released}},"until":{{.Until}}}'
                adjust:
                  path: /admin/edges/{{.Edge}}/adjust
                  body: '{"action":{{.Action}},"released":{{.Released}},"until":{{.Until}}}'
                revert: {method: DELETE, path: "/admin/edges/{{.Edge}}?action={{.Action}}"}
                read: {path: /debug/edges, state: edges.payments.state, on: open, off: closed, action: edges.payments.action}
                self_expiring: true
`

// policyFor is the policy of one replica; all of them differ in their listener, and in the node of NATS that they begin at.
func policyFor(listen, natsURL, token string, edges []*edge) string {
	var all strings.Builder
	for _, e := range edges {
		var instances, probes []string
		for _, u := range e.urls {
			instances = append(instances, fmt.Sprintf("%q", u))
			probes = append(probes, fmt.Sprintf("%q", u+"/debug/edges"))
		}
		fix := "          breaker: {}\n"
		if !e.leased {
			fix = fmt.Sprintf(httpText, strings.Join(instances, ", "))
		}
		fmt.Fprintf(&all, edgeText, e.service, strings.Join(probes, ", "), fix)
	}
	return fmt.Sprintf(policyText, listen, natsURL, token, all.String())
}
