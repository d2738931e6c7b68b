package probe

import (
	"github.com/firebreak-sre/firebreak/handlers/sessiondrift"
	"github.com/firebreak-sre/firebreak/internal/sessions"
)

const (
	// maxGroups is how many groups of copies are told of each kind, maxCopies how many copies a group has at most.
	maxGroups = 50
	maxCopies = 50
)

// copies groups what was found by the session, and tells those groups that are not equal. A scan is no snapshot: a copy that is just being
// written looks dominated. Where some may not have been read nothing is said about any.
func (f found) copies() sessiondrift.Copies {
	if f.problem != "" {
		return sessiondrift.Copies{Problem: f.problem}
	}
	var c sessiondrift.Copies
	dominated, concurrent := recorded/2, recorded/2
	some := false
	for from := 0; from < len(f.list); {
		until := from + 1
		for until < len(f.list) && f.list[until].ID == f.list[from].ID {
			until++
		}
		group := f.list[from:until]
		from = until
		some = some || group[0].Copy != "" || len(group) > 1
		if len(group) > maxCopies {
			c.More = true // whether they differ or not: it would take too long to tell
			continue
		}
		switch differ(group) {
		case sessions.Conflict:
			c.More = !keep(&c.Concurrent, group, &concurrent) || c.More
		case sessions.Done:
			c.More = !keep(&c.Dominated, group, &dominated) || c.More
		}
	}
	if some && !f.complete {
		return sessiondrift.Copies{Problem: "not all sessions were read, so copies may be missing"}
	}
	return c
}

// differ is Conflict where two copies are concurrent, Done where one dominates another, and Kept where they are equal.
func differ(group []sessions.Session) sessions.Outcome {
	worst := sessions.Kept
	for i, a := range group {
		if i > 0 && a.Version.Equal(group[0].Version) {
			continue // most copies are equal, and what the first is held against holds for it
		}
		for _, b := range group[i+1:] {
			switch {
			case sessions.Concurrent(a.Version, b.Version):
				return sessions.Conflict
			case !a.Version.Equal(b.Version):
				worst = sessions.Done
			}
		}
	}
	return worst
}

// keep keeps a group, or says that there is no place for it.
func keep(list *[][]sessions.Session, group []sessions.Session, space *room) bool {
	if len(*list) >= maxGroups || !space.take(group...) {
		return false
	}
	*list = append(*list, group)
	return true
}
