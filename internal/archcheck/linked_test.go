package archcheck

import (
	"testing"
	"testing/fstest"
)

// Only a string of a program that says how the linker sets it may be a package variable.
func TestLinkedVariables(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]int{
		"package main\n\n// stamp is set by -ldflags \"-X main.stamp=1\".\nvar stamp string\n":        0,
		"package main\n\n// stamp is set by -ldflags \"-X main.other=1\".\nvar stamp string\n":        1,
		"package main\n\nvar stamp string\n":                                                          1,
		"package main\n\n// stamp is set by -ldflags \"-X main.stamp=1\".\nvar stamp = \"x\"\n":       1,
		"package main\n\n// stamp is set by -ldflags \"-X main.stamp=1\".\nvar stamp []string\n":      1,
		"package sample\n\n// stamp is set by -ldflags \"-X main.stamp=1\".\nvar stamp string\n":      1,
		"package main\n\n// stamp is set by -ldflags \"-X main.stamp=1\".\nvar stamp, other string\n": 1,
	} {
		tree, err := Read(fstest.MapFS{"go.mod": {Data: []byte("module x\n\ngo 1.26\n")}, "cmd/x/a.go": {Data: []byte(source)}})
		if err != nil {
			t.Fatal(err)
		}
		if got := noPackageVars(tree); len(got) < want || (want == 0) != (len(got) == 0) {
			t.Errorf("%q: got %v, want %d", source, got, want)
		}
	}
}
