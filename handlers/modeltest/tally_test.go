package modeltest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

func (c *tally) add(d tally) {
	for _, p := range []struct {
		into *int
		n    int
	}{{&c.steps, d.steps}, {&c.crashes, d.crashes}, {&c.pauses, d.pauses}, {&c.incidents, d.incidents}, {&c.effects, d.effects},
		{&c.edits, d.edits}, {&c.orders, d.orders}, {&c.issued, d.issued}, {&c.closed, d.closed}, {&c.overrides, d.overrides},
		{&c.approvals, d.approvals}, {&c.refusals, d.refusals}, {&c.lateEnded, d.lateEnded}, {&c.lateLeft, d.lateLeft},
		{&c.window, d.window}, {&c.confusion, d.confusion}, {&c.spent, d.spent}, {&c.healed, d.healed}} {
		*p.into += p.n
	}
	c.late, c.reasons, c.outcomes = sum(c.late, d.late), sum(c.reasons, d.reasons), sum(c.outcomes, d.outcomes)
}

func sum[K comparable](a, b map[K]int) map[K]int {
	if a == nil {
		a = map[K]int{}
	}
	for k, n := range b {
		a[k] += n
	}
	return a
}

func list[K cmp.Ordered](m map[K]int) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, fmt.Sprintf("%v %d", k, m[k]))
	}
	return strings.Join(out, ", ")
}

// table is what all episodes came to.
func (c *tally) table(episodes int) string {
	return fmt.Sprintf(`
| episodes | steps | crashes | pauses | incidents | closed | issued | effects | edits by people | orders by people |
|---|---|---|---|---|---|---|---|---|---|
| %d | %d | %d | %d | %d | %d | %d | %d | %d | %d |

overrides carried out: %d, approvals: %d, refusals: %d
refusals by reason: %s
outcomes: %s
what remains on targets that neither compare nor look at the deadline:
late effects by kind of target: %s; taken back later: %d; left for a person (kind d, the sender died or nobody waited): %d
a person's edit between our reading and our writing: %d; a level taken for our own: %d
changes that happened once: %d; given back because they were healed: %d`,
		episodes, c.steps, c.crashes, c.pauses, c.incidents, c.closed, c.issued, c.effects, c.edits, c.orders,
		c.overrides, c.approvals, c.refusals, list(c.reasons), list(c.outcomes), list(c.late), c.lateEnded, c.lateLeft, c.window, c.confusion,
		c.spent, c.healed)
}

// sortedPlaces are crash points in the order of their numbers.
func sortedPlaces[V any](m map[string]V) []string {
	number := func(s string) (n int) {
		_, _ = fmt.Sscanf(s, "C%d", &n)
		return n
	}
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int { return cmp.Or(number(a)-number(b), cmp.Compare(a, b)) })
}
