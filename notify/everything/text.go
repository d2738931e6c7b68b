package everything

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/firebreak-sre/firebreak/notify"
)

// maxName is how much of a name is shown, in runes.
const maxName = 120

// Text is the message of an event:
//
//	[closed: fixed] RetryStorm on checkout→payments
//	what happened, in words
//	retrystorm-3f9a2c81b04d-7 at 03:12:44Z
//	https://firebreak.example.com/incidents/retrystorm-3f9a2c81b04d-7
//
// It is never longer than MaxRunes: the words are cut, the link is not.
func (c Config) Text(o notify.Outcome) string {
	kind := strings.ReplaceAll(string(o.Kind), "_", " ")
	if o.Outcome != "" {
		kind += ": " + strings.ReplaceAll(string(o.Outcome), "_", " ")
	}
	about := defused(o.Alert, maxName)
	if about == "" {
		about = defused(o.Handler, maxName)
	}
	head := "[" + defused(kind, maxName) + "] " + about
	if target := defused(o.Target, maxName); target != "" {
		head += " on " + target
	}
	foot := defused(o.Incident.String(), maxName) + " at " + o.At.UTC().Format("15:04:05Z")
	head = cut(head, c.MaxRunes/3)
	if c.Console != "" {
		link := consoleURL(c.Console, o.Incident.String())
		if utf8.RuneCountInString(link) <= c.MaxRunes/3 { // half an address leads nowhere
			foot += "\n" + link
		}
	}
	foot = cut(foot, c.MaxRunes/2)
	room := c.MaxRunes - utf8.RuneCountInString(head) - utf8.RuneCountInString(foot) - 2
	words := defused(o.Words, max(room, 1))
	if words == "" {
		return head + "\n" + foot
	}
	return head + "\n" + words + "\n" + foot
}

// strange stands for what cannot be seen: two names that differ only in it must not look the same.
const strange = '\uFFFD'

// defused is text that strangers may have written, as one line of at most so many runes. No service reads a mention, a link, a format or
// a control character in it: what could be one is replaced by a character that looks like it.
func defused(s string, most int) string {
	var b strings.Builder
	n, last := 0, ' '
	for i, r := range s {
		r = harmless(r, s[i:])
		if r == last && (r == ' ' || r == strange) {
			continue
		}
		if n > most {
			break
		}
		b.WriteRune(r)
		last = r
		n++
	}
	return cut(strings.TrimSpace(b.String()), most)
}

// harmless is one character of text. rest is the text from it on.
func harmless(r rune, rest string) rune {
	switch {
	case r == ':' && strings.HasPrefix(rest, "://"):
		return '：' // an address that services would make a link of
	case r > ' ' && r <= '~':
		return looksLike(r)
	case unicode.IsSpace(r):
		return ' '
	case r == utf8.RuneError || unicode.In(r, unicode.C, unicode.Zl, unicode.Zp):
		return strange
	}
	return r
}

// looksLike replaces what begins a mention, a tag, a link or a format somewhere.
func looksLike(r rune) rune {
	switch r {
	case '@':
		return '＠'
	case '<':
		return '‹'
	case '>':
		return '›'
	case '&':
		return '＆'
	case '[':
		return '［'
	case ']':
		return '］'
	case '`':
		return 'ˋ'
	case '*':
		return '∗'
	case '~':
		return '∼'
	case '|':
		return '¦'
	case '\\':
		return '⧵'
	}
	return r
}

// cut ends a text that is too long with a mark that there was more.
func cut(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return strings.TrimSpace(string([]rune(s)[:max(most-1, 0)])) + "…"
}

func consoleURL(template, incident string) string {
	return strings.ReplaceAll(template, "{incident}", url.PathEscape(incident))
}

func isAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil
}
