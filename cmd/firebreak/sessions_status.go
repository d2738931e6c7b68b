package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/sessions/move"
)

type sessionsStatusCmd struct{ inStore }

// Help is what "firebreak sessions status --help" teaches.
func (c *sessionsStatusCmd) Help() string {
	return `Reads all sessions once, and compares what each replica holds with the primary, on one position of the stream; where the store can,
with the contents. A session is an orphan only if a majority of the nodes has given its owner up and its lease has long been over.
Exits 1 if something is not well.`
}

// storeStatus is what a store looks like.
type storeStatus struct {
	Store       string               `json:"store"`
	Note        string               `json:"note,omitempty"`
	Membership  sessions.Membership  `json:"membership"`
	Replication sessions.Replication `json:"replication"`
	Live        int                  `json:"live"`
	Unreadable  int                  `json:"unreadable"`
	Quarantined map[string]int       `json:"quarantined"` // by action
	Orphans     int                  `json:"orphans"`
	// Oldest is how long the lease of the longest orphaned session has been over.
	Oldest sessions.Seconds `json:"oldest_orphan_seconds"`
	Sides  []sideStatus     `json:"replicas"`
}

// sideStatus is one replica beside the primary.
type sideStatus struct {
	move.Sides
	// Problem says why it could not be compared.
	Problem string `json:"problem,omitempty"`
}

// well says whether nothing is wrong.
func (s storeStatus) well() bool {
	known := func(r sessions.Replica) bool { return r.Known }
	same := func(r sideStatus) bool { return r.Problem == "" && r.OK() }
	return s.Membership.Quorum && s.Orphans == 0 && !slices.ContainsFunc(s.Replication.Replicas, func(r sessions.Replica) bool { return !known(r) }) &&
		!slices.ContainsFunc(s.Sides, func(r sideStatus) bool { return !same(r) })
}

// Run looks.
func (c *sessionsStatusCmd) Run(a *app) error {
	o, err := c.open(a)
	if err != nil {
		return err
	}
	defer o.close()
	far := a.progress("looking at the store", "", 0, c.JSON)
	s, err := c.look(a.ctx, o)
	far.end()
	if err != nil {
		return err
	}
	if c.JSON {
		err = a.printJSON(s)
	} else {
		s.print(a.stdout)
	}
	if err == nil && !s.well() {
		err = exitError{1}
	}
	return err
}

func (c *sessionsStatusCmd) look(ctx context.Context, o opened) (storeStatus, error) {
	s := storeStatus{Store: c.Store, Note: o.note, Quarantined: map[string]int{}}
	var err error
	if s.Membership, err = o.store.Membership(ctx); err != nil {
		return s, fmt.Errorf("read the membership: %w", err)
	}
	if s.Replication, err = o.store.Replication(ctx); err != nil {
		return s, fmt.Errorf("read the replication: %w", err)
	}
	orphans := map[sessions.Key]bool{}
	live := map[sessions.Key]bool{}
	err = eachSession(ctx, o.store, sessions.Query{}, c.Most, &s.Unreadable, func(one sessions.Session) {
		live[one.Key] = true
		if sessions.Orphan(one, s.Membership) {
			orphans[one.Key] = true
			s.Oldest = max(s.Oldest, sessions.Seconds(s.Membership.At.Sub(one.LeaseUntil)))
		}
	})
	if err != nil {
		return s, err
	}
	s.Live, s.Orphans = len(live), len(orphans)
	err = eachSession(ctx, o.store, sessions.Query{Quarantined: true}, c.Most, &s.Unreadable, func(one sessions.Session) {
		if one.Quarantined != nil {
			s.Quarantined[one.Quarantined.Action]++
		}
	})
	if err != nil {
		return s, err
	}
	for _, r := range s.Replication.Replicas {
		_, sides, err := move.Both(ctx, o.store, r.Name, c.Most)
		one := sideStatus{Sides: sides}
		if one.Replica = r.Name; err != nil {
			one.Problem = err.Error()
		}
		s.Sides = append(s.Sides, one)
	}
	return s, nil
}

// eachSession reads all sessions of a query, at most so many.
func eachSession(ctx context.Context, l sessions.Looker, q sessions.Query, most int, unreadable *int, fn func(sessions.Session)) error {
	for n, pages := 0, 1; ; pages++ {
		page, err := l.List(ctx, q)
		if err != nil {
			return fmt.Errorf("list sessions: %w", err)
		}
		*unreadable += page.Unreadable
		for _, s := range page.Sessions {
			fn(s)
		}
		if n += len(page.Sessions); n > most {
			return fmt.Errorf("list sessions: there are more than %d, see --most", most)
		}
		if page.Next == "" {
			return nil
		}
		if page.Next == q.Cursor || pages == mostListPages {
			return fmt.Errorf("list sessions: the list does not end after %d pages", pages)
		}
		q.Cursor = page.Next
	}
}

// mostListPages bounds a store that always promises one page more.
const mostListPages = 1_000_000

func (s storeStatus) print(w io.Writer) {
	m := s.Membership
	if s.Note != "" {
		item(w, "note: ", s.Note)
	}
	quorum := "has a quorum"
	if !m.Quorum {
		quorum = "has NO quorum: nobody can say who is gone, and nothing is changed"
	}
	item(w, s.Store+"  ", fmt.Sprintf("epoch %d, %s, stable since %s; by its clock it is %s", m.Epoch, quorum, moment(m.StableSince, m.At), stamp(m.At)))
	for _, member := range m.Members {
		vouched := ""
		if len(member.Vouched) > 0 {
			vouched = ", vouched for by " + strings.Join(member.Vouched, ", ")
		}
		item(w, "  member   ", fmt.Sprintf("%s is %s since %s%s", member.Name, member.State, moment(member.Since, m.At), vouched))
	}
	item(w, "  live     ", fmt.Sprintf("%d sessions, %d orphans%s, %d unreadable", s.Live, s.Orphans, s.longest(), s.Unreadable))
	for _, action := range slices.Sorted(maps.Keys(s.Quarantined)) {
		item(w, "  aside    ", fmt.Sprintf("%d sessions by action %s", s.Quarantined[action], action))
		command(w, fmt.Sprintf("give back: firebreak sessions restore %s %s", s.Store, action))
	}
	for _, r := range s.Replication.Replicas {
		lag := "how far it is, is not known"
		if r.Known {
			lag = fmt.Sprintf("at most %.1f s and %d bytes behind", r.LagSeconds, r.LagUnits)
		}
		item(w, "  replica  ", fmt.Sprintf("%s: %s, %s", r.Name, r.State, lag))
	}
	for _, side := range s.Sides {
		printSides(w, side.Sides, side.Problem)
	}
}

func (s storeStatus) longest() string {
	if s.Orphans == 0 {
		return ""
	}
	return fmt.Sprintf(" (the longest for %s)", brief(s.Oldest.Duration().Round(time.Second)))
}

// printSides says whether a replica holds what its primary holds.
func printSides(w io.Writer, s move.Sides, problem string) {
	switch {
	case problem != "":
		item(w, "  same?    ", fmt.Sprintf("%s: not known: %s", s.Replica, problem))
	case s.OK():
		item(w, "  same?    ", fmt.Sprintf("%s: yes, all of %d sessions; %d were on their way and read again", s.Replica, s.Sessions, s.Again))
	default:
		item(w, "  same?    ", fmt.Sprintf("%s: NO, %s of %d sessions (here and there:)", s.Replica, counts(s.Findings), s.Sessions))
		printFindings(w, s.Findings)
	}
}

// mostPrinted is how many findings a person is shown.
const mostPrinted = 20

func printFindings(w io.Writer, f move.Findings) {
	for i, one := range f.Named {
		if i == mostPrinted {
			item(w, "           ", "and more; --json has the first hundred")
			return
		}
		item(w, "           ", one.String())
	}
}

// counts are the findings by their kind.
func counts(f move.Findings) string {
	var parts []string
	for _, what := range move.Whats() {
		if n := f.Count[what]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, what))
		}
	}
	return strings.Join(parts, ", ")
}
