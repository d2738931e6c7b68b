package archive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
)

// errBehind says that the stream does not have what it had. That passes, or it is another stream.
var errBehind = errors.New("the stream does not have yet what is archived")

// errHole says that the stream does not show what it should still keep. That passes, or the bus has lost it.
var errHole = errors.New("the stream does not show what it should still keep")

// locate finds out where reading goes on: behind the position if the stream is still the one that it counts in, else at the beginning.
func (a *Archive) locate(ctx context.Context, s span) error {
	fresh := !a.known
	if fresh {
		at, err := a.position(ctx)
		if err != nil {
			return err
		}
		a.at, a.from, a.known = at, at.next(), true
	}
	if a.from.replaced || !fresh && a.at.seq <= s.last && a.located.Equal(s.created) {
		return nil
	}
	stored, err := a.source.storedAt(ctx, a.at.seq)
	if err != nil {
		return err
	}
	switch {
	case a.at.same(s, stored):
		a.from, a.located = a.at.next(), s.created
		return nil
	case a.at.seq > s.last && a.at.created.Equal(s.created) && !a.doubt():
		return fmt.Errorf("message %d of %d: %w", a.at.seq, s.last, errBehind)
	}
	a.doubted = time.Time{}
	a.from, a.located = a.at.anew(), s.created
	a.log.Error().Uint64("archived", a.at.seq).Uint64("newest", s.last).Time("created", s.created).
		Msg("the stream of incidents is another one than the archive has followed: it is read from its beginning")
	return nil
}

// position reads how far the archive is, and by how much the database's clock is behind ours.
func (a *Archive) position(ctx context.Context) (position, error) {
	ctx, cancel := context.WithTimeout(ctx, statementWithin)
	defer cancel()
	tx, err := begin(ctx, a.conn, a.schema, statementWithin)
	if err != nil {
		return position{}, err
	}
	defer func() { _ = tx.Rollback(ctx) }() // it has only read
	var theirs time.Time
	if err := tx.QueryRow(ctx, "SELECT now()").Scan(&theirs); err != nil {
		return position{}, fmt.Errorf("read the database's clock: %w", err)
	}
	a.slow = max(0, time.Since(theirs))
	return readPosition(ctx, tx, "")
}

// now is the earlier of our clock and the database's: nothing is old only because one of them is wrong.
func (a *Archive) now() time.Time { return time.Now().Add(-a.slow) }

// doubt says whether the stream has looked strange for long enough to believe it.
func (a *Archive) doubt() bool {
	if a.doubted.IsZero() {
		a.doubted = time.Now()
	}
	return time.Since(a.doubted) >= a.patience
}

// confirm holds that messages which are missing in front of a batch are really gone: the stream says by now that it begins behind them.
// It returns how the stream is then.
func (a *Archive) confirm(ctx context.Context, s span, msgs []bus.Msg) (span, error) {
	next := s.last + 1
	if len(msgs) > 0 {
		next = msgs[0].Seq
	}
	if next <= max(a.from.from, s.first) {
		a.doubted = time.Time{}
		return s, nil
	}
	s, err := a.source.look(ctx)
	if err != nil {
		return s, err
	}
	if len(msgs) == 0 {
		next = s.last + 1
	}
	if next > max(a.from.from, s.first) && !a.doubt() {
		return s, fmt.Errorf("messages %d to %d: %w", max(a.from.from, s.first), next-1, errHole)
	}
	a.doubted = time.Time{}
	return s, nil
}

// skipForgotten goes on behind an end of the stream that the bus has forgotten all of.
func (a *Archive) skipForgotten(ctx context.Context, s span) error {
	if a.from.replaced || a.from.from > s.last || s.first <= s.last {
		return nil
	}
	lost := gap{epoch: a.from.epoch, from: a.from.from, to: s.last, before: a.at.storedAt, reason: why(a.from.from, s.last+1, s)}
	return a.commit(ctx, batch{was: a.at, gaps: []gap{lost}, to: position{epoch: a.from.epoch, seq: s.last, created: s.created}})
}
