package drifttest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
)

// storeName is the store in the policy.
const storeName = "webshop"

// settings are what runs say differently in the policy.
type settings struct {
	allow  []string
	stable time.Duration
	// verifyWithin is how long an effect is looked for, holdFor how long it must last.
	verifyWithin, holdFor time.Duration
	lag                   time.Duration
}

// usual are settings with all fixes allowed that need no person, and short times.
func usual() settings {
	return settings{allow: []string{"sync", "quarantine", "reconcile"}, stable: 5 * time.Second, verifyWithin: 16 * time.Second,
		holdFor: 1500 * time.Millisecond, lag: 2 * time.Second}
}

// policyText is an ordinary policy with short times, and limits so wide that no run is in the way of another.
const policyText = `
server:
  listen: "127.0.0.1:0"
  api: {operators: [{name: alice, token: "%[1]s", may: [operate, approve]}]}
bus: {data: "%[2]s"}
approvals: {expire: 60s, rules: [{operators: [alice]}]}
limits:
  per_domain: {hour: 500, day: 1000, concurrent: 1}
  per_action: {hour: 500, day: 1000, concurrent: 2}
  global: {hour: 500, day: 1000, concurrent: 2}
  ineffective_chain: {fixes: 1000}
  cooldown: 0s
  cooldown_risky: 0s
  alert_max_age: 2m
%[3]ssessions:
  - store: %[4]s
    ttl: %[5]s
    %[6]s
handlers:
  sessiondrift:
    mode: auto
    thresholds:
      lag: %[7]s
      stable: %[8]s
      sample_every: 400ms
      confirm_after: 400ms
      verify_within: %[9]s
      hold_for: %[10]s
    stores:
      - store: %[4]s
        prometheus: {url: "%[11]s", partition: partition, deploying: deploying, not_found: not_found, orphans_before: orphans_before, timeout: 3s}
        fix: {allow: [%[12]s], limit: 16s, timeout: 5s}
`

// writePolicy writes what an operator would write about the store, and returns the file.
func (b *lab) writePolicy(dir string, s settings, prometheus string) string {
	clusters, place := b.store.policy()
	text := fmt.Sprintf(policyText, blackbox.OperatorToken, filepath.Join(dir, "data"), clusters, storeName, ttl, place, s.lag, s.stable,
		s.verifyWithin, s.holdFor, prometheus, strings.Join(s.allow, ", "))
	file := filepath.Join(dir, "policy.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.Fatalf("write the policy: %v", err)
	}
	return file
}
