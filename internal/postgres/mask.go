package postgres

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Mask is a statement as people may see it: every literal and number is a "?", comments are gone, blanks and line ends are one blank, and
// at most max characters are left, with "…" at the end if more were. Names stay, those in double quotes too.
//
// Where it cannot be known what is a literal, the rest is taken for one. That is so in a literal that was cut off, as PostgreSQL cuts long
// statements, and after a \' in '…': whether the quote ends that literal depends on the session's standard_conforming_strings.
func Mask(query string, max int) string {
	m := masker{in: strings.ToValidUTF8(query, "?")}
	for m.at < len(m.in) {
		m.token()
	}
	return cut(strings.TrimSpace(m.out.String()), max)
}

// masker reads a statement as PostgreSQL's scanner does, as far as that tells literals from the rest.
type masker struct {
	in  string
	at  int
	out strings.Builder
	// blank is set while the output ends in a blank.
	blank bool
}

// token takes the next token of the input.
func (m *masker) token() {
	rest := m.in[m.at:]
	switch c := rest[0]; {
	case strings.HasPrefix(rest, "--"):
		m.skip(line(rest))
		m.space()
	case strings.HasPrefix(rest, "/*"):
		m.skip(comment(rest))
		m.space()
	case c == '\'':
		m.literal(plain(rest))
	case c == '$':
		m.dollar(rest)
	case c == '"':
		m.quotedName(rest)
	case isDigit(c), c == '.' && len(rest) > 1 && isDigit(rest[1]):
		m.literal(number(rest))
	case startsName(c):
		m.name(rest)
	default:
		r, n := utf8.DecodeRuneInString(rest)
		m.skip(n)
		m.write(r)
	}
}

func (m *masker) skip(n int) { m.at += n }

// literal leaves out n bytes and says that they were there.
func (m *masker) literal(n int) {
	m.skip(n)
	m.write('?')
}

func (m *masker) space() { m.write(' ') }

// write puts out one character. What cannot be seen, or changes how the rest is seen, becomes a blank.
func (m *masker) write(r rune) {
	if unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
		r = ' '
	}
	if r == ' ' && m.blank {
		return
	}
	m.blank = r == ' '
	m.out.WriteRune(r)
}

func (m *masker) text(s string) {
	for _, r := range s {
		m.write(r)
	}
}

// name takes a word. An E right before a quote is not one: it says that \ escapes in the literal.
func (m *masker) name(rest string) {
	n := 1
	for n < len(rest) && (startsName(rest[n]) || isDigit(rest[n]) || rest[n] == '$') {
		n++
	}
	if n == 1 && (rest[0] == 'e' || rest[0] == 'E') && len(rest) > 1 && rest[1] == '\'' {
		m.literal(1 + escaped(rest[1:]))
		return
	}
	m.skip(n)
	m.text(rest[:n])
}

// quotedName takes "…", in which "" is a quote. One without an end is left out: it is longer than a name can be.
func (m *masker) quotedName(rest string) {
	for n := 1; n < len(rest); n++ {
		if rest[n] != '"' {
			continue
		}
		if n+1 < len(rest) && rest[n+1] == '"' {
			n++
			continue
		}
		m.skip(n + 1)
		m.text(rest[:n+1])
		return
	}
	m.literal(len(rest))
}

// dollar takes $tag$…$tag$, a parameter like $1, or just the sign.
func (m *masker) dollar(rest string) {
	n := 1
	for n < len(rest) && (startsName(rest[n]) || n > 1 && isDigit(rest[n])) {
		n++
	}
	if n < len(rest) && rest[n] == '$' {
		tag := rest[:n+1]
		m.literal(len(tag) + through(rest[len(tag):], tag))
		return
	}
	m.skip(1)
	m.write('$')
	for m.at < len(m.in) && isDigit(m.in[m.at]) { // a parameter's number is no value
		m.write(rune(m.in[m.at]))
		m.skip(1)
	}
}

// plain is the length of a literal in which only ” escapes. See [Mask] for what a \ before a quote means.
func plain(s string) int {
	for n := 1; n < len(s); n++ {
		switch {
		case s[n] != '\'':
		case s[n-1] == '\\':
			return len(s)
		case n+1 < len(s) && s[n+1] == '\'':
			n++
		default:
			return n + 1
		}
	}
	return len(s)
}

// escaped is the length of a literal, from its quote on, in which \ escapes too.
func escaped(s string) int {
	for n := 1; n < len(s); n++ {
		switch {
		case s[n] == '\\':
			n++
		case s[n] != '\'':
		case n+1 < len(s) && s[n+1] == '\'':
			n++
		default:
			return n + 1
		}
	}
	return len(s)
}

// line is the length of a line, which a carriage return ends too.
func line(s string) int {
	if i := strings.IndexAny(s, "\n\r"); i >= 0 {
		return i + 1
	}
	return len(s)
}

// comment is the length of a /* comment */, in which others may lie.
func comment(s string) int {
	depth := 0
	for n := 0; n+1 < len(s); n++ {
		switch s[n : n+2] {
		case "/*":
			depth++
			n++
		case "*/":
			depth--
			n++
		}
		if depth == 0 {
			return n + 1
		}
	}
	return len(s)
}

// number is the length of a number, with whatever letters hang on to it: 0x1F, 1_000, 6.02e+23.
func number(s string) int {
	n := 1
	for n < len(s) {
		sign := (s[n] == '+' || s[n] == '-') && (s[n-1] == 'e' || s[n-1] == 'E') && n+1 < len(s) && isDigit(s[n+1])
		if !sign && s[n] != '.' && !isDigit(s[n]) && !startsName(s[n]) {
			break
		}
		n++
	}
	return n
}

// through is the length of s up to the end of the first mark, or of all of it.
func through(s, mark string) int {
	if i := strings.Index(s, mark); i >= 0 {
		return i + len(mark)
	}
	return len(s)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// startsName says whether a name may begin with the byte: PostgreSQL takes every byte of a character outside ASCII for a letter.
func startsName(c byte) bool {
	return c == '_' || c >= utf8.RuneSelf || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// cut is at most max characters of s.
func cut(s string, max int) string {
	if max <= 0 {
		return ""
	}
	if utf8.RuneCountInString(s) <= max {
		return s
	}
	return string([]rune(s)[:max-1]) + "…"
}
