package archcheck

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxLines is the length of a file that is certainly two ideas. The aim is 400.
const maxLines = 450

// pure finds clocks, dice and networks in files that decide.
func pure(t *Tree) []Found {
	var found []Found
	for _, f := range t.Files {
		if f.Go == nil || !isPure(f) {
			continue
		}
		for _, spec := range f.Go.Imports {
			if name, err := strconv.Unquote(spec.Path.Value); err == nil && isImpure(name) {
				found = append(found, Found{Where: f.at(spec), Words: "a file that decides imports " + name})
			}
		}
		for _, name := range []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"} {
			for _, n := range uses(f, "time", name) {
				found = append(found, Found{Where: f.at(n), Words: "a file that decides uses time." + name + ": the time is in the case"})
			}
		}
	}
	return found
}

// isPure says whether a file is of what decides: a failure family, but for its probe, or what a replay runs.
func isPure(f File) bool {
	parts := strings.Split(f.Path, "/")
	return !f.isTest() && len(parts) > 2 && parts[0] == "handlers" && parts[2] != "probe" && parts[1] != "modeltest"
}

func isImpure(name string) bool {
	if name == "net/url" { // it reads text
		return false
	}
	for _, p := range []string{"net", "os", "database/sql", "syscall"} {
		if fits(p+"/...", name) {
			return true
		}
	}
	return slices.Contains([]string{"math/rand", "math/rand/v2", "crypto/rand"}, name)
}

// noInit finds init functions.
func noInit(t *Tree) []Found {
	var found []Found
	for _, f := range t.Files {
		if f.Go == nil {
			continue
		}
		for _, d := range f.Go.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				found = append(found, Found{Where: f.at(fn), Words: "init function"})
			}
		}
	}
	return found
}

// noPackageVars finds variables of packages that are neither errors, nor embedded files, nor interface checks.
func noPackageVars(t *Tree) []Found {
	var found []Found
	for _, f := range t.Files {
		if f.Go == nil {
			continue
		}
		for _, d := range f.Go.Decls {
			decl, ok := d.(*ast.GenDecl)
			if !ok || decl.Tok != token.VAR {
				continue
			}
			for _, s := range decl.Specs {
				spec := s.(*ast.ValueSpec)
				if isEmbed(decl.Doc) || isEmbed(spec.Doc) || isLinked(f, decl, spec) {
					continue
				}
				for i, name := range spec.Names {
					if !isConstantByNature(spec, i) {
						found = append(found, Found{Where: f.at(name), Words: "package variable " + name.Name})
					}
				}
			}
		}
	}
	return found
}

func isEmbed(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") })
}

// isLinked says whether a variable is a program's string that the linker sets, which can be nothing else, and says so: -X main.name.
func isLinked(f File, decl *ast.GenDecl, spec *ast.ValueSpec) bool {
	kind, ok := spec.Type.(*ast.Ident)
	return ok && kind.Name == "string" && len(spec.Names) == 1 && len(spec.Values) == 0 && f.Go.Name.Name == "main" &&
		decl.Doc != nil && strings.Contains(decl.Doc.Text(), "-X main."+spec.Names[0].Name)
}

// isConstantByNature says whether a variable is an interface check, or an error that has its value from the start, maybe
// another package's.
func isConstantByNature(spec *ast.ValueSpec, i int) bool {
	name := spec.Names[i].Name
	if name == "_" {
		return true
	}
	if !isErrorName(name) || i >= len(spec.Values) {
		return false
	}
	switch v := spec.Values[i].(type) {
	case *ast.CallExpr, *ast.CompositeLit:
		return true
	case *ast.UnaryExpr:
		return v.Op == token.AND
	case *ast.SelectorExpr:
		return isErrorName(v.Sel.Name)
	}
	return false
}

// isErrorName says whether a name is Err or err and a word.
func isErrorName(name string) bool {
	return len(name) > 3 && (name[:3] == "Err" || name[:3] == "err") && name[3] >= 'A' && name[3] <= 'Z'
}

// noSleep finds tests that sleep.
func noSleep(t *Tree) []Found {
	var found []Found
	for _, f := range t.Files {
		if f.Go == nil || !f.isTest() {
			continue
		}
		for _, n := range uses(f, "time", "Sleep") {
			found = append(found, Found{Where: f.at(n), Words: "a test sleeps"})
		}
	}
	return found
}

// uses finds where a file uses a name of an imported package, whatever the file calls that package. A dot import is found
// as a use: it hides them all.
func uses(f File, pkg, name string) []ast.Node {
	var found []ast.Node
	for _, spec := range f.Go.Imports {
		if spec.Path.Value != strconv.Quote(pkg) {
			continue
		}
		local := path.Base(pkg)
		if spec.Name != nil {
			local = spec.Name.Name
		}
		if local == "." {
			found = append(found, spec)
		}
		ast.Inspect(f.Go, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == name {
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == local {
					found = append(found, sel)
				}
			}
			return true
		})
	}
	return found
}

// folderNames finds folders whose names say nothing.
func folderNames(t *Tree) []Found {
	banned := []string{"util", "utils", "common", "helper", "helpers", "types", "models"}
	var found []Found
	for _, folder := range t.Folders {
		if slices.Contains(banned, strings.ToLower(path.Base(folder))) {
			found = append(found, Found{Where: folder, Words: "folder named " + path.Base(folder)})
		}
	}
	return found
}

// fileLength finds files of Go that are too long. Tests may be, since their stories are read one by one.
func fileLength(t *Tree) []Found {
	var found []Found
	for _, f := range t.Files {
		if f.Go == nil || f.isTest() {
			continue
		}
		if n := strings.Count(string(f.Text), "\n"); n > maxLines {
			found = append(found, Found{Where: f.Path, Words: fmt.Sprintf("%d lines, at most %d", n, maxLines)})
		}
	}
	return found
}

// machinePaths finds paths of the machines that this was written on. They are put together here, so that this file is not
// found itself.
func machinePaths(t *Tree) []Found {
	paths := regexp.MustCompile(`(^|[^\w.\-/])/(` + "work/" + `|` + "farm/" + `|tmp/` + "bash_jobs" + `)`)
	var found []Found
	for _, f := range t.Files {
		number := 0
		for line := range strings.Lines(string(f.Text)) {
			number++
			if m := paths.FindString(line); m != "" {
				found = append(found, Found{Where: fmt.Sprintf("%s:%d", f.Path, number), Words: fmt.Sprintf("the path of a machine: %q", m)})
			}
		}
	}
	return found
}
