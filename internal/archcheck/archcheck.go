// Package archcheck holds the rules of this code's architecture that no compiler knows: which way imports point, and what
// may not be written where. The rules read source text only, so they work while a package does not compile yet; only [Reach] asks the
// go command. They are run over this repository by its own test.
//
// To add a package, find its room in [Rooms]; a folder without a room is a violation. To change a rule, change its reason too.
package archcheck

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Violation is one place that breaks a rule.
type Violation struct {
	// Where is a file, and a line if there is one that matters.
	Where string
	// Rule is the rule's name, Words what is wrong, Why the reason for the rule.
	Rule  string
	Words string
	Why   string
}

// String is all of it in one line.
func (v Violation) String() string {
	return fmt.Sprintf("%s: %s [%s: %s]", v.Where, v.Words, v.Rule, v.Why)
}

// Tree is the text of a repository.
type Tree struct {
	// Module is the path of the module, from go.mod.
	Module string
	// Folders and Files are everything that rules look at, by path from the root.
	Folders []string
	Files   []File
}

// File is one text file.
type File struct {
	Path string
	Text []byte
	// Go is the parsed source, nil if it is not Go or does not belong to a package (testdata).
	Go *ast.File
	// pos translates positions of Go into lines.
	pos *token.FileSet
}

// skipped says which folders and files are no part of the repository, as .gitignore has it.
func skipped(p string) bool {
	switch p {
	case ".git", "bin", "firebreak", "firebreak-data":
		return true
	}
	return strings.HasSuffix(p, ".test") || strings.HasSuffix(p, ".prof")
}

// Read reads a repository. A Go file that cannot be parsed is an error: nothing could be said about it.
func Read(root fs.FS) (*Tree, error) {
	mod, err := fs.ReadFile(root, "go.mod")
	if err != nil {
		return nil, fmt.Errorf("read module path: %w", err)
	}
	tree := &Tree{}
	for line := range strings.Lines(string(mod)) {
		if name, ok := strings.CutPrefix(line, "module "); ok {
			tree.Module = strings.TrimSpace(name)
		}
	}
	err = fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case skipped(p) && d.IsDir():
			return fs.SkipDir
		case skipped(p) || (!d.IsDir() && !d.Type().IsRegular()):
			return nil
		case d.IsDir():
			tree.Folders = append(tree.Folders, p)
			return nil
		}
		return tree.add(root, p)
	})
	if err != nil {
		return nil, fmt.Errorf("read tree: %w", err)
	}
	return tree, nil
}

// add reads one file, unless it is binary.
func (t *Tree) add(root fs.FS, p string) error {
	text, err := fs.ReadFile(root, p)
	if err != nil {
		return err
	}
	if bytes.IndexByte(text[:min(len(text), 8000)], 0) >= 0 {
		return nil
	}
	f := File{Path: p, Text: text}
	if strings.HasSuffix(p, ".go") && !slices.Contains(strings.Split(p, "/"), "testdata") {
		f.pos = token.NewFileSet()
		if f.Go, err = parser.ParseFile(f.pos, p, text, parser.ParseComments|parser.SkipObjectResolution); err != nil {
			return err
		}
	}
	t.Files = append(t.Files, f)
	return nil
}

// Check runs all rules.
func (t *Tree) Check() []Violation {
	var all []Violation
	for _, r := range Rules() {
		for _, found := range r.Find(t) {
			all = append(all, Violation{Where: found.Where, Rule: r.Name, Words: found.Words, Why: r.reason(found)})
		}
	}
	return all
}

// Rule is one thing that holds everywhere.
type Rule struct {
	Name string
	Why  string
	Find func(*Tree) []Found
}

// Found is a violation before its rule has put its name to it. Why is empty unless the place has a reason of its own.
type Found struct {
	Where string
	Words string
	Why   string
}

func (r Rule) reason(f Found) string {
	if f.Why != "" {
		return f.Why
	}
	return r.Why
}

// Rules are all rules.
func Rules() []Rule {
	return []Rule{
		{"imports", "arrows point one way", imports},
		{"pure", "a past decision must be derivable again from the record alone, so what decides reads no clock, no network, no dice", pure},
		{"no-init", "what runs before main cannot be read from main; wire by hand in cmd", noInit},
		{"no-package-vars", "state of a package is shared by all tests and all handlers; only errors, embedded files and interface checks are not state", noPackageVars},
		{"no-sleep-in-tests", "a sleep is too short on a busy machine and too long on every other; wait for a signal, or for the record", noSleep},
		{"folder-names", "a folder is named for a thing of the problem; these names say nothing", folderNames},
		{"file-length", "a file is one idea; look for the second one", fileLength},
		{"machine-paths", "a path of one machine is wrong on every other", machinePaths},
	}
}

// isTest says whether a file is compiled for tests only.
func (f File) isTest() bool { return strings.HasSuffix(f.Path, "_test.go") }

// folder is where the file lies, "." for the root.
func (f File) folder() string { return path.Dir(f.Path) }

// at is the file with the line of a node.
func (f File) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", f.Path, f.pos.Position(n.Pos()).Line)
}
