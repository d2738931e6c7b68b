package retrystorm

import (
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// longestRange is how far the expressions look back: the longest range in square brackets in any of them, that of a
// subquery included. Brackets inside of quotes are label values and are skipped. It is zero if no expression names a range: the
// look-back of a recording rule cannot be seen from here.
func longestRange(expressions ...string) time.Duration {
	longest := time.Duration(0)
	for _, e := range expressions {
		for _, text := range bracketed(e) {
			text, _, _ = strings.Cut(text, ":")
			if d, err := model.ParseDuration(strings.TrimSpace(text)); err == nil {
				longest = max(longest, time.Duration(d))
			}
		}
	}
	return longest
}

// bracketed are the texts between square brackets, outside of quotes and comments.
func bracketed(expression string) []string {
	var found []string
	start, quote, escaped, comment := -1, rune(0), false, false
	for i, r := range expression {
		switch {
		case comment:
			comment = r != '\n'
		case escaped:
			escaped = false
		case quote != 0 && r == '\\' && quote != '`':
			escaped = true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
		case r == '"' || r == '\'' || r == '`':
			quote = r
		case r == '#':
			comment = true
		case r == '[':
			start = i + 1
		case r == ']' && start >= 0:
			found = append(found, expression[start:i])
			start = -1
		}
	}
	return found
}
