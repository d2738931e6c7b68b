// Package docscheck reads the documentation as a reader would use it: it finds links that lead nowhere, and the command lines that somebody
// will copy. Whether those are understood only the command line itself can say, so its own tests ask here for them.
package docscheck

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Page is one Markdown file.
type Page struct {
	// Path is from the root of the repository, with slashes.
	Path  string
	Lines []Line
}

// Line is one line of a page and what it is.
type Line struct {
	Number int
	Text   string
	Kind   Kind
}

// Kind is what a line is to Markdown.
type Kind int

// The kinds of lines.
const (
	Prose Kind = iota
	// Code is a line in a block of code, indented or fenced, without the fences and the indent.
	Code
	// Session is a line in a block in which some lines begin with "$ ": those are typed, and the others are answers.
	Session
	// Fence begins or ends a block.
	Fence
)

// Read reads all pages of a repository. Test data, hidden folders and the folders that running the program leaves are left out.
func Read(root fs.FS) ([]Page, error) {
	var pages []Page
	err := fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); p != "." && (strings.HasPrefix(name, ".") || slices.Contains([]string{"testdata", "firebreak-data", "node_modules"}, name)) {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(p) != ".md" || !d.Type().IsRegular() {
			return nil
		}
		text, err := fs.ReadFile(root, p)
		if err != nil {
			return err
		}
		pages = append(pages, Parse(p, string(text)))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read pages: %w", err)
	}
	return pages, nil
}

// Parse says of every line of a page what it is. It knows fenced blocks and indented ones; an indented line below a list's item is prose.
func Parse(name, text string) Page {
	page := Page{Path: name}
	fence, list, blank := "", false, true
	begin := 0
	for i, raw := range strings.Split(text, "\n") {
		line := Line{Number: i + 1, Text: raw}
		trimmed := strings.TrimSpace(raw)
		switch {
		case fence != "" && strings.HasPrefix(trimmed, fence) && strings.Trim(trimmed, fence[:1]) == "":
			line.Kind, fence = Fence, ""
			page.session(begin)
		case fence != "":
			line.Kind, line.Text = Code, trimmed
		case strings.HasPrefix(trimmed, "```"), strings.HasPrefix(trimmed, "~~~"):
			line.Kind, fence, begin = Fence, trimmed[:3], i+1
		case strings.HasPrefix(raw, "    ") && (blank || page.code()) && (!list || strings.HasPrefix(raw, "       ")):
			line.Kind, line.Text = Code, trimmed
		case trimmed != "":
			if !strings.HasPrefix(raw, " ") {
				list = item(trimmed)
			}
		}
		blank = trimmed == ""
		page.Lines = append(page.Lines, line)
	}
	return page
}

// code says that the last line that was read is code.
func (p *Page) code() bool { return len(p.Lines) > 0 && p.Lines[len(p.Lines)-1].Kind == Code }

// session marks the lines from one on as a session if somebody types something there.
func (p *Page) session(from int) {
	block := p.Lines[from:]
	if !slices.ContainsFunc(block, func(l Line) bool { return strings.HasPrefix(l.Text, "$ ") }) {
		return
	}
	for i := range block {
		block[i].Kind = Session
	}
}

// item says that a line begins an item of a list.
func item(line string) bool {
	mark, _, _ := strings.Cut(line, " ")
	return mark == "-" || mark == "*" || len(mark) > 1 && strings.Trim(mark, "0123456789") == "."
}

// spans parts a line of prose into what is written as code, and the rest.
func spans(text string) (code []string, rest string) {
	parts := strings.Split(text, "`")
	for i, part := range parts {
		if i%2 == 1 && i < len(parts)-1 {
			code = append(code, part)
			continue
		}
		rest += part
	}
	return code, rest
}
