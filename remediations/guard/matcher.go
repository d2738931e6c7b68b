package guard

import (
	"regexp"
	"slices"
	"strings"

	"github.com/firebreak-sre/firebreak/alerts"
)

// maxMatcher is the longest matcher that is sent, in bytes: it becomes part of an address.
const maxMatcher = 2048

// matchers choose the alerts with these names, and hardly others, so that an Alertmanager with thousands of alerts does not send them
// all. It is a question of cost only: alerts are recognized by their fingerprints. Names that are too long for an
// address are not sent, and everything is asked for.
func matchers(list []alerts.Alert) []string {
	var names []string
	for _, a := range list {
		names = append(names, a.Name())
	}
	slices.Sort(names)
	names = slices.Compact(names)
	one := ""
	switch len(names) {
	case 0:
		return nil
	case 1:
		one = "alertname=" + quote(names[0])
	default:
		for i, name := range names {
			names[i] = regexp.QuoteMeta(name)
		}
		one = "alertname=~" + quote(strings.Join(names, "|"))
	}
	if len(one) > maxMatcher {
		return nil
	}
	return []string{one}
}

// quote writes a value as matchers want it. Both of Alertmanager's parsers, the one for UTF-8 and the classic one, know these
// three escapes and no others; all other characters stand for themselves.
func quote(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(value) + `"`
}
