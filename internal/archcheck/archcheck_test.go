package archcheck

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "example.org/fix"

// tree is a repository of the given files, written as path and text in turn.
func tree(t *testing.T, files ...string) *Tree {
	t.Helper()
	root := fstest.MapFS{"go.mod": {Data: []byte("module " + module + "\n\ngo 1.26\n")}}
	for i := 0; i < len(files); i += 2 {
		root[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	got, err := Read(root)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// importing is the source of a file that imports folders of the project.
func importing(folders ...string) string {
	s := "package p\n"
	for _, f := range folders {
		s += `import _ "` + module + "/" + f + "\"\n"
	}
	return s
}

// The rules hold for this repository.
func TestRepository(t *testing.T) {
	t.Parallel()
	tree, err := Read(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Files) == 0 {
		t.Fatal("no files were read")
	}
	for _, v := range tree.Check() {
		t.Error(v)
	}
}

// sample breaks one rule, in one place.
type sample struct {
	rule, file, source string
	want               string // in the message
}

func samples() []sample {
	long := "package p\n" + strings.Repeat("// line\n", maxLines)
	return []sample{
		{"imports", "alerts/a.go", importing("alerts/live"), "alerts/a.go:2: alerts imports alerts/live; alerts may import only nothing of ours [imports: it is a leaf"},
		{"imports", "alerts/live/a.go", importing("bus"), "alerts/live imports bus"},
		{"imports", "bus/a.go", importing("alerts"), "bus imports alerts"},
		{"imports", "bus/a_test.go", importing("alerts"), "bus imports alerts"},
		{"imports", "policy/b.go", importing("internal/failpoint"), "policy imports internal/failpoint"},
		{"imports", "receiver/a.go", importing("handlers"), "receiver imports handlers; receiver/... may import only alerts/..., bus/..., internal/tracing, internal/failpoint, what lies below itself [imports: it publishes and never acts]"},
		{"imports", "policy/a.go", importing("remediations"), "policy imports remediations"},
		{"imports", "policy/a.go", importing("alerts/live"), "policy imports alerts/live"},
		{"imports", "remediations/a.go", importing("remediations/breaker"), "remediations imports remediations/breaker"},
		{"imports", "remediations/a.go", importing("incidents"), "remediations imports incidents"},
		{"imports", "remediations/breaker/a.go", importing("remediations/httpadmin"), "it knows no other fix"},
		{"imports", "remediations/breaker/a.go", importing("handlers"), "remediations/breaker imports handlers"},
		{"imports", "remediations/breaker/client/a.go", importing("bus"), "services import it"},
		{"imports", "remediations/breaker/client/a.go", importing("remediations/breaker"), "services import it"},
		{"imports", "remediations/breaker/client/a_test.go", importing("handlers"), "remediations/breaker/client imports handlers"},
		{"imports", "remediations/breaker/lease/a.go", importing("policy"), "services import it"},
		{"imports", "incidents/a.go", importing("handlers"), "incidents imports handlers"},
		{"imports", "incidents/a.go", importing("bus"), "incidents imports bus"},
		{"imports", "handlers/think/a.go", importing("handlers"), "handlers/think imports handlers"},
		{"imports", "handlers/think/a.go", importing("bus"), "it only thinks"},
		{"imports", "handlers/a.go", importing("handlers/retrystorm"), "handlers imports handlers/retrystorm"},
		{"imports", "handlers/a.go", importing("remediations/breaker"), "cmd brings them"},
		{"imports", "handlers/retrystorm/a.go", importing("handlers/failover"), "it knows no other family"},
		{"imports", "handlers/retrystorm/a.go", importing("notify/slack"), "handlers/retrystorm imports notify/slack"},
		{"imports", "handlers/retrystorm/a_test.go", importing("notify/slack"), "internal/testbed [imports"},
		{"imports", "handlers/retrystorm/a.go", importing("handlers"), "it only thinks"},
		{"imports", "handlers/retrystorm/a.go", importing("bus"), "it only thinks"},
		{"imports", "handlers/retrystorm/a.go", importing("handlers/retrystorm/probe"), "it only thinks"},
		{"imports", "handlers/poolexhaustion/a.go", importing("internal/pgbouncer"), "it only thinks"},
		{"imports", "handlers/poolexhaustion/probe/a.go", importing("handlers/retrystorm"), "it only looks, for its own family"},
		{"imports", "handlers/poolexhaustion/probe/a.go", importing("remediations/pgbouncer"), "it only looks"},
		{"imports", "cmd/firebreak/a.go", importing("internal/archcheck"), "it runs the go command; only tests may"},
		{"imports", "notify/slack/a.go", importing("handlers"), "notify/slack imports handlers"},
		{"imports", "notify/slack/a.go", importing("notify/webhook"), "notify/slack imports notify/webhook"},
		{"imports", "console/a.go", importing("remediations"), "console imports remediations"},
		{"imports", "deploy/a_test.go", importing("handlers"), "deploy imports handlers"},
		{"imports", "internal/testbed/a.go", importing("alerts"), "internal/testbed imports alerts"},
		{"imports", "bus/a.go", importing("internal/testbed"), "only tests, drills and cmd may"},
		{"imports", "alerts/a.go", "package p\nimport _ \"" + module + "\"\n", "alerts imports ."},
		{"imports", "attic/a.go", "package p\n", "folder attic has no room"},

		{"pure", "handlers/retrystorm/decide.go", "package p\nimport \"time\"\nfunc f() time.Time { return time.Now() }\n", "decide.go:3: a file that decides uses time.Now"},
		{"pure", "handlers/retrystorm/decide_storm.go", "package p\nimport clock \"time\"\nfunc f(t clock.Time) clock.Duration { return clock.Since(t) }\n", "uses time.Since"},
		{"pure", "handlers/retrystorm/judge.go", "package p\nimport _ \"math/rand/v2\"\n", "imports math/rand/v2"},
		{"pure", "handlers/retrystorm/rates.go", "package p\nimport _ \"net/http\"\n", "imports net/http"},
		{"pure", "handlers/retrystorm/rates.go", "package p\nimport _ \"crypto/rand\"\n", "imports crypto/rand"},
		{"pure", "handlers/retrystorm/judge.go", "package p\nimport _ \"os\"\n", "imports os"},
		{"pure", "handlers/sessiondrift/sight.go", "package p\nimport _ \"net/http\"\n", "imports net/http"},
		{"pure", "handlers/replay/engine.go", "package p\nimport \"time\"\nfunc f() time.Time { return time.Now() }\n", "uses time.Now"},

		{"no-init", "bus/a.go", "package p\nfunc init() {}\n", "bus/a.go:2: init function"},
		{"no-init", "bus/a_test.go", "package p\nfunc init() {}\n", "bus/a_test.go:2: init function"},

		{"no-package-vars", "bus/a.go", "package p\nvar cache map[string]int\n", "package variable cache"},
		{"no-package-vars", "bus/a.go", "package p\nvar (\n\ta = 1\n)\n", "bus/a.go:3: package variable a"},
		{"no-package-vars", "bus/a.go", "package p\nvar errors = f()\n", "package variable errors"},
		{"no-package-vars", "bus/a.go", "package p\nvar errLast error\n", "package variable errLast"},
		{"no-package-vars", "bus/a.go", "package p\nvar ErrCount = 0\n", "package variable ErrCount"},
		{"no-package-vars", "bus/a.go", "package p\nvar ErrLog = os.Stderr\n", "package variable ErrLog"},
		{"no-package-vars", "bus/a_test.go", "package p\nvar shared = 1\n", "package variable shared"},

		{"no-sleep-in-tests", "bus/a_test.go", "package p\nimport \"time\"\nfunc f() { time.Sleep(1) }\n", "bus/a_test.go:3: a test sleeps"},
		{"no-sleep-in-tests", "bus/a_test.go", "package p\nimport . \"time\"\nfunc f() { Sleep(1) }\n", "bus/a_test.go:2: a test sleeps"},

		{"folder-names", "bus/util/a.txt", "", "bus/util: folder named util"},
		{"folder-names", "deploy/Helpers/a.yaml", "", "folder named Helpers"},
		{"folder-names", "alerts/models/a.txt", "", "folder named models"},

		{"file-length", "bus/a.go", long, "bus/a.go: 451 lines, at most 450"},

		{"machine-paths", "README.md", "see\n/" + "work/main\n", `README.md:2: the path of a machine: "/` + `work/"`},
		{"machine-paths", "scripts/x", "cd \"/" + "farm/x\"\n", "scripts/x:1"},
		{"machine-paths", "bus/a.go", "package p\n\nconst p = `(/tmp/" + "bash_jobs)`\n", "bus/a.go:3"},
	}
}

// Every rule finds what breaks it, and no other rule is upset by it.
func TestSamplesAreFound(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range samples() {
		seen[s.rule] = true
		got := tree(t, s.file, s.source).Check()
		if len(got) != 1 || got[0].Rule != s.rule || !strings.Contains(got[0].String(), s.want) {
			t.Errorf("%s:\n%s\ngot %v\nwant one violation of %s with %q", s.file, firstLines(s.source), got, s.rule, s.want)
		}
	}
	for _, r := range Rules() {
		if !seen[r.Name] {
			t.Errorf("no sample shows that rule %s finds anything", r.Name)
		}
	}
}

func firstLines(s string) string { return s[:min(len(s), 200)] }

// What is allowed is not found.
func TestAllowed(t *testing.T) {
	t.Parallel()
	allowed := []string{
		"alerts/live/a.go", importing("alerts"),
		"alerts/a_test.go", importing("alerts/live", "internal/testbed"),
		"receiver/a.go", importing("alerts", "bus"),
		"policy/a.go", importing("alerts"),
		"remediations/a.go", importing("policy"),
		"remediations/ledger/a_test.go", importing("remediations", "policy", "bus"),
		"notify/slack/a_test.go", importing("internal/testbed/fakeslack", "bus"),
		"internal/clustertest/a_test.go", importing("bus", "internal/testbed"),
		"remediations/breaker/a.go", importing("remediations", "policy", "bus", "remediations/breaker/lease"),
		"remediations/breaker/client/a.go", importing("remediations/breaker/lease"),
		"remediations/breaker/client/a_test.go", importing("remediations", "remediations/breaker", "policy", "bus"),
		"incidents/a.go", importing("alerts", "bus/stored", "policy", "remediations"),
		"handlers/a_test.go", importing("remediations/breaker", "handlers/retrystorm", "internal/testbed"),
		"handlers/modeltest/a_test.go", importing("handlers", "bus", "remediations/guard"),
		"handlers/retrystorm/a.go", importing("handlers/think", "incidents", "remediations", "policy", "alerts", "internal/topology"),
		"handlers/retrystorm/a_test.go", importing("internal/archcheck", "internal/testbed"),
		"handlers/retrystorm/probe/a.go", importing("handlers/retrystorm", "policy", "internal/postgres"),
		"handlers/sessiondrift/a.go", importing("handlers/think", "internal/sessions"),
		"handlers/sessiondrift/probe/a.go", importing("handlers/sessiondrift", "internal/sessions", "internal/sessions/redis"),
		"notify/webhook/a.go", importing("incidents", "policy"),
		"console/a.go", importing("incidents", "policy", "alerts", "bus"),
		"drills/storm/a.go", importing("handlers/retrystorm", "internal/testbed", "remediations/breaker/client"),
		"cmd/firebreak/a.go", importing("handlers/retrystorm", "console", "notify/webhook"),
		"bus/a.go", "package p\nimport (\n_ \"fmt\"\n_ \"" + module + "ation/other\"\n)\n",

		"handlers/retrystorm/decide.go", "package p\nimport \"time\"\nfunc f(now time.Time) time.Time { return now.Add(time.Second) }\n",
		"handlers/retrystorm/decide_test.go", "package p\nimport \"time\"\nfunc f() time.Time { return time.Now() }\n",
		"handlers/retrystorm/probe/observe.go", "package p\nimport _ \"net/http\"\n",

		"bus/vars.go", "package p\nvar _ I = (*T)(nil)\nvar ErrGone = errors.New(\"gone\")\nvar (\n\terrA = fmt.Errorf(\"a\")\n\terrB = &E{}\n\terrC = bus.ErrGone\n)\n\n//go:embed a.txt\nvar text string\nfunc f() { var local int; _ = local }\n",
		"bus/init.go", "package p\nfunc (t T) init() {}\n",
		"bus/sleep.go", "package p\nimport \"time\"\nfunc f() { time.Sleep(1) }\n",
		"bus/testdata/broken.go", "not Go at all",
		"bus/long_test.go", "package p\n" + strings.Repeat("// line\n", 2*maxLines),
		"docs/links.md", "https://example.org/" + "work/x and home/" + "work/y\n",
		"docs/picture.png", "\x00/" + "work/x\n",
		"bin/util/a.txt", "/" + "work/x\n",
	}
	for _, v := range tree(t, allowed...).Check() {
		t.Error(v)
	}
}

// A file that cannot be parsed is said to be so, rather than passed over.
func TestUnreadableSource(t *testing.T) {
	t.Parallel()
	root := fstest.MapFS{"go.mod": {Data: []byte("module x\n")}, "bus/a.go": {Data: []byte("package")}}
	if _, err := Read(root); err == nil || !strings.Contains(err.Error(), "bus/a.go") {
		t.Errorf("got %v, want an error that names the file", err)
	}
	if _, err := Read(fstest.MapFS{}); err == nil || !strings.Contains(err.Error(), "read module path") {
		t.Errorf("got %v, want an error about go.mod", err)
	}
}
