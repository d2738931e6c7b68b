package slack

import (
	"context"
	"errors"

	"github.com/firebreak-sre/firebreak/incidents"
)

// goneForGood marks a message that somebody deleted. Nothing more is said about its incident: who deleted it did not want it.
const goneForGood = "message_not_found"

// edit makes the message show the newest state. Whatever goes wrong, it is never posted anew.
func (s *Sink) edit(ctx context.Context, id incidents.ID, d *document) error {
	if err := s.turn(ctx, editPace, tierThree()); err != nil {
		return err
	}
	p, err := s.picture(ctx, id, *d) // the newest, now that it is its turn
	if err != nil {
		return err
	}
	err = s.client.edit(ctx, d.Channel, d.TS, p.message, d.Bare)
	switch {
	case is(err, gone):
		d.Frozen = codeOf(err)
		s.log.Warn().Err(err).Str("incident", id.String()).Msg("a message cannot be edited any more: what is new is told in its thread, if it has one")
		return s.keep(ctx, id, d)
	case is(err, badMessage) && !d.Bare:
		d.Bare = true
		s.log.Error().Err(err).Str("incident", id.String()).Msg("slack refused the blocks of a message: it is shown as text only")
		return s.keep(ctx, id, d)
	case err != nil:
		return err
	}
	d.Shown, d.Events = p.hash, len(p.events)
	if err = s.keep(ctx, id, d); errors.Is(err, ErrChanged) {
		return s.dirty(ctx, id)
	}
	return err
}

// dirty is for when two replicas edited one message at the same time: nobody knows whose edit came last, so it is edited once more.
func (s *Sink) dirty(ctx context.Context, id incidents.ID) error {
	for {
		d, err := s.load(ctx, id)
		if err != nil {
			return err
		}
		d.Shown = ""
		if err = s.keep(ctx, id, &d); !errors.Is(err, ErrChanged) || ctx.Err() != nil {
			return err
		}
	}
}

// reply tells the thread what is new, all of it in one reply.
func (s *Sink) reply(ctx context.Context, id incidents.ID, d *document) error {
	if err := s.turn(ctx, postPace(d.Channel), postRate()); err != nil {
		return err
	}
	p, err := s.picture(ctx, id, *d)
	if err != nil {
		return err
	}
	m, loud, news := reply(p.events, d.Told)
	if !news {
		return nil
	}
	upto := len(p.events)
	d.Intent = &intent{Reply: true, Upto: upto, At: s.config.Now().UTC()}
	if err := s.keep(ctx, id, d); err != nil {
		return err
	}
	if err := s.late(d.Intent); err != nil {
		return err
	}
	done, err := s.client.post(ctx, d.Channel, d.TS, m, d.Bare, loud, tag{kind: tagReply, incident: id.String(), upto: upto})
	if err != nil {
		return s.unposted(ctx, id, d, err)
	}
	d.Intent, d.Told = nil, upto
	if done.Thread != d.TS {
		// The message was deleted, and the reply stands alone in the channel. It is the last one.
		d.Frozen = goneForGood
	}
	return s.keep(ctx, id, d)
}
