package deploytest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// dashboard is what matters here of Grafana's format.
type dashboard struct {
	UID    string
	Panels []struct {
		ID      int
		Type    string
		Title   string
		GridPos struct{ H, W, X, Y int }
		Targets []struct{ RefID, Expr string }
	}
}

// A query for a metric that nobody gives shows nothing, for ever, and looks like peace. So every name in a query is one that the program's source
// registers, a rule of ours records, or an exporter was seen to give.
func TestDashboardMetricsAreGiven(t *testing.T) {
	t.Parallel()
	var d dashboard
	if err := json.Unmarshal([]byte(read(t, "grafana/firebreak.json")), &d); err != nil {
		t.Fatal(err)
	}
	given := registered(t)
	for name := range recordedByRules(t) {
		given[name] = true
	}
	for name := range exported(t) {
		given[name] = true
	}
	var rules bytes.Buffer
	rules.WriteString("groups:\n  - name: dashboard\n    rules:\n")
	seen := map[int]bool{}
	for _, panel := range d.Panels {
		if seen[panel.ID] || panel.Title == "" || panel.GridPos.X+panel.GridPos.W > 24 {
			t.Errorf("panel %d %q: its number, title or place is wrong", panel.ID, panel.Title)
		}
		seen[panel.ID] = true
		if (panel.Type == "row") != (len(panel.Targets) == 0) {
			t.Errorf("panel %q has %d queries", panel.Title, len(panel.Targets))
		}
		for _, target := range panel.Targets {
			fmt.Fprintf(&rules, "      - record: panel\n        expr: %s\n        labels: {panel: \"%d\", query: %q}\n",
				strconv.Quote(target.Expr), panel.ID, target.RefID)
			names := seriesOf(target.Expr)
			if len(names) == 0 {
				t.Errorf("panel %q: no metric in %s", panel.Title, target.Expr)
			}
			for _, name := range names {
				if !given[name] {
					t.Errorf("panel %q: nothing gives %s", panel.Title, name)
				}
			}
		}
	}
	file := filepath.Join(t.TempDir(), "dashboard.yaml")
	if err := os.WriteFile(file, rules.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	runs(t, tool(t, "promtool", "prometheus"), "check", "rules", file)
}

// The reader of queries finds the names of series and nothing else.
func TestSeriesOfAnExpression(t *testing.T) {
	t.Parallel()
	expr := `histogram_quantile(0.5, sum by (le, code) (rate(a_b_bucket{x=~"c d"}[5m]))) or r:s:sum / on (le) group_left () (up > bool 1) unless vector(0)`
	if got, want := strings.Join(seriesOf(expr), " "), "a_b_bucket r:s:sum up"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// seriesOf are the names of the series in an expression.
func seriesOf(expr string) []string {
	for _, cut := range []string{`"[^"]*"`, `\{[^}]*\}`, `\[[^\]]*\]`, `\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)`, `\b[0-9][0-9a-z.]*`} {
		expr = regexp.MustCompile(cut).ReplaceAllString(expr, " ")
	}
	var names []string
	for _, m := range regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)(\s*\()?`).FindAllStringSubmatch(expr, -1) {
		if m[2] == "" && m[1] != "or" && m[1] != "and" && m[1] != "unless" && m[1] != "bool" {
			names = append(names, m[1])
		}
	}
	return names
}

// registered are the names of the series that the program's source registers: a Name in the options of a metric, or the first argument of a function
// beside such a Name that begins with the same prefix. Histograms have three series.
func registered(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && (e.Name() == "deploy" || e.Name() == "testdata" || e.Name() == ".git"):
			return filepath.SkipDir
		case e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		return registeredIn(path, names)
	})
	if err != nil {
		t.Fatal(err)
	}
	if !names["firebreak_build_info"] || !names["firebreak_refusals_total"] || !names["firebreak_webhook_payload_bytes_sum"] || names["firebreak_probe"] {
		t.Fatalf("the source is not read as it should be: %v", names)
	}
	return names
}

func registeredIn(path string, names map[string]bool) error {
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			sel, ok := n.Type.(*ast.SelectorExpr)
			if !ok || !strings.HasSuffix(sel.Sel.Name, "Opts") {
				return true
			}
			for _, element := range n.Elts {
				if pair, ok := element.(*ast.KeyValueExpr); ok && fmt.Sprint(pair.Key) == "Name" {
					add(names, text(pair.Value), sel.Sel.Name == "HistogramOpts")
				}
			}
		case *ast.CallExpr:
			// handlers/metrics.go makes its counters by a function that knows the prefix.
			if fn, ok := n.Fun.(*ast.Ident); ok && fn.Name == "counter" && len(n.Args) > 1 {
				name := text(n.Args[0])
				if !strings.HasPrefix(name, "firebreak_") {
					name = "firebreak_" + name
				}
				add(names, name, false)
			}
		}
		return true
	})
	return nil
}

// add takes a name, and what a histogram makes of it.
func add(names map[string]bool, name string, histogram bool) {
	if !strings.HasPrefix(name, "firebreak_") {
		return
	}
	names[name] = true
	for _, part := range []string{"_bucket", "_sum", "_count"} {
		if histogram {
			names[name+part] = true
		}
	}
}

// text is a literal's, "" if it is none.
func text(e ast.Expr) string {
	literal, ok := e.(*ast.BasicLit)
	if !ok {
		return ""
	}
	s, err := strconv.Unquote(literal.Value)
	if err != nil {
		return ""
	}
	return s
}

// recordedByRules are the names that the project's rules record.
func recordedByRules(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("../../alerts/rules/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^\s+- record: (\S+)$`).FindAllStringSubmatch(string(body), -1) {
			names[m[1]] = true
		}
	}
	return names
}

// exported are the names that exporters were seen to give, one a line.
func exported(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("../../alerts/rules/testdata/*_exporter.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d recordings: %v", len(files), err)
	}
	names := map[string]bool{}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range strings.Fields(string(body)) {
			names[name] = true
		}
	}
	return names
}
