package crashtest

import (
	"fmt"
	"strings"
)

// busToken is what the service presents to the bus.
const busToken = "crashtest-bus-token"

// policyText is an ordinary policy with short times.
const policyText = `
server: {listen: "%[1]s"}
bus:
  data: "%[2]s"
%[3]slimits:
  per_domain: {hour: 500, day: 1000, concurrent: 1}
  per_action: {hour: 500, day: 1000, concurrent: 2}
  global: {hour: 500, day: 1000, concurrent: 2}
  ineffective_chain: {fixes: 1000}
  cooldown: 0s
handlers:
  retrystorm:
    mode: auto
    thresholds:
      min_calls: 40
      sample_every: 50ms
      verify_within: 20s
      hold_for: 150ms
      ramp_every: 100ms
    edges:
      - service: checkout
        edge: payments
        probe:
          timeout: 3s
          json:
            urls: [%[4]s]
            calls: edges.payments.calls
            attempts: edges.payments.attempts
            successes: edges.payments.successes
            failures: edges.payments.failures
        fix:
          allow: [open]
          ttl: 20s
          limit: 60s
          ramp: [50]
          timeout: 1s
%[5]s`

const httpFix = `          http:
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

// policyFor writes the policy for instances at those URLs. An empty bus address is a policy with HTTP endpoints, else the fix
// is a lease.
func policyFor(listen, data, busAddr string, instances []string) string {
	quoted := make([]string, len(instances))
	probes := make([]string, len(instances))
	for i, u := range instances {
		quoted[i] = fmt.Sprintf("%q", u)
		probes[i] = fmt.Sprintf("%q", u+"/debug/edges")
	}
	bus, fix := "", fmt.Sprintf(httpFix, strings.Join(quoted, ", "))
	if busAddr != "" {
		bus = fmt.Sprintf("  listen: %q\n  token: %q\n", busAddr, busToken)
		fix = "          breaker: {}\n"
	}
	return fmt.Sprintf(policyText, listen, data, bus, strings.Join(probes, ", "), fix)
}
