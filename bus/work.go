package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ackWait is how long a worker may be silent before its message is given to another. It is told every third of it
// that the work goes on. It is also how long a reader stands still after a crash, since what was in the dead worker's hand
// keeps all that is behind it waiting; so it is short. A worker that is only slow costs one more delivery.
const ackWait = 6 * time.Second

// Work is one durable reader of a stream: it begins at the oldest message that is kept, and goes on where it was.
type Work struct {
	Stream string
	// Durable names the reader; readers of the same name share the work, on this and on other replicas.
	Durable string
	// Subject may end in a wildcard; empty reads all.
	Subject string
}

// Work hands messages to fn one by one, one in hand, until ctx ends. A message is acknowledged after fn has returned
// nil; after an error it comes again, later and later, for ever. Messages can be handed out more than once even then:
// fn must find that the work is done.
func (b *Bus) Work(ctx context.Context, w Work, fn func(context.Context, Msg) error) error {
	s, err := b.stream(w.Stream)
	if err != nil {
		return err
	}
	c, err := Insist(ctx, func(ctx context.Context) (jetstream.Consumer, error) { return reader(ctx, s, w) })
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	work, cancel := outlive(ctx, drainTime)
	defer cancel()
	for ctx.Err() == nil {
		m, err := next(ctx, c)
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, jetstream.ErrNoMessages) && !isTimeout(err) {
				b.log.Warn().Err(err).Str("reader", w.Durable).Msg("reading failed; trying again")
				pause(ctx, time.Second)
				// Somebody may have deleted the reader; a new one begins at the oldest message, which costs only time.
				if again, err := reader(ctx, s, w); err == nil {
					c = again
				}
			}
			continue
		}
		b.handOut(work, w, m, fn)
	}
	return nil
}

func reader(ctx context.Context, s jetstream.Stream, w Work) (jetstream.Consumer, error) {
	c, err := s.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: w.Durable, FilterSubject: w.Subject,
		DeliverPolicy: jetstream.DeliverAllPolicy, AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: ackWait, MaxAckPending: 1, MaxDeliver: -1,
	})
	if err != nil {
		return nil, fmt.Errorf("create reader %s of %s: %w", w.Durable, w.Stream, err)
	}
	return c, nil
}

func next(ctx context.Context, c jetstream.Consumer) (jetstream.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return c.Next(jetstream.FetchContext(ctx))
}

func isTimeout(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, jetstream.ErrNoHeartbeat)
}

func (b *Bus) handOut(ctx context.Context, w Work, m jetstream.Msg, fn func(context.Context, Msg) error) {
	meta, err := m.Metadata()
	if err != nil {
		b.log.Error().Err(err).Str("reader", w.Durable).Msg("a message without metadata was left to redelivery")
		return
	}
	done := make(chan error, 1)
	go func() {
		done <- fn(ctx, Msg{Subject: m.Subject(), Seq: meta.Sequence.Stream, Data: m.Data(), At: meta.Timestamp})
	}()
	beat := time.NewTicker(ackWait / 3)
	defer beat.Stop()
	for {
		select {
		case err := <-done:
			b.settle(w, m, meta, err)
			return
		case <-beat.C:
			_ = m.InProgress()
		}
	}
}

// settle acknowledges what was done, and gives back what was not. A bare negative acknowledgement would come
// back at once and spin.
func (b *Bus) settle(w Work, m jetstream.Msg, meta *jetstream.MsgMetadata, err error) {
	if err == nil {
		_ = m.Ack() // not durable on one server: a lost ack is one more delivery
		return
	}
	delay := min(time.Second<<min(meta.NumDelivered-1, 5), 30*time.Second)
	b.log.Warn().Err(err).Str("reader", w.Durable).Uint64("deliveries", meta.NumDelivered).
		Dur("again_in", delay).Msg("work failed; it will be handed out again")
	_ = m.NakWithDelay(delay)
}

// drainTime is how long work in hand may go on after it was told to stop.
const drainTime = 10 * time.Second

// outlive is a context for work in hand: it ends grace after ctx has ended.
func outlive(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		t := time.NewTimer(grace)
		defer t.Stop()
		select {
		case <-t.C:
			cancel()
		case <-work.Done():
		}
	})
	return work, func() { stop(); cancel() }
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
