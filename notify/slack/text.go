package slack

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	slackgo "github.com/slack-go/slack"
)

// cutNote ends a text that was cut.
const cutNote = "… (cut)"

// strange stands for what cannot be seen: two names that differ only in it must not look the same.
const strange = '\uFFFD'

// maxMarks is how many combining marks one letter keeps. More are drawn over the lines above and below.
const maxMarks = 2

// clean makes text that strangers wrote one line of characters that can be seen: no line breaks, no control, format, bidirectional or
// blank characters, no piles of combining marks.
func clean(s string) string {
	var b strings.Builder
	var last rune
	marks := 0
	for _, r := range s {
		switch {
		case r >= ' ' && r <= '~': // most of all text, and nothing to look up
		case unicode.IsSpace(r) || unicode.Is(unicode.Zs, r):
			r = ' '
		case unicode.Is(unicode.Variation_Selector, r):
			continue // they choose between two drawings of one character
		case unicode.In(r, unicode.C, unicode.Zl, unicode.Zp) || blank(r):
			r = strange
		case unicode.Is(unicode.M, r):
			if marks++; marks > maxMarks {
				continue
			}
			b.WriteRune(r)
			continue
		}
		if marks = 0; r == strange && last == strange {
			continue
		}
		b.WriteRune(r)
		last = r
	}
	return b.String()
}

// blank are characters that Unicode does not call invisible, and that are.
func blank(r rune) bool {
	switch r {
	case '\u034F', '\u115F', '\u1160', '\u17B4', '\u17B5', '\u2800', '\u3164', '\uFFA0':
		return true
	}
	return false
}

// escaped is one character of text as it cannot mean anything to Slack. rest is the text from it on.
func escaped(r rune, rest string) string {
	switch r {
	case '&':
		return "&amp;"
	case '<':
		return "&lt;"
	case '>':
		return "&gt;"
	case '@':
		for _, name := range []string{"here", "channel", "everyone"} {
			if len(rest) > len(name) && strings.EqualFold(rest[1:1+len(name)], name) {
				return "＠"
			}
		}
	}
	return string(r)
}

// clip is text that strangers wrote, cleaned, escaped, and at most so long. It is never cut inside a character or an escape.
func clip(s string, most int) string { return clipped(clean(begin(s, most)), most) }

// begin is as much of a text as can matter for its first characters, so that a text of megabytes costs no more than a long one.
func begin(s string, most int) string {
	n := 256 + 4*most
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// clipLines is clip for texts of several lines.
func clipLines(s string, most int) string {
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(begin(s, most), "\r\n", "\n")), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimSpace(clean(l))
	}
	return clipped(strings.Join(lines, "\n"), most)
}

// clipIndented is clipLines with the blanks at the beginning of each line.
func clipIndented(s string, most int) string {
	lines := strings.Split(begin(s, most), "\n")
	for i, l := range lines {
		lines[i] = clean(l)
	}
	return clipped(strings.Join(lines, "\n"), most)
}

func clipped(s string, most int) string {
	var b strings.Builder
	n, whole := 0, 0 // whole is how much of b leaves room for the note
	for i, r := range s {
		e := escaped(r, s[i:])
		w := width(e)
		if n+w > most {
			return strings.TrimSpace(b.String()[:whole]) + cutNote
		}
		b.WriteString(e)
		if n += w; n <= most-width(cutNote) {
			whole = b.Len()
		}
	}
	if strings.TrimSpace(b.String()) == "" {
		return "–" // Slack refuses messages with an empty text in them
	}
	return b.String()
}

// width counts as the strictest does, in UTF-16: never less than code points.
func width(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}

// plain is text that strangers may have written. Slack makes no mention, link or format of it.
func plain(s string, most int) *slackgo.TextBlockObject {
	return slackgo.NewTextBlockObject(slackgo.PlainTextType, clip(s, most), false, false)
}

// plainLines is plain for several lines.
func plainLines(s string, most int) *slackgo.TextBlockObject {
	return slackgo.NewTextBlockObject(slackgo.PlainTextType, clipLines(s, most), false, false)
}

// ours is formatted text that nobody but this package wrote.
func ours(s string) *slackgo.TextBlockObject {
	return slackgo.NewTextBlockObject(slackgo.MarkdownType, s, false, true)
}

// maxLink bounds one address. Longer ones are left out: half an address leads nowhere.
const maxLink = 600

// link is an address that strangers may have written, fit for a link: http or https, a host of plain letters, nothing that could end the
// link early. ok is false if it is not fit.
func link(s string) (address string, ok bool) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || !utf8.ValidString(s) {
		return "", false
	}
	if !regexp.MustCompile(`^[A-Za-z0-9.\-]{1,253}(:[0-9]{1,5})?$|^\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?$`).MatchString(u.Host) {
		return "", false
	}
	address = u.String()
	for _, r := range address {
		if r <= ' ' || r > '~' || strings.ContainsRune(`<>|"`+"`", r) {
			address = strings.ReplaceAll(address, string(r), url.QueryEscape(string(r)))
		}
	}
	address = strings.ReplaceAll(address, "&", "&amp;")
	return address, width(address) <= maxLink
}

// named is a link with a name that this package chose, and the host that it leads to.
func named(name, address string) (string, bool) {
	to, ok := link(address)
	if !ok {
		return "", false
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", false
	}
	return fmt.Sprintf("<%s|%s (%s)>", to, name, u.Host), true
}

func consoleURL(template, incident string) string {
	return strings.ReplaceAll(template, "{incident}", url.PathEscape(incident))
}
