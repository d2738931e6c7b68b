package canarytest

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// readers are the commands that only read, of a server or of nothing. INCIDENT is one incident's id, POLICY the policy.
func readers() []string {
	return []string{
		"config check POLICY", "config explain POLICY", "config schema", "config example", "status",
		"incidents list", "incidents list --json", "incidents show INCIDENT", "incidents show INCIDENT --json", "explain INCIDENT", "explain INCIDENT --json",
		"alerts --since 1h", "alerts --since 1h --json", "blocked", "budget", "approvals",
		"replay INCIDENT", "replay INCIDENT --json", "replay INCIDENT --check --policy POLICY", "replay --since 1h --policy POLICY --json",
		"review INCIDENT", "review INCIDENT --format html", "review INCIDENT --format json",
		"kpi --since 1h", "kpi --since 1h --json", "kpi --since 1h --prometheus",
		"export INCIDENT", "export --since 1h --dir OUT/export --policy POLICY", "import", "archive status --config POLICY", "archive status --config POLICY --json",
		"health", "man", "completion bash", "runbooks", "rules", "slack manifest", "version",
		"sessions status webshop", "sessions status webshop --json", "sessions snapshot webshop", "sessions status nobody",
		"backup -o OUT/backup.tar.gz", "notify test", "config check POLICY --connect",
	}
}

// readEverything runs all commands that read, and asks for everything that the API has.
func (x *product) readEverything(incident string) {
	x.t.Helper()
	out := filepath.Join(x.dir, "out")
	for _, line := range readers() {
		words := strings.NewReplacer("INCIDENT", incident, "POLICY", x.planted.file, "OUT", out).Replace(line)
		x.run("ALICE_TOKEN", strings.Fields(words)...)
	}
	x.haul.packed(x.t, "the backup", filepath.Join(out, "backup.tar.gz"))
	restored := filepath.Join(x.dir, "out", "restored")
	x.run("ALICE_TOKEN", "restore", filepath.Join(out, "backup.tar.gz"), "--config", x.planted.file, "--data", restored)
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/", "/api/v1/incidents?since=1h", "/api/v1/incidents/" + incident, "/api/v1/records?since=1h",
		"/api/v1/alerts?since=1h", "/api/v1/blocked", "/api/v1/budget", "/api/v1/approvals", "/api/v1/imports", "/api/v1/nothing"} {
		x.ask(http.MethodGet, path, "Bearer "+x.planted.value("ALICE_TOKEN"), "")
	}
}

// wrongTokens knocks at every door with secrets of other doors, and with none. None of them opens, and none is said back.
func (x *product) wrongTokens() {
	x.t.Helper()
	for _, c := range x.planted.canaries {
		for _, door := range []struct{ method, path, mine string }{
			{http.MethodPost, "/webhook", "WEBHOOK_TOKEN"}, {http.MethodGet, "/api/v1/incidents", "TOKEN"}, {http.MethodPost, "/slack/interactions", ""},
		} {
			if strings.HasSuffix(c.name, "_TOKEN") && door.mine != "" && strings.HasSuffix(c.name, door.mine) || strings.ContainsAny(c.value, "\n") {
				continue
			}
			if got := x.ask(door.method, door.path, "Bearer "+c.value, `{"token":"`+c.core+`"}`); got/100 == 2 {
				x.t.Errorf("%s %s lets the secret %s in", door.method, door.path, c.name)
			}
		}
	}
	for _, command := range []string{"incidents list", "pause --for 1m --reason test", "backup -o OUT/none"} {
		x.run("SHOP_ADMIN", strings.Fields(strings.ReplaceAll(command, "OUT", filepath.Join(x.dir, "out")))...)
	}
}

// misplaced tries policies in which a secret is where none belongs: what is said about them must not say it.
func (x *product) misplaced() {
	x.t.Helper()
	text, err := os.ReadFile(x.planted.file)
	if err != nil {
		x.t.Fatal(err)
	}
	const secret = "${CANARY_ALICE_TOKEN}" // it is in the environment, and what is written is only its name
	plain := x.planted.value("ALICE_TOKEN")
	for name, wrong := range map[string][2]string{
		"a URL with a password":   {"approvals:", `alertmanagers: [{url: "http://alice:` + secret + `@host"}]` + "\napprovals:"},
		"an unknown key":          {"server:\n", "server:\n  token: " + plain + "\n"},
		"a secret for a number":   {"listen: 127.0.0.1:0", "listen: 127.0.0.1:0\n  max_body: " + secret},
		"a secret for a duration": {"listen: 127.0.0.1:0", "listen: 127.0.0.1:0\n  store_timeout: " + plain},
		"a secret for a mode":     {"  retrystorm:\n", "  retrystorm:\n    mode: " + plain + "\n"},
		"a secret for a file":     {"listen: 127.0.0.1:0", "listen: 127.0.0.1:0\n  tls: {cert_file: " + secret + ", key_file: " + plain + "}"},
		"a secret for an address": {"listen: 127.0.0.1:0", "listen: " + secret},
		"a list of secrets":       {"listen: 127.0.0.1:0", "listen: [" + plain + "]"},
		"broken YAML":             {"server:\n", "server: {token: " + plain + "\n"},
		"a tab":                   {"server:\n", "server:\n\ttoken: " + plain + "\n"},
	} {
		broken := strings.Replace(string(text), wrong[0], wrong[1], 1)
		if broken == string(text) {
			x.t.Errorf("%s: the policy has nothing to break: %q", name, wrong[0])
			continue
		}
		write(x.t, filepath.Join(x.dir, "wrong", "policy.yaml"), broken)
		for _, command := range []string{"config check", "serve --config", "archive status --config"} {
			x.run("ALICE_TOKEN", append(strings.Fields(command), filepath.Join(x.dir, "wrong", "policy.yaml"))...)
		}
	}
}
