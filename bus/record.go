package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/firebreak-sre/firebreak/bus/stored"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
)

// Msg is one stored message.
type Msg = stored.Msg

// AppendIf appends to a subject's record if last is still the sequence of its last message (0: the record does not exist
// yet), and returns the new message's sequence when it is durable. [ErrConflict] and [ErrFull] mean that it was not appended. Any
// other error means that it may have been: load the record to know.
func (b *Bus) AppendIf(ctx context.Context, subject string, last uint64, data []byte) (uint64, error) {
	if err := b.roomFor(ctx, subject, last, len(data)); err != nil {
		return 0, fmt.Errorf("append to %s: %w", subject, err)
	}
	ack, err := b.js.PublishMsg(ctx, &nats.Msg{Subject: subject, Data: data},
		jetstream.WithExpectLastSequencePerSubject(last))
	if err != nil {
		if isWrongSequence(err) {
			return 0, fmt.Errorf("append to %s after %d: %w", subject, last, ErrConflict)
		}
		return 0, fmt.Errorf("append to %s: %w", subject, err)
	}
	return ack.Sequence, nil
}

func isWrongSequence(err error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		// Streams with several replicas use a code of their own for the same thing.
		return api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
			api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant
	}
	return errors.Is(err, jetstream.ErrKeyExists)
}

// Load is a subject's whole record in order, with everything that was acknowledged before. A subject without messages gives none and
// no error.
func (b *Bus) Load(ctx context.Context, stream, subject string) ([]Msg, error) {
	var out []Msg
	from := uint64(1)
	for tries := 0; ; {
		page, more, err := b.page(ctx, stream, subject, from)
		if err != nil {
			return nil, fmt.Errorf("load %s: %w", subject, err)
		}
		if out = append(out, page...); len(out) > 0 {
			from = out[len(out)-1].Seq + 1
		}
		if more {
			continue
		}
		behind, err := b.behind(ctx, stream, subject, from)
		if err != nil {
			return nil, fmt.Errorf("load %s: %w", subject, err)
		}
		if !behind {
			return out, nil
		}
		if tries++; tries == behindTries {
			return nil, fmt.Errorf("load %s: %w", subject, errBehind)
		}
		if pause(ctx, behindPause); ctx.Err() != nil {
			return nil, fmt.Errorf("load %s: %w", subject, context.Cause(ctx))
		}
	}
}

// A page ends when it has so many messages or so many bytes: fewer than the client buffers before it drops messages.
const (
	pageMessages = 256
	pageBytes    = 8 << 20
)

// errCutOff says that a page ended before its end was confirmed. The library ends it silently when its context does.
var errCutOff = errors.New("the answer was cut off")

// page is the next messages of a record, and whether there are more. A record that was only read in part must never pass for whole.
func (b *Bus) page(ctx context.Context, stream, subject string, from uint64) (out []Msg, more bool, err error) {
	msgs, err := jetstreamext.GetBatch(ctx, b.js, stream, pageMessages, jetstreamext.GetBatchMaxBytes(pageBytes),
		jetstreamext.GetBatchSubject(subject), jetstreamext.GetBatchSeq(from))
	if err != nil {
		return nil, false, err
	}
	pending := ""
	for m, err := range msgs {
		if errors.Is(err, jetstreamext.ErrNoMessages) {
			return out, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		out = append(out, Msg{Subject: m.Subject, Seq: m.Sequence, Data: m.Data, At: m.Time})
		pending = m.Header.Get("Nats-Num-Pending")
	}
	switch {
	case pending == "0":
		return out, false, nil
	case ctx.Err() != nil:
		return nil, false, context.Cause(ctx)
	case len(out) > 0:
		return out, true, nil
	}
	return nil, false, errCutOff
}
