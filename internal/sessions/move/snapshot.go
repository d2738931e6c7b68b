package move

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// MostSessions is how many sessions a snapshot holds unless more are asked for: each takes about half a kilobyte of memory.
const MostSessions = 200_000

// format is the format of a snapshot that is written down.
const format = 1

// maxSnapshot bounds what is read of a snapshot that was written down, in bytes.
const maxSnapshot = 1 << 30

// mostPages bounds a store that always promises one page more.
const mostPages = 1_000_000

// Held is one session of a snapshot.
type Held struct {
	sessions.Key
	Owner   string           `json:"owner"`
	Epoch   uint64           `json:"epoch"`
	Version sessions.Version `json:"version"`
	// Print is over what it holds, see sessions.Reader; "" where the store cannot say.
	Print string `json:"print,omitempty"`
}

// String is what of it is compared.
func (h Held) String() string {
	return fmt.Sprintf("%s of %s (epoch %d, version %s, contents %s)", h.Key, h.Owner, h.Epoch, h.Version, cmp.Or(h.Print, "unknown"))
}

// same says whether two are the same in all that is known of both.
func (h Held) same(other Held) bool {
	return h.Key == other.Key && h.Owner == other.Owner && h.Epoch == other.Epoch && h.Version.Equal(other.Version) &&
		(h.Print == other.Print || h.Print == "" || other.Print == "")
}

// Snapshot is what one server held of all sessions. What was there from its beginning to its end is in it; what was written meanwhile is in
// it as it was before, or after.
type Snapshot struct {
	Format int `json:"format"`
	// Store is the policy's name of it, Node where it was read, "" for the primary.
	Store string `json:"store,omitempty"`
	Node  string `json:"node,omitempty"`
	// At is that server's clock at the beginning.
	At time.Time `json:"at"`
	// From is the primary's position before, which the server had reached. To is the server's own after.
	From sessions.Cut `json:"from"`
	To   sessions.Cut `json:"to"`
	// Contents says whether there are prints.
	Contents bool `json:"contents"`
	// Unreadable is how many were there that are no sessions by the contract. They are moved like everything else, and not compared.
	Unreadable int    `json:"unreadable,omitempty"`
	Sessions   []Held `json:"sessions"`
}

// Digest is over all of its sessions, for people who compare two by eye. Sessions that are written all the time make it another one.
func (s Snapshot) Digest() string {
	sum := sha256.New()
	for _, h := range s.Sessions {
		fmt.Fprintf(sum, "%q\n", h.String())
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// Take reads all sessions of a server that has reached the primary's position of now. There may be most at most; more is an error.
func Take(ctx context.Context, l sessions.Looker, node string, most int) (Snapshot, error) {
	cut, err := l.Cut(ctx)
	if err != nil {
		return Snapshot{}, fmt.Errorf("take a snapshot: %w", err)
	}
	return take(ctx, l, sessions.Query{Node: node, Cut: cut}, most)
}

func take(ctx context.Context, l sessions.Looker, q sessions.Query, most int) (Snapshot, error) {
	s := Snapshot{Format: format, Node: q.Node, From: q.Cut, Sessions: []Held{}}
	found := map[sessions.Key]Held{}
	for pages := 1; ; pages++ {
		page, err := read(ctx, l, q)
		if err != nil {
			return Snapshot{}, fmt.Errorf("take a snapshot: %w", err)
		}
		if s.At.IsZero() {
			s.At = page.At
		}
		s.To, s.Contents, s.Unreadable = page.Cut, page.contents, s.Unreadable+page.Unreadable
		for _, h := range page.held {
			found[h.Key] = h // a page may show one again that was written meanwhile
		}
		if len(found) > most {
			return Snapshot{}, fmt.Errorf("take a snapshot: there are more than %d sessions", most)
		}
		if page.Next == "" {
			break
		}
		if page.Next == q.Cursor || pages == mostPages {
			return Snapshot{}, fmt.Errorf("take a snapshot: the list does not end after %d pages", pages)
		}
		q.Cursor = page.Next
	}
	for _, h := range found {
		s.Sessions = append(s.Sessions, h)
	}
	slices.SortFunc(s.Sessions, func(a, b Held) int { return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Copy, b.Copy)) })
	return s, nil
}

// page is a page of sessions with what is known of their contents.
type page struct {
	sessions.Page
	held     []Held
	contents bool
}

// read reads one page, with contents if the store can.
func read(ctx context.Context, l sessions.Looker, q sessions.Query) (page, error) {
	var p page
	var prints []string
	var err error
	if reader, ok := l.(sessions.Reader); ok {
		var c sessions.Contents
		if c, err = reader.Contents(ctx, q); err == nil && len(c.Prints) != len(c.Sessions) {
			err = fmt.Errorf("read contents: %d prints of %d sessions", len(c.Prints), len(c.Sessions))
		}
		p.Page, prints, p.contents = c.Page, c.Prints, true
	} else {
		p.Page, err = l.List(ctx, q)
	}
	if err != nil {
		return page{}, err
	}
	for i, s := range p.Sessions {
		h := Held{Key: s.Key, Owner: s.Owner, Epoch: s.Epoch, Version: s.Version}
		if p.contents {
			h.Print = prints[i]
		}
		p.held = append(p.held, h)
	}
	return p, nil
}

// Write writes a snapshot down. It names sessions and owners, and nothing of what the sessions hold.
func (s Snapshot) Write(w io.Writer) error {
	if err := json.NewEncoder(w).Encode(s); err != nil {
		return fmt.Errorf("write the snapshot: %w", err)
	}
	return nil
}

// Read reads a snapshot that was written down, and refuses one that is not whole.
func Read(r io.Reader) (Snapshot, error) {
	var s Snapshot
	d := json.NewDecoder(io.LimitReader(r, maxSnapshot))
	d.DisallowUnknownFields()
	err := d.Decode(&s)
	if err == nil && d.More() {
		err = errors.New("something follows it")
	}
	if err == nil && s.Format != format {
		err = fmt.Errorf("its format is %d, and this program reads %d", s.Format, format)
	}
	if err == nil && (s.At.IsZero() || s.From.IsZero()) {
		err = errors.New("it does not say when it was taken")
	}
	seen := map[sessions.Key]bool{}
	for _, h := range s.Sessions {
		if err == nil && (h.ID == "" || seen[h.Key] || h.Version == nil) {
			err = fmt.Errorf("session %q has no name or version, or is there twice", h.Key)
		}
		seen[h.Key] = true
	}
	if err != nil {
		return Snapshot{}, fmt.Errorf("read the snapshot: %w", err)
	}
	return s, nil
}
