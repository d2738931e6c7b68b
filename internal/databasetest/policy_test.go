package databasetest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
)

// settings are what runs say differently in the policy.
type settings struct {
	allow        []string
	roles        []string
	maxSessions  int
	slo          time.Duration
	conflictAge  time.Duration
	replyAge     time.Duration
	catchUp      time.Duration
	pausedFor    time.Duration
	verifyWithin time.Duration
	alertAge     time.Duration
	sampleEvery  time.Duration
	// listen is where it listens; empty: at a free address.
	listen string
	// alertmanager is the address of one that is asked; empty: none.
	alertmanager string
}

// usual are settings with all fixes allowed and short times.
func usual() settings {
	return settings{allow: []string{"drain", "end_conflict", "restart_stream", "resume_replay"}, roles: []string{listed}, maxSessions: 3,
		slo: 2 * time.Second, conflictAge: 2 * time.Second,
		replyAge: 3 * time.Second, catchUp: 2 * time.Second, pausedFor: 30 * time.Minute, verifyWithin: 15 * time.Second,
		alertAge: 2 * time.Minute, sampleEvery: 500 * time.Millisecond}
}

// policyText is an ordinary policy with short times, and limits so wide that no run is in the way of another.
const policyText = `
server:
  listen: "%[1]s"
  api: {operators: [{name: alice, token: "%[2]s", may: [operate, approve]}]}
bus: {data: "%[3]s"}
approvals: {expire: 60s, rules: [{operators: [alice]}]}
limits:
  per_domain: {hour: 500, day: 1000, concurrent: 1}
  per_action: {hour: 500, day: 1000, concurrent: 2}
  global: {hour: 500, day: 1000, concurrent: 2}
  ineffective_chain: {fixes: 1000}
  cooldown: 0s
  cooldown_risky: 0s
  alert_max_age: %[21]s
%[4]spostgres:
  - cluster: orders
    connect:
      database: app
      sslmode: disable
      probe: {user: %[5]s, password: "%[6]s"}
      act: {user: %[7]s, password: "%[8]s"}
      timeout: 3s
    nodes:
%[9]s    reads: {haproxy: {address: "%[10]s", backend: %[11]s}, min_ready: 1}
handlers:
  replicationlag:
    mode: auto
    thresholds:
      slo: %[20]s
      sample_every: %[22]s
      conflict_age: %[12]s
      reply_age: %[13]s
      catch_up_within: %[14]s
      paused_for: %[15]s
      verify_within: %[16]s
      hold_for: 3s
    clusters:
      - cluster: orders
        fix: {allow: [%[17]s], roles: [%[18]s], max_sessions: %[19]d, limit: 60s, timeout: 3s}
`

// writePolicy writes what an operator would write about the lab, and returns the file.
func (b *lab) writePolicy(dir, listen string, s settings) string {
	var nodes strings.Builder
	for _, n := range b.Nodes() {
		addr := n.Addr
		if n == b.Primary {
			addr = b.door.Addr
		}
		host, port, _ := strings.Cut(addr, ":")
		fmt.Fprintf(&nodes, "      - {node: %s, host: %q, port: %s, application_name: %s", n.Name, host, port, n.ApplicationName)
		if n.Slot != "" {
			fmt.Fprintf(&nodes, ", slot: %s", n.Slot)
		}
		nodes.WriteString("}\n")
	}
	managers := ""
	if s.alertmanager != "" {
		managers = fmt.Sprintf("alertmanagers: [{url: %q, receiver: testbed}]\n", s.alertmanager)
	}
	text := fmt.Sprintf(policyText, listen, blackbox.OperatorToken, filepath.Join(dir, "data"), managers, blackbox.ProbeUser, blackbox.ProbePassword, blackbox.ActUser, blackbox.ActPassword,
		nodes.String(), b.pool.Socket, b.pool.Backend, s.conflictAge, s.replyAge, s.catchUp, s.pausedFor, s.verifyWithin,
		strings.Join(s.allow, ", "), strings.Join(s.roles, ", "), s.maxSessions, s.slo, s.alertAge, s.sampleEvery)
	file := filepath.Join(dir, "policy.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.Fatalf("write the policy: %v", err)
	}
	return file
}
