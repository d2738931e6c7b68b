package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrStop ends a Follow from inside of its function, without being an error.
var ErrStop = errors.New("stop following")

// Past says what to read of a stream, and from where.
type Past struct {
	Stream string
	// Subject may end in a wildcard; empty reads all.
	Subject string
	// Since is where to begin; zero is the beginning. FromSeq, if not 0, is used instead.
	Since   time.Time
	FromSeq uint64
	// Tail goes on when the present is reached. Otherwise Follow returns there.
	Tail bool
}

// stalledAfter is how long a reader of the past may bring nothing before it is given up for another one. What it waits for may have been
// dropped meanwhile, or the node that it read from may be gone.
const stalledAfter = 5 * time.Second

// errStalled says that a reader of the past brought nothing for a while.
var errStalled = errors.New("the reader brought nothing for a while")

// Follow hands every message to fn in order. It returns when the present is reached (unless p.Tail), when ctx ends, or
// when fn returns an error; [ErrStop] counts as the end. That ctx ended is an error only where it cut the past short.
func (b *Bus) Follow(ctx context.Context, p Past, fn func(Msg) error) error {
	s, err := b.stream(p.Stream)
	if err != nil {
		return err
	}
	for {
		var own error // what fn says is not about the stream
		err := b.read(ctx, s, p, func(m Msg) error {
			own = fn(m)
			p.FromSeq = m.Seq + 1
			return own
		})
		switch {
		case err == nil || own != nil:
			return err
		case !errors.Is(err, errStalled) || ctx.Err() != nil:
			return fmt.Errorf("read stream %s: %w", p.Stream, err)
		}
		b.log.Warn().Str("stream", p.Stream).Uint64("from", p.FromSeq).Msg("a reader of the past stalled; reading on with another one")
	}
}

// read is Follow with one reader.
func (b *Bus) read(ctx context.Context, s jetstream.Stream, p Past, fn func(Msg) error) error {
	setup, cancel := context.WithTimeout(ctx, stalledAfter)
	defer cancel()
	c, err := s.OrderedConsumer(setup, p.consumer())
	if err != nil {
		return err
	}
	defer b.leave(s, c)
	info, err := c.Info(setup)
	if err != nil {
		return err
	}
	if !p.Tail && info.NumPending+info.Delivered.Consumer == 0 {
		return nil
	}
	return follow(ctx, c, p.Tail, fn)
}

func (p Past) consumer() jetstream.OrderedConsumerConfig {
	cfg := jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy, InactiveThreshold: time.Minute}
	if p.Subject != "" {
		cfg.FilterSubjects = []string{p.Subject}
	}
	switch {
	case p.FromSeq > 0:
		cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverByStartSequencePolicy, p.FromSeq
	case !p.Since.IsZero():
		cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverByStartTimePolicy, &p.Since
	}
	return cfg
}

// leave takes the reader out of the server, which would keep it for a while, and takes only so many at once.
func (b *Bus) leave(s jetstream.Stream, c jetstream.Consumer) {
	info := c.CachedInfo()
	if info == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := s.DeleteConsumer(ctx, info.Name); err != nil && !b.nc.IsClosed() && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		b.log.Warn().Err(err).Msg("a reader of the past was left behind; the server drops it by itself")
	}
}

func follow(ctx context.Context, c jetstream.Consumer, tail bool, fn func(Msg) error) error {
	it, err := c.Messages()
	if err != nil {
		return err
	}
	defer it.Stop()
	for {
		m, err := nextOf(ctx, it, tail)
		switch {
		case ctx.Err() != nil && tail:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		err = fn(Msg{Subject: m.Subject(), Seq: meta.Sequence.Stream, Data: m.Data(), At: meta.Timestamp})
		if errors.Is(err, ErrStop) {
			return nil
		}
		if err != nil {
			return err
		}
		if !tail && meta.NumPending == 0 {
			return nil
		}
	}
}

// nextOf is the next message. At the tail there may be none for long; of the past there is one soon.
func nextOf(ctx context.Context, it jetstream.MessagesContext, tail bool) (jetstream.Msg, error) {
	if tail {
		return it.Next(jetstream.NextContext(ctx))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, stalledAfter, errStalled)
	defer cancel()
	m, err := it.Next(jetstream.NextContext(ctx))
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return m, err
}
