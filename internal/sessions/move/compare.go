package move

import (
	"context"
	"fmt"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// What says what is wrong with one session.
type What string

// The findings.
const (
	// Lost: it was there before and is not now, nor in quarantine.
	Lost What = "lost"
	// Older: what was there before dominates what is there now.
	Older What = "older"
	// Apart: neither dominates the other, or a replica is ahead of its primary.
	Apart What = "apart"
	// Doubled: there are more copies of it than before, or it is live and in quarantine at once.
	Doubled What = "doubled"
	// Changed: the same version, and another owner, epoch or contents.
	Changed What = "changed"
)

// Whats are all of them.
func Whats() []What { return []What{Lost, Older, Apart, Doubled, Changed} }

// Finding is one session that is not as it must be.
type Finding struct {
	sessions.Key
	What What `json:"what"`
	// Before and After are what was found, in words; "" for nothing.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// String is the finding in a sentence.
func (f Finding) String() string {
	switch {
	case f.After == "":
		return fmt.Sprintf("%s: %s is not there", f.What, f.Before)
	case f.Before == "":
		return fmt.Sprintf("%s: %s was not there", f.What, f.After)
	}
	return fmt.Sprintf("%s: %s is %s", f.What, f.Before, f.After)
}

// mostFindings is how many are named; all are counted.
const mostFindings = 100

// Findings are those of one comparison.
type Findings struct {
	Count map[What]int `json:"count,omitempty"`
	// Named are the first of them.
	Named []Finding `json:"named,omitempty"`
}

// OK says whether there is none.
func (f Findings) OK() bool { return len(f.Count) == 0 }

func (f *Findings) add(what What, key sessions.Key, before, after Held) {
	if f.Count == nil {
		f.Count = map[What]int{}
	}
	f.Count[what]++
	if len(f.Named) == mostFindings {
		return
	}
	found := Finding{Key: key, What: what}
	if before.ID != "" {
		found.Before = before.String()
	}
	if after.ID != "" {
		found.After = after.String()
	}
	f.Named = append(f.Named, found)
}

// Comparison is what became of the sessions of a snapshot.
type Comparison struct {
	// Kept are as they were, Written have a version that dominates, SetAside are in quarantine, New were not there before.
	Kept     int `json:"kept"`
	Written  int `json:"written"`
	SetAside int `json:"set_aside,omitempty"`
	New      int `json:"new"`
	// Contents says whether what sessions hold was compared.
	Contents bool `json:"contents"`
	Findings
}

// Compare compares a snapshot with a later one. Those that seem to be lost are looked for again by their names at the node of the later
// snapshot, and in its quarantine.
func Compare(ctx context.Context, l sessions.Looker, before, after Snapshot) (Comparison, error) {
	c := Comparison{Contents: before.Contents && after.Contents}
	old, now := byKey(before.Sessions), byKey(after.Sessions)
	var missing []Held
	for _, was := range before.Sessions {
		is, there := now[was.Key]
		if !there {
			missing = append(missing, was)
			continue
		}
		c.judge(was, is)
	}
	known := map[string]bool{}
	for _, was := range before.Sessions {
		known[was.ID] = true
	}
	for _, is := range after.Sessions {
		_, there := old[is.Key]
		switch {
		case there:
		case known[is.ID]:
			c.add(Doubled, is.Key, Held{}, is)
		default:
			c.New++
		}
	}
	return c, c.seek(ctx, l, after.Node, missing)
}

// judge compares one session with itself at a later time.
func (c *Comparison) judge(was, is Held) {
	switch {
	case was.same(is):
		c.Kept++
	case sessions.Dominates(is.Version, was.Version):
		c.Written++
	case sessions.Dominates(was.Version, is.Version):
		c.add(Older, was.Key, was, is)
	case sessions.Concurrent(was.Version, is.Version):
		c.add(Apart, was.Key, was, is)
	default:
		c.add(Changed, was.Key, was, is)
	}
}

// seek looks for sessions that were not found: a page may miss one that is written while it is read.
func (c *Comparison) seek(ctx context.Context, l sessions.Looker, node string, missing []Held) error {
	if len(missing) == 0 {
		return nil
	}
	live := map[sessions.Key]Held{}
	for rest := missing; len(rest) > 0; {
		part := rest[:min(len(rest), sessions.MostSent)]
		rest = rest[len(part):]
		found, err := byID(ctx, l, sessions.Query{Node: node}, part)
		if err != nil {
			return fmt.Errorf("look again for what was not found: %w", err)
		}
		for key, h := range found.held() {
			live[key] = h
		}
	}
	aside, err := quarantined(ctx, l, node)
	if err != nil {
		return fmt.Errorf("look into the quarantine: %w", err)
	}
	for _, was := range missing {
		is, there := live[was.Key]
		switch {
		case there && aside[was.Key]:
			c.add(Doubled, was.Key, was, is)
		case there:
			c.judge(was, is)
		case aside[was.Key]:
			c.SetAside++
		default:
			c.add(Lost, was.Key, was, Held{})
		}
	}
	return nil
}

// mostAside bounds how many quarantined sessions are looked through.
const mostAside = 1_000_000

func quarantined(ctx context.Context, l sessions.Looker, node string) (map[sessions.Key]bool, error) {
	found := map[sessions.Key]bool{}
	q := sessions.Query{Node: node, Quarantined: true}
	for pages := 1; ; pages++ {
		page, err := l.List(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, s := range page.Sessions {
			found[s.Key] = true
		}
		if len(found) > mostAside {
			return nil, fmt.Errorf("there are more than %d", mostAside)
		}
		if page.Next == "" {
			return found, nil
		}
		if page.Next == q.Cursor || pages == mostPages {
			return nil, fmt.Errorf("the list does not end after %d pages", pages)
		}
		q.Cursor = page.Next
	}
}

// named is a page by the names of its sessions.
type named struct{ page }

func (n named) held() map[sessions.Key]Held { return byKey(n.page.held) }

// byID reads sessions again by their names.
func byID(ctx context.Context, l sessions.Looker, q sessions.Query, list []Held) (named, error) {
	seen := map[string]bool{}
	for _, h := range list {
		if !seen[h.ID] {
			seen[h.ID] = true
			q.IDs = append(q.IDs, h.ID)
		}
	}
	p, err := read(ctx, l, q)
	return named{p}, err
}

func byKey(list []Held) map[sessions.Key]Held {
	m := make(map[sessions.Key]Held, len(list))
	for _, h := range list {
		m[h.Key] = h
	}
	return m
}
