package policy

import (
	"errors"
	"strings"

	"go.yaml.in/yaml/v4"
)

// syntax reports text that is not YAML, in words that say what to do. The YAML reader's own words are never passed on: some
// repeat what stands in the file, which may be a secret.
func (d *document) syntax(err error) {
	var e *yaml.LoadError
	if !errors.As(err, &e) {
		d.add(mark{}, "", "cannot be read as YAML")
		return
	}
	h := hintFor(e.Message)
	m := mark{e.Mark.Line, e.Mark.Column}
	if h.opening && e.ContextMark.Line > 0 {
		m = mark{e.ContextMark.Line, e.ContextMark.Column}
	}
	if d.tabAt(m) {
		h = hintFor("tab character")
	}
	d.add(m, "", "%s", h.say)
}

// tabAt says whether a position is the first tab of a line's indentation.
func (d *document) tabAt(m mark) bool {
	return m.line >= 1 && m.line <= len(d.tabs) && d.tabs[m.line-1] == m.col
}

// hint is what to say when the YAML reader says what is in has. opening: the place to point at is where the construct
// begins, since its end is what is missing.
type hint struct {
	has, say string
	opening  bool
}

// hintFor translates what the YAML reader says.
func hintFor(message string) hint {
	hints := []hint{
		{has: "mapping values are not allowed", say: "a ':' is not expected here: put a value that has ': ' in it in quotes, or correct the indentation"},
		{has: "cannot start any token", say: "a value cannot begin with this character: put the value in quotes"},
		{has: "unknown anchor", say: "a value that begins with '*' refers to an anchor, and there is none of that name: put the value in quotes"},
		{has: "tab character", say: "a tab indents this line: use spaces"},
		{has: "did not find expected key", say: "this line does not fit the ones above it: correct the indentation, or close the quotes above"},
		{has: "did not find expected ',' or '}'", say: "a '{' is not closed: write the missing ',' or '}'", opening: true},
		{has: "did not find expected ',' or ']'", say: "a '[' is not closed: write the missing ',' or ']'", opening: true},
		{has: "did not find expected '-' indicator", say: "this line does not fit the list above it: begin it with '- ', or correct the indentation"},
		{has: "could not find expected ':'", say: "a key ends without ':': write 'key: value'"},
		{has: "unknown escape character", say: "there is no such escape in double quotes: write '\\\\' for a backslash, or use single quotes"},
		{has: "unexpected end of stream", say: "a quote is not closed: write the missing quote", opening: true},
		{has: "control characters are not allowed", say: "a control character is not allowed here: take it out"},
		{has: "exceeded max depth", say: "this is nested too deeply"},
	}
	for _, h := range hints {
		if strings.Contains(message, h.has) {
			return h
		}
	}
	return hint{say: "this is not YAML: correct it (a YAML-aware editor shows what is wrong)"}
}
