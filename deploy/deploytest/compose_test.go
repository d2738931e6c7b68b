package deploytest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/nats-io/nats-server/v2/server"
)

// demoEnv are the variables of the demonstration.
func demoEnv(t *testing.T) map[string]string {
	t.Helper()
	env := map[string]string{}
	for line := range strings.Lines(read(t, "compose/demo.env")) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), "="); found && !strings.HasPrefix(name, "#") {
			env[name] = value
		}
	}
	return env
}

// load is a policy that the product takes.
func load(t *testing.T, file string, env map[string]string) policy.Policy {
	t.Helper()
	p, err := policy.Load(file, func(name string) (string, bool) { v, ok := env[name]; return v, ok })
	if err != nil {
		t.Fatalf("the product does not take %s: %v", file, err)
	}
	return p
}

// Both policies of the demonstration are taken, and differ in nothing but the bus.
func TestDemoPolicies(t *testing.T) {
	t.Parallel()
	env := demoEnv(t)
	load(t, "../compose/firebreak.yaml", env)
	if p := load(t, "../compose/firebreak-nats.yaml", env); p.Bus.URL == "" || p.Bus.Token.Reveal() == "" {
		t.Errorf("the bus is not elsewhere: %+v", p.Bus)
	}
	bus := regexp.MustCompile(`(?m)^bus:\n(?:  .*\n)+`)
	rest := func(name string) string {
		_, text, _ := strings.Cut(read(t, "compose/"+name), "\nserver:\n")
		return bus.ReplaceAllString(text, "")
	}
	if rest("firebreak.yaml") != rest("firebreak-nats.yaml") || rest("firebreak.yaml") == "" {
		t.Error("the two policies differ in more than the bus")
	}
}

// Who is to be let in somewhere is known there, with the same password.
func TestDemoSecrets(t *testing.T) {
	t.Parallel()
	env := demoEnv(t)
	p := load(t, "../compose/firebreak.yaml", env)
	if got := read(t, "compose/firebreak-token"); got != p.Server.Webhook.BearerTokens[0].Reveal() {
		t.Errorf("Alertmanager presents %q, which Firebreak does not take", got)
	}
	pooler := p.Postgres[0].PgBouncers[0]
	users, ini := read(t, "compose/pgbouncer/userlist.txt"), read(t, "compose/pgbouncer/pgbouncer.ini")
	for _, login := range []policy.PostgresLogin{pooler.Stats, *pooler.Admin} {
		if !strings.Contains(users, `"`+login.User+`" "`+login.Password.Reveal()+`"`) {
			t.Errorf("PgBouncer does not know %s, or by another password", login.User)
		}
	}
	for _, want := range []string{"admin_users = " + pooler.Admin.User, "stats_users = " + pooler.Stats.User} {
		if !strings.Contains(ini, "\n"+want+"\n") {
			t.Errorf("PgBouncer's configuration does not say %q", want)
		}
	}
	compose := read(t, "compose/compose.yaml")
	for _, name := range []string{"FIREBREAK_ON_CALL_TOKEN", "FIREBREAK_PG_PROBE_PASSWORD", "FIREBREAK_PGBOUNCER_STATS_PASSWORD"} {
		if !strings.Contains(compose, env[name]) {
			t.Errorf("the stack does not present %s as it is", name)
		}
	}
	if !strings.Contains(users, `"shop" "`+env["DEMO_SHOP_PASSWORD"]+`"`) {
		t.Error("PgBouncer does not know the shop")
	}
}

// The servers take their configurations.
func TestDemoServers(t *testing.T) {
	for name, value := range demoEnv(t) {
		t.Setenv(name, value)
	}
	runs(t, tool(t, "promtool", "prometheus"), "check", "config", "--syntax-only", "../compose/prometheus.yml")
	for _, m := range regexp.MustCompile(`(?m)^  - rules/(\S+)$`).FindAllStringSubmatch(read(t, "compose/prometheus.yml"), -1) {
		if _, err := os.Stat(filepath.Join("..", "..", "alerts", "rules", m[1])); err != nil {
			t.Errorf("Prometheus loads rules that are not there: %v", err)
		}
	}
	o, err := server.ProcessConfigFile("../compose/nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	if !o.SyncAlways || o.Authorization == "" {
		t.Errorf("NATS syncs always: %v, with a token: %v", o.SyncAlways, o.Authorization != "")
	}
}

// The scripts can be read by bash, and started.
func TestScripts(t *testing.T) {
	t.Parallel()
	var scripts []string
	for _, pattern := range []string{"../compose/*/*.sh", "../nats/*.sh"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %d scripts, %v", pattern, len(found), err)
		}
		scripts = append(scripts, found...)
	}
	for _, script := range scripts {
		if out, err := exec.CommandContext(t.Context(), "bash", "-n", script).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", script, err, out)
		}
		info, err := os.Stat(script)
		if err != nil || info.Mode()&0o111 == 0 {
			t.Errorf("%s cannot be started: %v, %v", script, info.Mode(), err)
		}
	}
}

// The policies in deploy/kubernetes, which the chart makes, are taken by the product.
func TestKubernetesPolicies(t *testing.T) {
	t.Parallel()
	env := map[string]string{"FIREBREAK_WEBHOOK_TOKEN": "0123456789abcdef"}
	for name, external := range map[string]bool{"embedded": false, "external": true} {
		_, text, found := strings.Cut(read(t, "kubernetes/"+name+".yaml"), "\n  firebreak.yaml: |\n")
		if !found {
			t.Fatalf("%s has no policy", name)
		}
		text, _, _ = strings.Cut(text, "\n---\n")
		// What the pod mounts is not here.
		dir := t.TempDir()
		text = strings.ReplaceAll(regexp.MustCompile(`(?m)^    `).ReplaceAllString(text, ""), "/etc/firebreak-nats/", dir+"/")
		file := filepath.Join(dir, "firebreak.yaml")
		for _, path := range []string{file, filepath.Join(dir, "firebreak.creds")} {
			if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if p := load(t, file, env); (p.Bus.URL != "") != external || p.Server.Listen != ":9095" {
			t.Errorf("%s: %+v", name, p.Bus)
		}
	}
}
