package stormtest

import (
	"fmt"
	"strings"
)

// The limits of the policy. The budget of an hour is a fix at the beginning of each storm, one when the last is over, and two more.
const (
	budgetHour       = storms + 3
	budgetConcurrent = 2
	alertsPerMinute  = 1000
)

const policyText = `
server: {listen: "%[1]s"}
bus: {data: "%[2]s"}
limits:
  per_domain: {hour: 3, day: 4, concurrent: 1}
  per_action: {hour: %[3]d, day: 20, concurrent: %[4]d}
  global: {hour: %[3]d, day: 20, concurrent: %[4]d}
  cooldown: 0s
  blast_radius: {alerts_per_minute: %[5]d, calm: 4s}
handlers:
  retrystorm:
    mode: auto
    thresholds:
      min_calls: 40
      # The kernel, and not the handler, is to say no.
      many_edges: 100
      sample_every: 50ms
      verify_within: 20s
      hold_for: 1s
      ramp_every: 100ms
    edges:
`

const edgeText = `
      - service: %[1]s
        edge: %[2]s
        zone: %[3]s
        probe:
          timeout: 3s
          json: {urls: ["%[4]s/%[1]s/debug/%[2]s"], calls: calls, attempts: attempts, successes: successes, failures: failures}
        fix:
          allow: [open]
          ttl: 30s
          limit: 2m
          ramp: [50]
          timeout: 2s
          http:
            instances: ["%[4]s/%[1]s"]
            controls:
              open:
                apply:
                  path: /open/{{.Edge}}
                  body: '{"action":{{.Action}},"released":{{.Released}},"until":{{.Until}}}'
                adjust:
                  path: /adjust/{{.Edge}}
                  body: '{"action":{{.Action}},"released":{{.Released}},"until":{{.Until}}}'
                revert: {method: DELETE, path: "/open/{{.Edge}}?action={{.Action}}"}
                read: {path: "/debug/{{.Edge}}", state: state, on: open, off: closed, action: action}
                self_expiring: true
`

// policyFor writes the policy for a town whose services are reached at url.
func policyFor(listen, data, url string, edges []*edge) string {
	var b strings.Builder
	fmt.Fprintf(&b, policyText, listen, data, budgetHour, budgetConcurrent, alertsPerMinute)
	for _, e := range edges {
		fmt.Fprintf(&b, edgeText, e.service, e.name, e.zone, url)
	}
	return b.String()
}
