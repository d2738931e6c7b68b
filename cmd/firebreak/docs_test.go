package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/firebreak-sre/firebreak/internal/docscheck"
	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
)

// Every command line in the documentation is one that the program understands. In a sentence arguments may be left out, but nothing that
// is written may be wrong.
func TestDocumentedCommands(t *testing.T) {
	t.Parallel()
	pages, err := docscheck.Read(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	n, reader := 0, newLineReader(t)
	for _, p := range pages {
		for _, c := range p.Commands("firebreak") {
			n++
			if why := reader.misunderstood(c); why != "" {
				t.Errorf("%s:%d: firebreak %s: %s", c.Page, c.Line, strings.Join(c.Args, " "), why)
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d command lines were found", n)
	}
}

// lineReader reads command lines as the program does. Nothing is run, and files need not be there.
type lineReader struct {
	parser *kong.Kong
	// exited says that the last line asked for help and nothing else.
	exited bool
}

func newLineReader(t *testing.T) *lineReader {
	t.Helper()
	r, out := &lineReader{}, &output{}
	parser, err := kong.New(&cli{}, kong.Name("firebreak"), kong.Writers(out, out), kong.Exit(func(int) { r.exited = true }),
		kong.NamedMapper("existingfile", anyFile{}))
	if err != nil {
		t.Fatal(err)
	}
	r.parser = parser
	return r
}

// misunderstood says why the program would not take a command line; "" if it would.
func (r *lineReader) misunderstood(c docscheck.Command) string {
	if len(c.Args) == 0 {
		return ""
	}
	r.forget(r.parser.Model.Node)
	_, err := r.parser.Parse(c.Args)
	if err == nil || r.exited {
		return ""
	}
	for _, left := range []string{"expected ", "missing "} {
		if !c.Whole && strings.HasPrefix(err.Error(), left) {
			return ""
		}
	}
	return err.Error()
}

// forget makes the parser as new: it keeps what the last line has set, and would not miss it in the next one. Making a new one for each line
// takes most of a minute with the race detector.
func (r *lineReader) forget(n *kong.Node) {
	r.exited, n.Active = false, false
	for _, v := range n.Values() {
		v.Set, v.Active = false, false
	}
	for _, below := range n.Children {
		r.forget(below)
	}
}

// anyFile takes the names of files that are not there.
type anyFile struct{}

func (anyFile) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	for {
		var name string
		if err := ctx.Scan.PopValueInto("file", &name); err != nil {
			return err
		}
		if target.Kind() != reflect.Slice {
			target.SetString(name)
			return nil
		}
		target.Set(reflect.Append(target, reflect.ValueOf(name)))
		if ctx.Value.Flag != nil || !ctx.Scan.Peek().IsValue() {
			return nil
		}
	}
}

// A command line that is wrong is found: the test above can fail.
func TestMisunderstood(t *testing.T) {
	t.Parallel()
	reader := newLineReader(t)
	for line, want := range map[string]struct{ whole, spoken bool }{
		"config check firebreak.yaml": {true, true}, "config check": {false, true}, "restore backup.tar.gz": {true, true}, "serve --help": {true, true},
		"replay --file a.json --file b.json": {true, true}, "pause": {false, true},
		"serve --confg x": {false, false}, "confg": {false, false}, "rules --format xml": {false, false}, "kpi --since soon": {false, false},
	} {
		args := strings.Fields(line)
		if why := reader.misunderstood(docscheck.Command{Args: []string{"pause", "--reason", "x"}, Whole: true}); why != "" {
			t.Fatalf("pause with all that it needs: %s", why)
		}
		whole := reader.misunderstood(docscheck.Command{Args: args, Whole: true}) == ""
		spoken := reader.misunderstood(docscheck.Command{Args: args}) == ""
		if whole != want.whole || spoken != want.spoken {
			t.Errorf("%s: understood as a whole: %t, in a sentence: %t, want %+v", line, whole, spoken, want)
		}
	}
}

// The page of all refusals says what the program says. UPDATE_GOLDEN=1 writes it anew.
func TestRefusalsPage(t *testing.T) {
	t.Parallel()
	generated(t, "docs/refusals.md", func(b *strings.Builder) {
		for _, r := range remediations.Reasons() {
			means, lifts := r.Help()
			fmt.Fprintf(b, "### %s\n\n**What does it mean?** %s\n\n**What lifts it?** %s\n\n", r, means, marked(lifts))
		}
	})
}

// The reference of the policy says what the schema says. UPDATE_GOLDEN=1 writes it anew.
func TestPolicyPage(t *testing.T) {
	t.Parallel()
	schema, err := policy.Schema()
	if err != nil {
		t.Fatal(err)
	}
	generated(t, "docs/policy.md", func(b *strings.Builder) { reference(b, schema) })
}

// generated holds the part of a page that a test writes: everything from its mark on.
func generated(t *testing.T, name string, write func(*strings.Builder)) {
	t.Helper()
	const mark = "<!-- From here on this page is written by a test: UPDATE_GOLDEN=1 go test ./cmd/firebreak -run Page -->\n"
	path := filepath.Join("..", "..", filepath.FromSlash(name))
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, _, found := strings.Cut(string(text), mark)
	if !found {
		t.Fatalf("%s has no line %q", name, mark)
	}
	var b strings.Builder
	b.WriteString(head + mark + "\n")
	write(&b)
	want := strings.TrimRight(b.String(), "\n") + "\n"
	if want == string(text) {
		return
	}
	if os.Getenv("UPDATE_GOLDEN") == "1" {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s is not what the program says: UPDATE_GOLDEN=1 writes it anew", name)
}

// The policies that the documentation has people begin with are ones that the program takes.
func TestDocumentedPolicies(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../docs/*/firebreak*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("found %d policies: %v", len(files), err)
	}
	for _, file := range files {
		if _, err := policy.Load(file, environment{}.lookup); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}
