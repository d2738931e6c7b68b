package databasetest

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// exporterRole is whom the exporters connect as. It has what the queries' file says that it needs, and nothing else.
const exporterRole = "exporter"

// pipeline is what tells Firebreak of a fault: an exporter for each node, Prometheus with the rules that are shipped, and Alertmanager.
type pipeline struct {
	am *testbed.AM
}

// startPipeline starts all of it, as fast as the rules' comments say for automation. Notifications go to an address at which nobody
// listens yet.
func startPipeline(b *lab, webhook string) *pipeline {
	b.Primary.Exec(b, "create role "+exporterRole+" login; grant pg_monitor to "+exporterRole)
	b.await("the standbys to know the role", b.level)
	p := &pipeline{am: testbed.Alertmanager(b, testbed.AlertmanagerConfig{WebhookURL: webhook, GroupWait: time.Second, GroupInterval: time.Second,
		GroupBy: []string{"alertname", "cluster", "node"}})}
	queries := b.shipped("postgres_exporter_queries.yaml")
	var targets []map[string]any
	for _, n := range b.Nodes() {
		e := testbed.StartPostgresExporter(b, testbed.PostgresExporterOptions{Target: n, Role: exporterRole, Queries: queries})
		targets = append(targets, map[string]any{"targets": []string{e.Addr}, "labels": map[string]string{"cluster": "orders", "node": n.Name}})
	}
	b.startPrometheus(targets, p.am.Addr)
	return p
}

// shipped is a file beside the rules that are shipped.
func (b *lab) shipped(name string) string {
	text, err := os.ReadFile(filepath.Join("..", "..", "alerts", "rules", name))
	if err != nil {
		b.Fatalf("read what is shipped: %v", err)
	}
	return string(text)
}

// shortRules are the rules that are shipped, with shorter times and nothing else changed.
func (b *lab) shortRules() string {
	text := b.shipped("postgres.yaml")
	for _, change := range [][2]string{{"lag_seconds:max > 30", "lag_seconds:max > 2"}, {"min[1m]", "min[10s]"}, {"for: 2m", "for: 2s"}} {
		if !strings.Contains(text, change[0]) {
			b.Fatalf("the rules have no %q any more: adapt this test", change[0])
		}
		text = strings.ReplaceAll(text, change[0], change[1])
	}
	return text
}

// startPrometheus starts one that scrapes and evaluates each second. Its targets have labels, as the rules want them.
func (b *lab) startPrometheus(targets []map[string]any, alertmanager string) {
	path, err := exec.LookPath("prometheus")
	if err != nil {
		b.Fatalf("prometheus is not installed: install the Debian package prometheus: %v", err)
	}
	dir := b.TempDir()
	config, err := json.Marshal(map[string]any{ // JSON is YAML
		"global":         map[string]any{"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
		"rule_files":     []string{filepath.Join(dir, "rules.yml")},
		"scrape_configs": []map[string]any{{"job_name": "postgres", "static_configs": targets}},
		"alerting":       map[string]any{"alertmanagers": []map[string]any{{"static_configs": []map[string]any{{"targets": []string{alertmanager}}}}}},
	})
	for name, text := range map[string]string{"prometheus.yml": string(config), "rules.yml": b.shortRules()} {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)
		}
	}
	if err != nil {
		b.Fatalf("configure prometheus: %v", err)
	}
	addr := testbed.Addr(b)
	testbed.Start(b, testbed.Command{Name: "prometheus", Path: path, Dir: dir, Args: []string{"--config.file=" + filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + addr, "--rules.alert.resend-delay=5s"}})
	b.await("prometheus to answer", func() bool {
		resp, err := http.Get("http://" + addr + "/-/ready")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// timed is a run with that pipeline: nobody but Alertmanager tells Firebreak anything.
func timed(t *testing.T, b *lab, bin, listen string, p *pipeline) *run {
	t.Helper()
	s := usual()
	s.listen, s.alertmanager = listen, p.am.URL
	return newRun(t, b, bin, s, &blackbox.Verdict{})
}
