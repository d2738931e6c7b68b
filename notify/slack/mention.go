package slack

import (
	"slices"
	"strings"

	"github.com/firebreak-sre/firebreak/incidents"
)

// mentionOf is how Slack names a user (U…, W…) or a user group (S…) in a message, so that they are notified. Everything else is no id and
// is left out: what is written into a message unescaped must not be able to mean anything else, e.g. everybody.
func mentionOf(id string) string {
	if len(id) < 3 || len(id) > 41 || strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
		return ""
	}
	switch id[0] {
	case 'U', 'W':
		return "<@" + id + ">"
	case 'S':
		return "<!subteam^" + id + ">"
	}
	return ""
}

// maxMentions bounds how many are named at once; the last rungs call the most.
const maxMentions = 20

// mentions are those whom the rungs from the told-th event on call, each once. What is told late, after a person took it or its end, calls
// nobody any more.
func mentions(events []incidents.Event, told int) string {
	var all []string
	for i, e := range events {
		switch {
		case e.Kind == incidents.Closed || e.Person != nil && takes(e.Kind):
			all = nil
		case i >= told && e.Kind == incidents.Rung && e.Rung.Names(Name):
			if m := mentionOf(e.Rung.Mention); m != "" && !slices.Contains(all, m) {
				all = append(all, m)
			}
		}
	}
	return strings.Join(all[max(0, len(all)-maxMentions):], " ")
}

// takes says whether a person who does this has taken the incident.
func takes(k incidents.Kind) bool {
	switch k {
	case incidents.Acked, incidents.Approved, incidents.Overridden, incidents.Recalled:
		return true
	}
	return false
}
