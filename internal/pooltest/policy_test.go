package pooltest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// settings are what runs say differently, in the pooler's configuration and in the policy.
type settings struct {
	// poolSize is default_pool_size, pooler are other settings of PgBouncer.
	poolSize int
	pooler   map[string]string
	// ownSize is a pool_size at the database itself; zero: it follows default_pool_size.
	ownSize int
	// noPooler leaves PgBouncer out; app is the application's pool instead, at this address.
	noPooler bool
	app      string
	// admin is the console's user that changes; empty: one who may.
	admin string

	mode         string
	allow        []string
	roles        []string
	maxWait      time.Duration
	leakAge      time.Duration
	sampleEvery  time.Duration
	verifyWithin time.Duration
	holdFor      time.Duration
	limit        time.Duration
	// listen is where it listens; empty: at any free address, another one each time it starts.
	listen string
	// alertmanager is the address of one that is asked; empty: none.
	alertmanager string
}

// usual are settings with all fixes allowed and short times.
func usual() settings {
	return settings{poolSize: 4, mode: "auto", allow: []string{"end_leaked", "end_blocker", "grow_pool", "resume"}, roles: []string{listed},
		maxWait: 300 * time.Millisecond, leakAge: 5 * time.Minute, sampleEvery: 500 * time.Millisecond, verifyWithin: 20 * time.Second,
		holdFor: 1500 * time.Millisecond, limit: time.Minute}
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
%[4]spostgres:
  - cluster: orders
    connect:
      database: app
      sslmode: disable
      probe: {user: %[5]s, password: "%[6]s"}
      act: {user: %[7]s, password: "%[8]s"}
      timeout: 3s
    nodes:
%[9]s%[10]shandlers:
  poolexhaustion:
    mode: %[20]s
    thresholds:
      max_wait: %[11]s
      leak_age: %[12]s
      sample_every: %[13]s
      verify_within: %[14]s
      hold_for: %[15]s
    clusters:
      - cluster: orders
        fix: {allow: [%[16]s], roles: [%[17]s], limit: %[18]s, timeout: 3s}
%[19]s`

// appText is an application's pool, whose numbers and whose endpoint are at one address.
const appText = `        apps:
          - app: checkout
            prometheus: {url: "http://%[1]s", waiting: pool_waiting, busy: pool_busy, size: pool_size}
            http:
              instances: ["http://%[1]s"]
              grow:
                apply: {method: PUT, path: /v1/pool, body: '{"size": {{.Params.size}}, "plan": {{.Action}}}'}
                revert: {method: DELETE, path: /v1/pool}
                read: {path: /v1/pool, state: state, on: raised, off: base, action: plan}
`

// writePolicy writes what an operator would write about the lab and a pooler before it, and returns the file.
func (b *lab) writePolicy(dir, listen string, pooler *testbed.PgBouncer, s settings) string {
	var nodes strings.Builder
	for _, n := range b.Nodes() {
		host, port, _ := strings.Cut(n.Addr, ":")
		fmt.Fprintf(&nodes, "      - {node: %s, host: %q, port: %s, application_name: %s}\n", n.Name, host, port, n.ApplicationName)
	}
	managers, poolers, apps := "", "", ""
	if s.alertmanager != "" {
		managers = fmt.Sprintf("alertmanagers: [{url: %q, receiver: testbed}]\n", s.alertmanager)
	}
	if pooler != nil {
		poolers = s.poolerText(pooler)
	}
	if s.app != "" {
		apps = fmt.Sprintf(appText, s.app)
	}
	text := fmt.Sprintf(policyText, listen, blackbox.OperatorToken, filepath.Join(dir, "data"), managers, blackbox.ProbeUser, blackbox.ProbePassword, blackbox.ActUser, blackbox.ActPassword,
		nodes.String(), poolers, s.maxWait, s.leakAge, s.sampleEvery, s.verifyWithin, s.holdFor,
		strings.Join(s.allow, ", "), strings.Join(s.roles, ", "), s.limit, apps, s.mode)
	file := filepath.Join(dir, "policy.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.Fatalf("write the policy: %v", err)
	}
	return file
}

// poolerText names the pooler, with a login that looks and one that changes.
func (s settings) poolerText(pooler *testbed.PgBouncer) string {
	admin := s.admin
	if admin == "" {
		admin = adminUser
	}
	host, port, _ := strings.Cut(pooler.Addr, ":")
	return fmt.Sprintf(`    pgbouncers:
      - pgbouncer: %s
        host: %q
        port: %s
        sslmode: disable
        stats: {user: %s, password: %q}
        admin: {user: %s, password: %q}
`, bouncer, host, port, statsUser, testbed.Password(statsUser), admin, testbed.Password(admin))
}
