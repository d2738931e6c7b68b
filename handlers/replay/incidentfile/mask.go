package incidentfile

import (
	"regexp"
	"slices"
	"strings"
)

// gone stands where a secret was.
const gone = "[masked]"

// masker takes secrets out of texts. It is for one file.
type masker struct {
	shapes []shape
	named  *regexp.Regexp
	sql    *regexp.Regexp
	quoted *regexp.Regexp
	found  []Masked
}

// shape is a secret that is known by how it looks.
type shape struct {
	what string
	// hints are characters or words, in small letters, one of which is in every text that has such a secret: most texts have none.
	hints []string
	find  *regexp.Regexp
	// with is what comes in its place.
	with string
	// only, if it is set, says of a match's last group whether it is one: a word of ordinary language is not.
	only func(value string) bool
}

// secretNames are how secrets are called, as a part of a name that may have more before it.
const secretNames = `(?:password|passwd|pwd|passphrase|pgpassword|secret|token|credentials?|api[_-]?key|access[_-]?key|secret[_-]?key|` +
	`routing[_-]?key|service[_-]?key|integration[_-]?key|private[_-]?key|signing[_-]?key)`

func newMasker() *masker {
	re := regexp.MustCompile
	return &masker{
		shapes: []shape{
			{"private key", []string{"private key"}, re(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)`), gone, nil},
			{"user info of a URL", []string{"://"}, re(`([a-zA-Z][a-zA-Z0-9+.-]*://)([^\s/"'<>?#]+)@`), "${1}" + gone + "@", unmasked},
			{"Slack webhook", []string{"hooks.slack.com"}, re(`(https://hooks\.slack\.com/(?:services|workflows|triggers)/)([^\s"'<>]+)`), "${1}" + gone, unmasked},
			{"Slack token", []string{"xox", "xapp-"}, re(`\bxox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{6,}|\bxapp-[A-Za-z0-9-]{6,}`), gone, nil},
			{"PagerDuty key", []string{"r0", "pd"}, re(`\bR0[0-9A-Z]{30}\b|\bpd[a-z]{2}\+[A-Za-z0-9_-]{8,}`), gone, nil},
			{"GitHub token", []string{"gh", "github_pat_"}, re(`\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}`), gone, nil},
			{"AWS key", []string{"akia", "asia"}, re(`\bA(?:KIA|SIA)[0-9A-Z]{16}\b`), gone, nil},
			{"JSON web token", []string{"eyj"}, re(`\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*`), gone, nil},
			{"authorization", []string{"bearer", "basic"}, re(`(?i)\b(bearer|basic)(\s+)([A-Za-z0-9._~+/=-]{8,})`), "${1}${2}" + gone, tokenLike},
			{"named secret", []string{"=", ":"}, re(`(?i)\b((?:[a-z0-9]+[_-])*` + secretNames + `)(\\?["']?\s*[=:]\s*)(\\?"[^"]*"|'[^']*'|[^\s"',;&)\]}]+)`), "${1}${2}" + gone, unmasked},
			{"key of a row", []string{"key ("}, re(`(\bKey \([^)]*\)=)(\([^)]*\))`), "${1}(" + gone + ")", unmasked},
		},
		named:  re(`(?i)^(?:[a-z0-9]+[_-])*` + secretNames + `$`),
		sql:    re(`(?is)\b(?:select\b.+\bfrom|insert\s+into|update\b.+\bset|delete\s+from|alter\s+(?:role|user)|create\s+(?:role|user)|execute\s+\w+\s*\()`),
		quoted: re(`(?s)[eE]?'(?:[^']|'')*(?:'|$)|\$(?:[A-Za-z_]\w*)?\$.*?(?:\$(?:[A-Za-z_]\w*)?\$|$)`),
	}
}

// unmasked says that there is something to mask, and that it was not masked before, here or by whoever wrote the text.
func unmasked(value string) bool {
	value = strings.Trim(value, `\"'()`)
	switch value {
	case "", "?", "***", "*****", "[redacted]", "<redacted>", "REDACTED", "null", "nil", "true", "false":
		return false
	}
	return !strings.HasPrefix(value, "[masked") && !strings.HasPrefix(value, "[redacted") && !strings.HasPrefix(value, "$")
}

// tokenLike tells a token from a word: it has a digit in it, or is longer than words are.
func tokenLike(value string) bool {
	return unmasked(value) && (strings.ContainsAny(value, "0123456789=") || len(value) > 24)
}

// mask takes the secrets out of JSON.
func (m *masker) mask(path string, text []byte) ([]byte, error) { return rewrite(path, text, m.text) }

// text is a text without its secrets. key is the name that it has, if it has one.
func (m *masker) text(path, key, value string) string {
	if key != "" && m.named.MatchString(key) && unmasked(value) {
		m.note(path, "named secret", 1)
		return gone
	}
	small := strings.ToLower(value)
	for _, s := range m.shapes {
		if slices.ContainsFunc(s.hints, func(h string) bool { return strings.Contains(small, h) }) {
			value = s.apply(value, func() { m.note(path, s.what, 1) })
		}
	}
	if strings.ContainsAny(value, "'$") && m.sql.MatchString(value) {
		value = m.quoted.ReplaceAllStringFunc(value, func(literal string) string {
			if literal == "''" || literal == "'?'" {
				return literal
			}
			m.note(path, "SQL literal", 1)
			return "?"
		})
	}
	return value
}

// apply replaces what is found, and tells of each.
func (s shape) apply(value string, told func()) string {
	return s.find.ReplaceAllStringFunc(value, func(match string) string {
		groups := s.find.FindStringSubmatch(match)
		if s.only != nil && (groups == nil || !s.only(groups[len(groups)-1])) {
			return match
		}
		told()
		return s.find.ReplaceAllString(match, s.with)
	})
}
