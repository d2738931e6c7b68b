package docscheck_test

import (
	"os"
	"reflect"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/firebreak-sre/firebreak/internal/docscheck"
)

// Every link in this repository leads somewhere.
func TestRepository(t *testing.T) {
	t.Parallel()
	root := os.DirFS("../..")
	pages, err := docscheck.Read(root)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(pages, func(p docscheck.Page) bool { return p.Path == "README.md" }) {
		t.Fatalf("README.md was not read, only %d pages", len(pages))
	}
	for _, broken := range docscheck.Broken(root, pages) {
		t.Error(broken)
	}
}

// What leads nowhere is found, with its line; what is code, or another site, is no link of ours.
func TestBroken(t *testing.T) {
	t.Parallel()
	root := fstest.MapFS{
		"docs/a.md": {Data: []byte("# A page\n\n[b](b.md) [root](../c.md#two-words--and-three) [here](#a-page) [site](https://example.org/x.md)\n" +
			"[gone](gone.md), ![picture](p.svg), [heading](b.md#nope) [up](../../x)\n`[code](gone.md)`\n\n    [code](gone.md)\n\n" +
			"```\n[code](gone.md)\n```\n<img src=\"p.svg\">\n- an item\n    [prose](gone.md)\n")},
		"docs/b.md":       {Data: []byte("# B\n")},
		"c.md":            {Data: []byte("## Two words, & *and* (three)\n## Again\n## Again\n[x](#again-1) [y](#again-2)\n")},
		"testdata/d.md":   {Data: []byte("[gone](gone.md)\n")},
		".hidden/d.md":    {Data: []byte("[gone](gone.md)\n")},
		"docs/other.text": {Data: []byte("[gone](gone.md)\n")},
	}
	pages, err := docscheck.Read(root)
	if err != nil {
		t.Fatal(err)
	}
	got := docscheck.Broken(root, pages)
	want := []string{
		`c.md:4: link "#again-2": c.md has no such heading`,
		`docs/a.md:4: link "gone.md": there is no docs/gone.md`,
		`docs/a.md:4: link "p.svg": there is no docs/p.svg`,
		`docs/a.md:4: link "b.md#nope": docs/b.md has no such heading`,
		`docs/a.md:4: link "../../x": there is no ../x`,
		`docs/a.md:12: link "p.svg": there is no docs/p.svg`,
		`docs/a.md:14: link "gone.md": there is no docs/gone.md`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

// A command is found where somebody would copy it, as a shell would read it, and answers are not taken for commands.
func TestCommands(t *testing.T) {
	t.Parallel()
	const text = "Run `tool show ID` or `tools`, `./tool`, not tool, `a | tool b`.\n\n" +
		"    go run ./cmd/tool demo   # a comment\n    X_1=2 sudo ./tool run \"two words\" 'it''s' a\\ b > out 2>&1 | tool read -\n\n" +
		"```console\n$ tool one\ntool is an answer\n$ tool two \\\n    --three\n```\n" +
		"```sh\ntool four && tool five; other tool\nsource <(tool six)\ntool -o x-$(date +%F).gz <in\n```\n" +
		"1. An item\n   - below\n\n       tool seven\n\n    tool is prose here\n"
	var got [][]string
	whole := 0
	for _, c := range docscheck.Parse("a.md", text).Commands("tool") {
		got = append(got, c.Args)
		if c.Whole {
			whole++
		}
	}
	want := [][]string{{"show", "ID"}, {}, {"b"}, {"demo"}, {"run", "two words", "its", "a b"}, {"read", "-"}, {"one"}, {"two", "--three"},
		{"four"}, {"five"}, {"six"}, {"-o", "x-$(date +%F).gz"}, {"seven"}}
	if !reflect.DeepEqual(got, want) || whole != len(want)-3 {
		t.Errorf("got %d whole of\n%q\nwant all but three of\n%q", whole, got, want)
	}
}
