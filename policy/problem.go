package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a policy, and what to write instead. It never holds a secret's value.
type Problem struct {
	// File is the name that the policy was given.
	File string
	// Line and Col say where, both from 1; Col counts characters. What is missing is reported at the key that should hold it.
	Line, Col int
	// Path is the key, e.g. "handlers.retrystorm.edges[0].fix.ttl". Empty where the problem is the file's own.
	Path string
	// Message says what is wrong and what to write instead.
	Message string
}

// String is the problem on one line: "file:line:col: path: message".
func (p Problem) String() string {
	if p.Path == "" {
		return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Col, p.Message)
	}
	return fmt.Sprintf("%s:%d:%d: %s: %s", p.File, p.Line, p.Col, p.Path, p.Message)
}

// Problems is the error of a policy that cannot be used: everything that is wrong with it, in the order of the file.
type Problems struct {
	List []Problem
}

// Error is every problem on a line of its own.
func (p *Problems) Error() string {
	lines := make([]string, len(p.List))
	for i, one := range p.List {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

// sort puts the problems in the order of the file.
func (p *Problems) sort() {
	slices.SortStableFunc(p.List, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col), cmp.Compare(a.Path, b.Path))
	})
}
