package move

import (
	"context"
	"fmt"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// rounds is how often a session is read again that is written whenever it is looked at.
const rounds = 5

// Sides is what two servers of a store hold at one time.
type Sides struct {
	// Replica is compared with the primary, on Cut: all that the primary had written there.
	Replica string       `json:"replica"`
	Cut     sessions.Cut `json:"cut"`
	// Sessions is how many the primary has, Again how many had to be read again, Moving how many of them were written each time: of those
	// only the version was compared.
	Sessions int `json:"sessions"`
	Again    int `json:"again"`
	Moving   int `json:"moving,omitempty"`
	Findings
}

// Both reads all sessions of the primary, and then of a replica that has reached the position after that. It gives the primary's snapshot
// beside the comparison: before is the primary in its findings, after the replica.
//
// What differs may only have been on its way. So it is read again by name: at the primary, at the replica on the cut after that, and at
// the primary. The replica must hold what the primary held first, or last; or, if that is not the same, something between.
func Both(ctx context.Context, l sessions.Looker, replica string, most int) (Snapshot, Sides, error) {
	left, err := Take(ctx, l, sessions.Primary, most)
	if err != nil {
		return Snapshot{}, Sides{}, err
	}
	right, err := take(ctx, l, sessions.Query{Node: replica, Cut: left.To}, most)
	if err != nil {
		return Snapshot{}, Sides{}, err
	}
	s := Sides{Replica: replica, Cut: left.To, Sessions: len(left.Sessions)}
	suspects := differing(left, right)
	s.Again = len(suspects)
	for len(suspects) > 0 {
		part := suspects[:min(len(suspects), sessions.MostSent)]
		suspects = suspects[len(part):]
		if err := s.confirm(ctx, l, part); err != nil {
			return Snapshot{}, Sides{}, fmt.Errorf("compare with %s: %w", replica, err)
		}
	}
	return left, s, nil
}

// differing are all sessions that one side has and the other has not, or has otherwise.
func differing(left, right Snapshot) []Held {
	var list []Held
	ours, theirs := byKey(left.Sessions), byKey(right.Sessions)
	for _, h := range left.Sessions {
		if other, there := theirs[h.Key]; !there || !h.same(other) {
			list = append(list, h)
		}
	}
	for _, h := range right.Sessions {
		if _, there := ours[h.Key]; !there {
			list = append(list, h)
		}
	}
	return list
}

// confirm reads suspects again until each is judged, or has moved so often that only its version can be.
func (s *Sides) confirm(ctx context.Context, l sessions.Looker, suspects []Held) error {
	for round := 1; len(suspects) > 0; round++ {
		first, err := byID(ctx, l, sessions.Query{}, suspects)
		if err != nil {
			return err
		}
		there, err := byID(ctx, l, sessions.Query{Node: s.Replica, Cut: first.Cut}, suspects)
		if err != nil {
			return err
		}
		last, err := byID(ctx, l, sessions.Query{}, suspects)
		if err != nil {
			return err
		}
		var moving []Held
		before, at, after := first.held(), there.held(), last.held()
		for _, h := range suspects {
			a, b, c := before[h.Key], at[h.Key], after[h.Key]
			switch {
			case a.same(b) || c.same(b):
			case !a.same(c) && round < rounds:
				moving = append(moving, h)
			default:
				s.judge(h.Key, a, b, c)
			}
		}
		suspects = moving
	}
	return nil
}

// judge says what is wrong with a session whose copy b is neither a, which the primary held first, nor c, which it held last.
func (s *Sides) judge(key sessions.Key, a, b, c Held) {
	moved := !a.same(c)
	switch {
	case b.ID == "" && (!moved || a.ID != "" && c.ID != ""):
		s.add(Lost, key, a, b)
	case a.ID == "" && !moved:
		s.add(Doubled, key, a, b)
	case a.ID == "" || b.ID == "" || c.ID == "":
		s.Moving++ // it was made or ended meanwhile
	case moved && !sessions.Dominates(a.Version, b.Version) && !sessions.Concurrent(a.Version, b.Version) &&
		!sessions.Dominates(b.Version, c.Version) && !sessions.Concurrent(b.Version, c.Version):
		s.Moving++
	case sessions.Dominates(a.Version, b.Version):
		s.add(Older, key, a, b)
	case a.Version.Equal(b.Version):
		s.add(Changed, key, a, b)
	default:
		s.add(Apart, key, a, b)
	}
}
