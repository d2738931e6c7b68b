package policy

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// document is one policy file while it is read: where everything stands in it, and what is wrong with it.
type document struct {
	file string
	// dir is where paths that are not absolute start.
	dir string
	env func(string) (string, bool)
	// at is where each path stands, as far as the file has it.
	at map[string]place
	// lines holds the length of each line in characters.
	lines []int
	// tabs holds for each line where its indentation has a tab, counted from 1, or 0.
	tabs []int
	// values counts what was read, so that aliases of aliases cannot keep us for ever.
	values int
	// broken holds the paths, and all above them, that could not be read; what would rest on them is not checked.
	broken map[string]bool
	// lost holds the paths alone that could not be read; nothing is known of what is below them.
	lost     map[string]bool
	problems Problems
}

// place is where a path stands in the file.
type place struct {
	key, value mark
	// text is a value as it was written, before variables: what a problem may show. Empty for secrets.
	text string
	// null says that the key is there without a value. That is the same as no key, but for sections that turn something on.
	null bool
}

// mark is a position, both from 1. Col counts characters.
type mark struct{ line, col int }

// markOf is where a node begins.
func markOf(n *yaml.Node) mark { return mark{n.Line, n.Column} }

// newDocument is a document of which nothing is read yet.
func newDocument(file, dir string, data []byte, env func(string) (string, bool)) *document {
	d := &document{file: file, dir: dir, env: env, at: map[string]place{}, broken: map[string]bool{}, lost: map[string]bool{}}
	if env == nil {
		d.env = func(string) (string, bool) { return "", false }
	}
	for line := range strings.Lines(string(data)) {
		d.tabs = append(d.tabs, 1+strings.IndexByte(line[:len(line)-len(strings.TrimLeft(line, " \t"))], '\t'))
		d.lines = append(d.lines, utf8.RuneCountInString(strings.TrimRight(line, "\r\n")))
	}
	return d
}

// unreadable reports a value that could not be read. Nothing that rests on it is checked afterwards.
func (d *document) unreadable(m mark, path, format string, args ...any) {
	d.add(m, path, format, args...)
	d.lost[path] = true
	for p := path; !d.broken[p]; p = parent(p) {
		d.broken[p] = true
	}
}

// wrong reports a value that was read and makes no sense, or that is missing. It stands at its value, or at the nearest
// key above that is there.
func (d *document) wrong(path, format string, args ...any) {
	d.add(d.find(path), path, format, args...)
}

// add notes a problem, inside the file.
func (d *document) add(m mark, path, format string, args ...any) {
	m.line = min(max(m.line, 1), max(len(d.lines), 1))
	width := 0
	if len(d.lines) > 0 {
		width = d.lines[m.line-1]
	}
	m.col = min(max(m.col, 1), width+1)
	d.problems.List = append(d.problems.List,
		Problem{File: d.file, Line: m.line, Col: m.col, Path: path, Message: fmt.Sprintf(format, args...)})
}

// find is where a path stands: its value; its key if that has no value; else the nearest key above it.
func (d *document) find(path string) mark {
	if p, ok := d.at[path]; ok && !p.null {
		return p.value
	}
	for {
		if p, ok := d.at[path]; ok || path == "" {
			return p.key
		}
		path = parent(path)
	}
}

// has says whether the file gives a value to a path.
func (d *document) has(path string) bool {
	p, ok := d.at[path]
	return ok && !p.null
}

// sound says whether everything at and below the paths could be read, and what they are in.
func (d *document) sound(paths ...string) bool {
	for _, p := range paths {
		if d.broken[p] || !d.reached(p) {
			return false
		}
	}
	return true
}

// reached says whether a path and all that it is in could be read; what is below it may not have been.
func (d *document) reached(path string) bool {
	for ; !d.lost[path] && path != ""; path = parent(path) {
	}
	return !d.lost[path]
}

// written is the text of a path as the file has it, short and in quotes.
func (d *document) written(path string) string { return quote(d.at[path].text) }

// quote shows text in a problem: short, on one line, in quotes.
func quote(s string) string {
	const most = 60
	if looksSecret(s) {
		s = s[:4] + "…"
	}
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	q := strconv.Quote(s)
	return "'" + strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`) + "'"
}

// looksSecret says whether a text could be a token that stands where none belongs: long, in one piece, of letters and digits. Names and numbers
// that somebody has mistyped are not.
func looksSecret(s string) bool {
	const least = 20
	if len(s) < least || strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII || unicode.IsSpace(r) }) || strings.ContainsAny(s, "/:.,;{}[]()$") {
		return false
	}
	return strings.ContainsAny(s, "0123456789") && strings.ContainsFunc(s, unicode.IsLetter)
}

// join is the path of a key below a path.
func join(path, key string) string {
	if key == "" || strings.Trim(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" || len(key) > 64 {
		return path + "[" + quote(key) + "]"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// at is the path of an element of a list.
func at(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// parent is the path above a path; that of a first key, and of the empty path, is empty.
func parent(path string) string { return path[:max(strings.LastIndexAny(path, ".["), 0)] }
