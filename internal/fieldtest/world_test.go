package fieldtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

const (
	// webhookToken is what Alertmanager presents, busToken what services do.
	webhookToken = "webhook-token-of-this-test"
	busToken     = "bus-token-of-this-test"
)

// world is a scene with everything between it and the people.
type world struct {
	t       *testing.T
	fault   fault
	scene   scene
	prom    *testbed.Prom
	am      *testbed.AM
	people  *people
	told    heard // what people had heard when they were last told all that they should be
	product *blackbox.Product
	// shipped are the rules as they are shipped, short what they are here.
	shipped, short string
}

// newWorld starts all of it. Only the order is our own: who is told an address must know it before anybody listens there.
func newWorld(t *testing.T, bin string, f fault, newer bool) *world {
	t.Helper()
	a := addresses{listen: testbed.Addr(t), bus: testbed.Addr(t)}
	w := &world{t: t, fault: f, people: startPeople(t), shipped: shipped(t, "alerts", "rules", f.rules)}
	w.short = scale(w.shipped)
	w.scene = f.start(t, a)
	manager := testbed.AlertmanagerConfig{File: routes(t, "http://"+a.listen+"/webhook")}
	if newer {
		manager.Program = testbed.NewerAlertmanager(t)
	}
	w.am = testbed.Alertmanager(t, manager)
	if version, err := w.am.Version(t.Context()); newer && "v"+version != testbed.NewerAlertmanagerVersion {
		t.Fatalf("Alertmanager says that it is %q (%v), want %s", version, err, testbed.NewerAlertmanagerVersion)
	}
	w.prom = testbed.Prometheus(t, testbed.PrometheusConfig{Alertmanagers: []string{w.am.Addr},
		RuleFiles: map[string]string{f.rules: w.short, "firebreak.yaml": scale(shipped(t, "alerts", "rules", "firebreak.yaml"))},
		Targets:   append(w.scene.targets(), testbed.ScrapeTarget{Job: "firebreak", Addr: a.listen, Bearer: blackbox.OperatorToken})})
	w.product = blackbox.NewProduct(t, bin, w.writePolicy(a))
	w.product.Serve("")
	return w
}

// routes is the configuration of Alertmanager that is shipped, with shorter intervals, our webhook, and its token.
func routes(t *testing.T, webhook string) string {
	t.Helper()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(webhookToken), 0o600); err != nil {
		t.Fatal(err)
	}
	text := shipped(t, "deploy", "alertmanager", "alertmanager.yml")
	for _, change := range [][2]string{
		{"url: http://firebreak:9095/webhook", "url: " + webhook}, {"credentials_file: /etc/alertmanager/firebreak-token", "credentials_file: " + token},
		{"group_wait: 2s", "group_wait: 200ms"}, {"group_interval: 10s", "group_interval: 1s"}, {"group_interval: 1m", "group_interval: 6s"},
	} {
		if !strings.Contains(text, change[0]) {
			t.Fatalf("the configuration of Alertmanager has no %q any more: adapt this test", change[0])
		}
		text = strings.ReplaceAll(text, change[0], change[1])
	}
	return text
}

// policyText is an ordinary policy, with limits so wide that no run is in the way of another.
const policyText = `
server:
  listen: "%[1]s"
  webhook: {bearer_tokens: ["%[2]s"]}
  api: {operators: [{name: alice, token: "%[3]s", may: [operate, approve]}]}
bus: {data: "%[4]s", listen: "%[5]s", token: "%[6]s"}
alertmanagers: [{url: "%[7]s", receiver: firebreak}]
guard: {watchdog: {}}
limits:
  per_domain: {hour: 500, day: 1000, concurrent: 1}
  per_action: {hour: 500, day: 1000, concurrent: 2}
  global: {hour: 500, day: 1000, concurrent: 2}
  ineffective_chain: {fixes: 1000}
  cooldown: 0s
%[8]s%[9]s`

// writePolicy writes what an operator would, and returns the file.
func (w *world) writePolicy(a addresses) string {
	dir := w.t.TempDir()
	text := fmt.Sprintf(policyText, a.listen, webhookToken, blackbox.OperatorToken, filepath.Join(dir, "data"), a.bus, busToken, w.am.URL,
		w.people.policy(), w.scene.policy(w.prom.URL))
	file := filepath.Join(dir, "policy.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		w.t.Fatalf("write the policy: %v", err)
	}
	return file
}
