package rules_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

type ruleFile struct {
	Groups []struct{ Rules []rule }
}

// rule is one of a file, with what a person reads of it.
type rule struct {
	Record, Alert, Expr, For string
	Labels                   struct{ Severity string }
	Annotations              struct {
		Summary, Description string
		Runbook              string `yaml:"runbook_url"`
	}
}

// An alert on a metric that nobody gives never fires, so every name in the rules is one that is known to be given: by the queries of this folder, by
// the exporters as they were recorded, by this program's source, by an application as a file's beginning says, by Prometheus itself, or by
// a rule.
func TestMetricsAreGiven(t *testing.T) {
	t.Parallel()
	given := recorded(t, "postgres_exporter.txt", "pgbouncer_exporter.txt", "node_exporter.txt", "blackbox_exporter.txt", "patroni_exporter.txt",
		"etcd_exporter.txt", "application.txt")
	for _, name := range slices.Concat(queried(t), registered(t), []string{"up"}) {
		given[name] = true
	}
	files := ruleFiles(t)
	for _, file := range files {
		for _, rule := range rulesOf(t, file) {
			if rule.Record != "" {
				given[rule.Record] = true
			}
		}
	}
	for _, file := range files {
		seen := 0
		for _, rule := range rulesOf(t, file) {
			for _, name := range metrics(rule.Expr) {
				seen++
				if !given[name] {
					t.Errorf("%s: %s%s uses %s, which nothing gives", file, rule.Record, rule.Alert, name)
				}
			}
		}
		if seen == 0 {
			t.Errorf("%s: no metric was found in any expression", file)
		}
	}
}

// registered are the names that the program's source gives to metrics: in the options of one, or as the first argument of a function that makes one.
func registered(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, source := range []struct{ file, prefix, pattern string }{
		{"handlers/metrics.go", "firebreak_", `counter\("(\w+)"`},
		{"handlers/metrics.go", "", `Name: +"(firebreak_\w+)"`},
		{"internal/sessions/watch/watch.go", "firebreak_sessions", `\bd\("(\w*)"`},
		{"console/backlog/backlog.go", "", `gauge\("(firebreak_\w+)"`},
		{"cmd/firebreak/heartbeat.go", "", `Name: +"(firebreak_\w+)"`},
		{"cmd/firebreak/wire.go", "", `Name: +"(firebreak_\w+)"`},
		{"cmd/firebreak/fill.go", "", `Name: +"(firebreak_\w+)"`},
		{"incidents/archive/metrics.go", "", `"(firebreak_\w+)"`},
		{"notify/outcomes.go", "", `Name: +"(firebreak_\w+)"`},
		{"notify/slack/metrics.go", "", `Name: +"(firebreak_\w+)"`},
		{"receiver/metrics.go", "", `Name: +"(firebreak_\w+)"`},
	} {
		text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(source.file)))
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(source.pattern).FindAllStringSubmatch(string(text), -1)
		if len(found) == 0 {
			t.Errorf("%s registers nothing any more", source.file)
		}
		for _, m := range found {
			names = append(names, source.prefix+m[1])
		}
	}
	return names
}

// rulesOf are all rules of a file.
func rulesOf(t *testing.T, file string) []rule {
	t.Helper()
	var groups ruleFile
	load(t, file, &groups)
	var all []rule
	for _, group := range groups.Groups {
		all = append(all, group.Rules...)
	}
	return all
}

// The reader of expressions takes names of metrics, and nothing else for one.
func TestMetricsOfAnExpression(t *testing.T) {
	t.Parallel()
	expr := `max by (cluster, node) (label_replace(a_b{x="c or d"}[5m], "node", "$1", "y", "(.*)")) > 1.5
		unless on (cluster) group_left () (x:y:sum offset 2m == bool 1e3) and absent(up{job='z'})`
	got, want := strings.Join(metrics(expr), " "), "a_b x:y:sum up"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// metrics are the names of the series in an expression, in order.
func metrics(expr string) []string {
	for _, cut := range []string{
		`"[^"]*"|'[^']*'`, `\{[^}]*\}`, `\[[^\]]*\]`,
		`\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)`, `\boffset\s+\w+`, `\b[0-9][0-9a-z.]*`,
	} {
		expr = regexp.MustCompile(cut).ReplaceAllString(expr, " ")
	}
	var names []string
	for _, m := range regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)(\s*\()?`).FindAllStringSubmatch(expr, -1) {
		switch m[1] {
		case "and", "or", "unless", "bool":
			continue
		}
		if m[2] == "" {
			names = append(names, m[1])
		}
	}
	return names
}

// queried are the names that the exporter makes of the file of queries: the query's and the column's.
func queried(t *testing.T) []string {
	t.Helper()
	var queries map[string]struct {
		Metrics []map[string]struct{ Usage string }
	}
	load(t, "postgres_exporter_queries.yaml", &queries)
	var names []string
	for query, q := range queries {
		for _, column := range q.Metrics {
			for name, c := range column {
				if c.Usage != "LABEL" {
					names = append(names, query+"_"+name)
				}
			}
		}
	}
	if len(names) == 0 {
		t.Fatal("the file of queries gives no metric")
	}
	return names
}

// recorded reads lists of names, one a line.
func recorded(t *testing.T, files ...string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				names[line] = true
			}
		}
	}
	return names
}

func load(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("read %s: %v", file, err)
	}
}
