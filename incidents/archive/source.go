package archive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/firebreak-sre/firebreak/bus"
)

const (
	// A page ends when it has so many messages or so many bytes: fewer than the client buffers before it drops messages.
	pageMessages = 256
	pageBytes    = 4 << 20
	// A batch is pages until it has so many messages or so many bytes. It is written in one transaction, and is all of the stream that is in
	// memory at once, but for its last page.
	batchMessages = 2048
	batchBytes    = 4 << 20
	// askWithin bounds one request to the bus.
	askWithin = 10 * time.Second
)

// span is what the stream holds now.
type span struct {
	// first is the oldest message that is kept, last the newest that there ever was. Of an empty stream first is last+1.
	first, last uint64
	created     time.Time
}

// source reads the stream of incidents by its sequence. It leaves nothing behind in the bus: no consumer, no acknowledgement.
type source struct{ js jetstream.JetStream }

func (s source) look(ctx context.Context) (span, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	stream, err := s.js.Stream(ctx, bus.Incidents)
	if err != nil {
		return span{}, fmt.Errorf("look at the stream: %w", err)
	}
	info := stream.CachedInfo()
	return span{first: max(info.State.FirstSeq, 1), last: info.State.LastSeq, created: moment(info.Created)}, nil
}

// storedAt is when the bus stored a message; the zero time if it does not keep it.
func (s source) storedAt(ctx context.Context, seq uint64) (time.Time, error) {
	if seq == 0 {
		return time.Time{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	stream, err := s.js.Stream(ctx, bus.Incidents)
	if err != nil {
		return time.Time{}, fmt.Errorf("look at the stream: %w", err)
	}
	m, err := stream.GetMsg(ctx, seq)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("read message %d: %w", seq, err)
	}
	return moment(m.Time), nil
}

// batch is the next messages from a sequence on, in order and without a hole behind the first; none if there are none.
func (s source) batch(ctx context.Context, from uint64) ([]bus.Msg, error) {
	var out []bus.Msg
	for bytes := 0; len(out) < batchMessages && bytes < batchBytes; {
		page, err := s.page(ctx, from)
		if err != nil {
			return nil, fmt.Errorf("read the stream from %d: %w", from, err)
		}
		for _, m := range page {
			if len(out) > 0 && m.Seq != from {
				return out, nil // the next batch begins with the hole, which is then looked at
			}
			out, from, bytes = append(out, m), m.Seq+1, bytes+len(m.Data)
		}
		if len(page) < pageMessages {
			return out, nil
		}
	}
	return out, nil
}

// page is some of the next messages, in order. None: there are none now.
func (s source) page(ctx context.Context, from uint64) ([]bus.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	msgs, err := jetstreamext.GetBatch(ctx, s.js, bus.Incidents, pageMessages, jetstreamext.GetBatchMaxBytes(pageBytes),
		jetstreamext.GetBatchSubject(">"), jetstreamext.GetBatchSeq(from))
	if err != nil {
		return nil, err
	}
	var out []bus.Msg
	for m, err := range msgs {
		if errors.Is(err, jetstreamext.ErrNoMessages) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, bus.Msg{Subject: m.Subject, Seq: m.Sequence, Data: m.Data, At: moment(m.Time)})
	}
	// Where the answer is cut off the library ends it silently. What did come is enough to go on with.
	if len(out) == 0 && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return out, nil
}

// moment is a time as PostgreSQL keeps it: in whole microseconds.
func moment(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}
