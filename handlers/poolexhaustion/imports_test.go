package poolexhaustion_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// thinking are the files that Decide and Judge are made of.
func thinking() []string {
	return []string{"act.go", "advice.go", "cause.go", "decide.go", "evidence.go", "grow.go", "judge.go", "others.go", "patience.go", "queue.go",
		"rates.go", "sessions.go", "settings.go", "sight.go", "words.go"}
}

// What thinks has no clock, no dice and no network: the case is all that it knows.
func TestThinkingIsPure(t *testing.T) {
	t.Parallel()
	for _, name := range thinking() {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range f.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil || path == "context" || path == "os" || path == "sync" || strings.HasPrefix(path, "net") || strings.HasPrefix(path, "math/rand") ||
				strings.Contains(path, "firebreak/internal") || strings.Contains(path, "jackc") {
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
