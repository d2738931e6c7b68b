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

// Follow hands every message to fn in order. It returns when the present is reached (unless p.Tail), when ctx ends, or
// when fn returns an error; [ErrStop] counts as the end. That ctx ended is an error only where it cut the past short.
func (b *Bus) Follow(ctx context.Context, p Past, fn func(Msg) error) error {
	s, err := b.stream(p.Stream)
	if err != nil {
		return err
	}
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
	c, err := s.OrderedConsumer(ctx, cfg)
	if err != nil {
		return fmt.Errorf("read stream %s: %w", p.Stream, err)
	}
	defer b.leave(s, c)
	info, err := c.Info(ctx)
	if err != nil {
		return fmt.Errorf("read stream %s: %w", p.Stream, err)
	}
	if !p.Tail && info.NumPending+info.Delivered.Consumer == 0 {
		return nil
	}
	return follow(ctx, c, p, fn)
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

func follow(ctx context.Context, c jetstream.Consumer, p Past, fn func(Msg) error) error {
	it, err := c.Messages()
	if err != nil {
		return fmt.Errorf("read stream %s: %w", p.Stream, err)
	}
	defer it.Stop()
	for {
		m, err := it.Next(jetstream.NextContext(ctx))
		switch {
		case ctx.Err() != nil && p.Tail:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("read stream %s: %w", p.Stream, context.Cause(ctx))
		case err != nil:
			return fmt.Errorf("read stream %s: %w", p.Stream, err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return fmt.Errorf("read stream %s: %w", p.Stream, err)
		}
		err = fn(Msg{Subject: m.Subject(), Seq: meta.Sequence.Stream, Data: m.Data(), At: meta.Timestamp})
		if errors.Is(err, ErrStop) {
			return nil
		}
		if err != nil {
			return err
		}
		if !p.Tail && meta.NumPending == 0 {
			return nil
		}
	}
}
