// Package checks_test holds the chart and the stack of containers against the libraries that will read them. It is a module of its own, so that the
// product does not get these dependencies.
package checks_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
)

const chart = "../helm/firebreak"

// update says that files which are made from others are to be written, and not compared: UPDATE=1 go test ./...
func update() bool { return os.Getenv("UPDATE") == "1" }

// values are what an installation says.
type values = map[string]any

// variants are the installations that deploy/kubernetes shows, by the name of their file.
func variants() map[string]values {
	monitoring := values{"serviceMonitor": true, "prometheusRule": true, "rules": []any{"firebreak", "retrystorm", "postgres", "pgbouncer", "sessions", "cascade", "cluster", "region"}}
	return map[string]values{
		"embedded":   {},
		"external":   {"bus": values{"mode": "external"}},
		"monitoring": {"monitoring": monitoring},
	}
}

// render is what "helm template firebreak --namespace firebreak" prints: manifests by the name of their template.
func render(v values) (map[string]string, error) {
	c, err := loader.LoadDir(chart)
	if err != nil {
		return nil, err
	}
	release := chartutil.ReleaseOptions{Name: "firebreak", Namespace: "firebreak", IsInstall: true}
	all, err := chartutil.ToRenderValues(c, v, release, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(c, all)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(files, func(name, text string) bool {
		return strings.TrimSpace(text) == "" || !strings.HasSuffix(name, ".yaml")
	})
	return files, nil
}

// manifests are the documents of an installation, in a fixed order.
func manifests(t *testing.T, v values) []string {
	t.Helper()
	files, err := render(v)
	if err != nil {
		t.Fatal(err)
	}
	var docs []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		for doc := range strings.SplitSeq("\n"+files[name], "\n---\n") {
			if doc = strings.TrimSpace(doc); doc != "" {
				docs = append(docs, doc)
			}
		}
	}
	return docs
}

// The chart has nothing that helm lint would remark on.
func TestChartIsClean(t *testing.T) {
	t.Parallel()
	for name, v := range variants() {
		linted := lint.All(chart, v, "firebreak", true)
		for _, m := range linted.Messages {
			if m.Severity > support.InfoSev {
				t.Errorf("%s: %v", name, m)
			}
		}
	}
}

// deploy/kubernetes is what the chart makes.
func TestPlainManifestsAreTheCharts(t *testing.T) {
	t.Parallel()
	for name, v := range variants() {
		var text bytes.Buffer
		fmt.Fprintf(&text, "# Made from deploy/helm/firebreak: UPDATE=1 go test ./... in deploy/checks writes it anew. The Secret \"firebreak\" is yours to make.\n")
		for _, doc := range manifests(t, v) {
			theirs := strings.Contains(doc, "monitoring.coreos.com/")
			if theirs == (name == "monitoring") {
				fmt.Fprintf(&text, "---\n%s\n", doc)
			}
		}
		same(t, filepath.Join("..", "kubernetes", name+".yaml"), text.Bytes())
	}
}

// The rules in the chart, which cannot reach outside of its folder, are those that the project has and tests.
func TestRulesAreTheProjects(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	files, err := filepath.Glob("../../alerts/rules/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.yaml") || strings.HasSuffix(file, "_queries.yaml") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		known[filepath.Base(file)] = true
		same(t, filepath.Join(chart, "files", "rules", filepath.Base(file)), text)
	}
	copies, err := os.ReadDir(filepath.Join(chart, "files", "rules"))
	if err != nil || len(copies) == 0 {
		t.Fatalf("%d rules in the chart: %v", len(copies), err)
	}
	for _, c := range copies {
		name := strings.TrimSuffix(c.Name(), ".yaml")
		if !known[c.Name()] {
			t.Errorf("the chart has rules %s, and the project has none", c.Name())
		}
		if _, err := render(values{"monitoring": values{"prometheusRule": true, "rules": []any{name}}}); err != nil {
			t.Errorf("the chart has rules %s, and nobody can ask for them: %v", name, err)
		}
	}
}

// What cannot be meant is refused, and not rendered into something else.
func TestChartRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		v    values
		want string
	}{
		"a key that is not there":     {values{"polcy": values{}}, "polcy"},
		"a mode that is not there":    {values{"bus": values{"mode": "raft"}}, "mode"},
		"a replica count as text":     {values{"bus": values{"external": values{"replicas": "3"}}}, "replicas"},
		"a digest that is none":       {values{"image": values{"digest": "latest"}}, "digest"},
		"no secret":                   {values{"secret": ""}, "secret"},
		"rules that are not there":    {values{"monitoring": values{"rules": []any{"other"}}}, "rules"},
		"an address beside the chart": {values{"policy": values{"server": values{"listen": ":1"}}}, "policy.server.listen is the chart's"},
		"a folder beside the chart":   {values{"policy": values{"bus": values{"data": "/x"}}}, "policy.bus.data is the chart's"},
		"a bus beside the chart":      {values{"policy": values{"bus": values{"url": "nats://x"}}}, "policy.bus.url is the chart's"},
		"a NATS token beside the chart": {values{"bus": values{"embedded": values{"clients": true}}, "policy": values{"bus": values{"token": "x"}}},
			"policy.bus.token is the chart's"},
	}
	for name, test := range tests {
		if _, err := render(test.v); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, test.want)
		}
	}
}

// same holds a file against what it is made from, or writes it.
func same(t *testing.T, path string, want []byte) {
	t.Helper()
	if update() {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what it is made from (%v): run UPDATE=1 go test ./... in deploy/checks", path, err)
	}
}
