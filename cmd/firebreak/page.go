package main

import (
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/mattn/go-isatty"
	"golang.org/x/term"
)

// page is text for people, as wide as their terminal. In a pipe it has no colour, and nothing is wrapped that was not before.
type page struct {
	w io.Writer
	// width is how many columns there are; 0 is no terminal.
	width  int
	colour bool
}

// narrowest is the least that is still wrapped: below it every other word would stand alone.
const narrowest = 40

// widest is the most that is still read with ease.
const widest = 120

func newPage(a *app) page {
	p := page{w: a.stdout}
	f, ok := a.stdout.(*os.File)
	if !ok || !isatty.IsTerminal(f.Fd()) {
		return p
	}
	p.width = columns
	if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		p.width = min(max(width, narrowest), widest)
	}
	_, plain := a.env("NO_COLOR")
	p.colour = !plain
	return p
}

// markdown prints a document: on a terminal headings stand out, and paragraphs and items of lists are filled to its width; tables and code
// stay as they are, so that they can be copied.
func (p page) markdown(text string) {
	if p.width == 0 {
		_, _ = io.WriteString(p.w, text)
		return
	}
	fenced, paragraph := false, ""
	end := func() {
		if paragraph != "" {
			p.wrap(paragraph)
		}
		paragraph = ""
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		fence := strings.HasPrefix(line, "```")
		switch {
		case fence || fenced, strings.HasPrefix(line, "|"), strings.HasPrefix(line, "    ") && paragraph == "", strings.TrimSpace(line) == "":
			end()
			p.line(line)
		case strings.HasPrefix(line, "#"):
			end()
			p.line(p.bold(line))
		case paragraph == "" || marker(line) != "":
			end()
			paragraph = line
		default:
			paragraph += " " + strings.TrimSpace(line)
		}
		fenced = fenced != fence
	}
	end()
}

// title is a line that stands out, after an empty one.
func (p page) title(text string) { p.line("\n" + p.bold(text)) }

// entry is text behind a prefix, wrapped below itself.
func (p page) entry(prefix, text string) {
	width := p.width
	if width == 0 {
		width = columns
	}
	used := utf8.RuneCountInString(prefix)
	line, indent, first := prefix, strings.Repeat(" ", used), true
	for _, word := range unbroken(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case first:
		case used+1+n > width:
			p.line(line)
			line, used = indent, len(indent)
		default:
			line, used = line+" ", used+1
		}
		line, used, first = line+word, used+n, false
	}
	p.line(strings.TrimRight(line, " "))
}

// wrap breaks a paragraph or an item of a list; what follows stands below the text of the first line.
func (p page) wrap(text string) {
	mark := marker(text)
	if mark == "" {
		mark = text[:len(text)-len(strings.TrimLeft(text, " "))]
	}
	p.entry(mark, text[len(mark):])
}

// marker is what an item of a list begins with, its indent included: "- " or "  12. "; "" if a line is none.
func marker(line string) string {
	rest := strings.TrimLeft(line, " ")
	mark, _, found := strings.Cut(rest, " ")
	if !found || mark != "-" && (len(mark) < 2 || strings.Trim(mark, "0123456789") != ".") {
		return ""
	}
	return line[:len(line)-len(rest)+len(mark)+1]
}

func (p page) line(text string) { _, _ = io.WriteString(p.w, text+"\n") }

func (p page) bold(text string) string {
	if !p.colour {
		return text
	}
	return "\x1b[" + bold + "m" + text + "\x1b[0m"
}
