package archive

import (
	"time"

	"github.com/firebreak-sre/firebreak/bus"
)

// position is how far the stream is in the database.
type position struct {
	epoch int
	// seq is the last message that is there, 0 before the first; storedAt is when the bus stored it, zero if that is not known.
	seq      uint64
	storedAt time.Time
	// created is when the stream was created that seq counts in; zero before the first.
	created time.Time
}

// equal says whether nobody has moved the position.
func (p position) equal(q position) bool {
	return p.epoch == q.epoch && p.seq == q.seq && p.storedAt.Equal(q.storedAt) && p.created.Equal(q.created)
}

// The reasons of gaps.
const (
	// gapOutrun: the bus forgot messages by age before they were read here.
	gapOutrun = "outrun"
	// gapBefore: the bus had forgotten them before the archive began with the stream.
	gapBefore = "before"
	// gapLost: the bus should still keep them, and does not.
	gapLost = "lost"
	// gapReplaced: the stream is another one, and nobody knows what else the old one held.
	gapReplaced = "replaced"
)

// gap is what the bus does not have any more, and the database never had.
type gap struct {
	epoch    int
	from, to uint64 // to is 0 if nobody knows
	// before and behind are when the messages around it were stored; zero if there is none.
	before, behind time.Time
	reason         string
}

// messages is how many are missing, 0 if nobody knows.
func (g gap) messages() uint64 {
	if g.to < g.from {
		return 0
	}
	return g.to - g.from + 1
}

// cursor is where reading goes on. It differs from the position where the stream was replaced, until the first rows are written.
type cursor struct {
	epoch int
	from  uint64
	// replaced says that the stream is not the one of the position.
	replaced bool
}

// next is where reading goes on behind a position of the same stream.
func (p position) next() cursor { return cursor{epoch: p.epoch, from: p.seq + 1} }

// anew is where reading begins if the stream is another one.
func (p position) anew() cursor { return cursor{epoch: p.epoch + 1, from: 1, replaced: true} }

// same says whether the stream is the one that the position counts in. kept is when the message at the position was stored, as the stream says
// now; zero if it keeps it no more. A restored stream is the same, however it came here.
func (p position) same(s span, kept time.Time) bool {
	switch {
	case p.seq == 0:
		return true
	case p.seq > s.last:
		return false
	case !kept.IsZero() && !p.storedAt.IsZero():
		return kept.Equal(p.storedAt)
	}
	return p.created.Equal(s.created)
}

// holes are the gaps in front of messages and between them, read from a cursor on in a stream as it is now.
func (c cursor) holes(p position, s span, msgs []bus.Msg) []gap {
	var all []gap
	expect, before := c.from, p.storedAt
	if c.replaced && len(msgs) > 0 {
		all = append(all, gap{epoch: p.epoch, from: p.seq + 1, before: before, behind: msgs[0].At, reason: gapReplaced})
		before = time.Time{}
	}
	for _, m := range msgs {
		if m.Seq > expect {
			all = append(all, gap{epoch: c.epoch, from: expect, to: m.Seq - 1, before: before, behind: m.At, reason: why(expect, m.Seq, s)})
		}
		expect, before = m.Seq+1, m.At
	}
	return all
}

// why says why the messages from one up to another are missing.
func why(from, next uint64, s span) string {
	switch {
	case next > s.first:
		return gapLost
	case from == 1:
		return gapBefore
	}
	return gapOutrun
}

// monthOf is the beginning of a moment's month, in UTC.
func monthOf(t time.Time) time.Time {
	t = t.UTC()
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

// kept says whether the month of a moment is still kept: partitions are dropped whole, once all of it is older than keep.
func kept(t time.Time, keep time.Duration, now time.Time) bool {
	return monthOf(t).AddDate(0, 1, 0).After(now.Add(-keep))
}
