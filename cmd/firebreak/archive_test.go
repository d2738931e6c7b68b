package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/incidents/archive"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// The tables are made by one login and written by another, which owns nothing; a server whose policy names the archive fills it, says how far
// it is, and serves alerts before there is any database.
func TestArchiveOfServer(t *testing.T) {
	t.Parallel()
	node := testbed.StartPostgres(t, testbed.PostgresOptions{Standbys: -1}).Primary
	node.Exec(t, "CREATE ROLE fb_writer LOGIN PASSWORD 'written-secret'")
	link := testbed.Proxy(t, testbed.ProxyConfig{Target: node.Addr})
	link.Cut()
	dir := t.TempDir()
	env := environment{"SECRET": "written-secret", "ADDR": link.Addr}
	file := writeFile(t, dir, "firebreak.yaml", `
server: {listen: "127.0.0.1:0"}
bus: {data: bus}
archive: {url: "postgres://fb_writer:${SECRET}@${ADDR}/app"}
handlers:
  retrystorm:
    edges:
      - service: checkout
        edge: payments
        probe: {json: {urls: ["http://127.0.0.1:1/"], calls: c, attempts: a, successes: s, failures: f}}
`)
	s := serve(t, env, "--config", file)

	owner := writeFile(t, dir, "owner", node.URL(testbed.RoleSuperuser, testbed.Database)+"\n")
	if code, out, errs := firebreak(t, env, "archive", "status", "--url-file", owner); code != 1 || !strings.Contains(out, "no tables yet") {
		t.Errorf("status before: %d\n%s%s", code, out, errs)
	}
	if code, out, errs := firebreak(t, env, "archive", "migrate", "--url-file", owner, "--writer", "fb_writer"); code != 0 || out != "schema firebreak is at version 2\n" {
		t.Fatalf("migrate: %d\n%s%s", code, out, errs)
	}
	body := strings.NewReplacer(`"Nobody"`, `"RetryStorm", "service": "checkout", "edge": "payments"`).Replace(notification)
	resp, err := http.Post(s.url+"/webhook", "application/json", strings.NewReader(body)) //nolint:noctx // on loopback
	if err != nil {
		t.Fatal(err)
	}
	if answer := readAll(t, resp.Body); resp.StatusCode != http.StatusOK {
		t.Fatalf("got %s: %s", resp.Status, answer)
	}
	link.Heal()
	testbed.Await(t, serveStarts, "the incident in the archive", func() bool {
		n, err := node.Ask("SELECT count(*) FROM firebreak.incident_report WHERE alert = 'RetryStorm' AND handler = 'retrystorm'")
		return err == nil && n == "1"
	})
	testbed.Await(t, serveStarts, "a lag of nothing", func() bool {
		return strings.Contains(metricsOf(t, s.url), "\nfirebreak_archive_lag_events 0\n") && strings.Contains(metricsOf(t, s.url), "\nfirebreak_archive_up 1\n")
	})
	code, out, errs := firebreak(t, env, "archive", "status", "--config", file, "--json")
	var status archive.Status
	if err := json.Unmarshal([]byte(out), &status); err != nil || code != 0 || status.Seq == 0 || status.Version != status.Knows || len(status.Gaps) != 0 {
		t.Errorf("status: %d %v\n%s%s", code, err, out, errs)
	}
	if code, out, errs := firebreak(t, env, "archive", "status", "--config", file); code != 0 || !strings.Contains(out, "no gaps") {
		t.Errorf("status: %d\n%s%s", code, out, errs)
	}
	if log := s.stderr.String() + out; strings.Contains(log, "written-secret") || !strings.Contains(log, "the archive is behind") {
		t.Errorf("the log tells a password, or not that the database was down:\n%s", log)
	}
}

// Without a place, or with one that cannot be used, it says so, and nothing of the address.
func TestArchiveIsNowhere(t *testing.T) {
	t.Parallel()
	nobody := fmt.Sprintf("postgres://u:written-secret@%s/app", testbed.Addr(t))
	for _, tc := range []struct {
		env  environment
		args []string
		want string
	}{
		{environment{}, []string{"status"}, "say where the archive is"},
		{environment{archiveURL: nobody}, []string{"migrate"}, "connect to the archive"},
		{environment{archiveURL: "mysql://u:written-secret@h/app"}, []string{"status"}, "it is not an address"},
		{environment{archiveURL: nobody, "X": ""}, []string{"status", "--config", "nowhere.yaml"}, "the policy cannot be used"},
	} {
		code, out, errs := firebreak(t, tc.env, append([]string{"archive"}, tc.args...)...)
		if code != 1 || !strings.Contains(errs, tc.want) || strings.Contains(out+errs, "written-secret") {
			t.Errorf("%v: %d, want %q\n%s%s", tc.args, code, tc.want, out, errs)
		}
	}
}

func metricsOf(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url + "/metrics") //nolint:noctx // on loopback
	if err != nil {
		t.Fatal(err)
	}
	return readAll(t, resp.Body)
}
