package pagerduty

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// strange stands for what cannot be seen: two names that differ only in it must not look the same.
const strange = '\uFFFD'

// plain is text that strangers may have written, as one line of characters that can be seen, of at most so many runes.
func plain(s string, most int) string {
	var b strings.Builder
	n, last := 0, ' '
	for _, r := range s {
		switch {
		case r > ' ' && r <= '~': // most of all text, and nothing to look up
		case unicode.IsSpace(r):
			r = ' '
		case r == utf8.RuneError || unicode.In(r, unicode.C, unicode.Zl, unicode.Zp):
			r = strange
		}
		if r == last && (r == ' ' || r == strange) {
			continue
		}
		if n == most { // there is more to come than fits
			return cut(b.String(), most)
		}
		b.WriteRune(r)
		last = r
		n++
	}
	return strings.TrimSpace(b.String())
}

// cut ends a text with a mark that there was more.
func cut(s string, most int) string {
	runes := []rune(s)
	return strings.TrimSpace(string(runes[:min(len(runes), most-1)])) + "…"
}

// maxAddress bounds one address, in bytes. Longer ones are left out: half an address leads nowhere.
const maxAddress = 2000

// address is an address that strangers may have written, fit for a link: http or https, with a host, and nobody's password in it.
func address(s string) (string, bool) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || !utf8.ValidString(s) {
		return "", false
	}
	if out := u.String(); len(out) <= maxAddress && !strings.ContainsFunc(out, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return out, true
	}
	return "", false
}

func consoleURL(template, incident string) string {
	return strings.ReplaceAll(template, "{incident}", url.PathEscape(incident))
}
