package poolexhaustion_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/internal/archcheck"
)

// TestThinksWithoutClients holds that nothing which this package brings along can reach a system: a replay is built of it.
func TestThinksWithoutClients(t *testing.T) {
	t.Parallel()
	ways, err := archcheck.Reach(t.Context(), ".", archcheck.Clients()...)
	if err != nil {
		t.Fatal(err)
	}
	for _, way := range ways {
		t.Errorf("a client is reached: %s", way)
	}
}

// What thinks has no clock, no dice and no network: the case is all that it knows.
func TestThinkingIsPure(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil || !slices.Contains(files, "decide.go") || !slices.Contains(files, "judge.go") {
		t.Fatalf("got the files %v (%v)", files, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range f.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil || path == "context" || path == "os" || path == "sync" || strings.HasPrefix(path, "net") || strings.HasPrefix(path, "math/rand") ||
				strings.Contains(path, "firebreak/internal") && !strings.HasSuffix(path, "/topology") || strings.Contains(path, "jackc") {
				t.Errorf("%s imports %s (%v)", name, path, err)
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				x, isName := s.X.(*ast.Ident)
				if isName && x.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "After", "NewTimer", "Tick", "Sleep"}, s.Sel.Name) {
					t.Errorf("%s uses time.%s", name, s.Sel.Name)
				}
			}
			if _, ok := n.(*ast.GoStmt); ok {
				t.Errorf("%s starts a goroutine", name)
			}
			return true
		})
	}
}
