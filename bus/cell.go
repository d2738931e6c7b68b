package bus

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Cell is one document that is changed by compare-and-set.
//
// It is a key-value bucket that does not drop the old value at each change, since that would cost a second sync of the disk
// while somebody waits: old values are dropped now and then.
type Cell struct {
	bus    *Bus
	stream jetstream.Stream
	// subject is where a key-value client finds it.
	key, subject string
	// changes counts what was not tidied up yet.
	changes atomic.Int64
}

// cellHistory is how many old values may pile up before they are dropped.
const cellHistory = 256

// Cell opens a document, creating its bucket if needed. The document itself begins as absent.
func (b *Bus) Cell(ctx context.Context, bucket, key string) (*Cell, error) {
	s, err := b.createStream(ctx, jetstream.StreamConfig{
		Name: "KV_" + bucket, Subjects: []string{"$KV." + bucket + ".>"}, Storage: jetstream.FileStorage, Replicas: b.cfg.Replicas,
		MaxMsgsPerSubject: 1 << 20, // the library takes a bucket without a limit for something else
		Discard:           jetstream.DiscardNew, AllowRollup: true, DenyDelete: true, AllowDirect: true, Duplicates: 100 * time.Millisecond,
	})
	if err != nil {
		return nil, fmt.Errorf("create bucket %s: %w", bucket, err)
	}
	return &Cell{bus: b, stream: s, key: key, subject: "$KV." + bucket + "." + key}, nil
}

// tidy drops old values, if many have piled up. That it fails only means that they pile up further.
func (c *Cell) tidy(ctx context.Context) {
	if c.changes.Add(1)%cellHistory != 0 {
		return
	}
	err := c.stream.Purge(ctx, jetstream.WithPurgeSubject(c.subject), jetstream.WithPurgeKeep(1))
	if err != nil {
		c.bus.log.Warn().Err(err).Str("key", c.key).Msg("dropping old values failed; it will be tried again")
	}
}

// Get is the document as it is now, nil if it is absent.
func (c *Cell) Get(ctx context.Context) ([]byte, error) {
	doc, _, err := c.get(ctx)
	return doc, err
}

func (c *Cell) get(ctx context.Context) ([]byte, uint64, error) {
	m, err := c.bus.last(ctx, c.stream, c.subject)
	if errors.Is(err, ErrNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read %s: %w", c.key, err)
	}
	switch {
	case m.Header.Get("KV-Operation") != "": // somebody deleted it with a key-value client
		return nil, m.Sequence, nil
	case m.Data == nil:
		return []byte{}, m.Sequence, nil // empty is not absent
	}
	return m.Data, m.Sequence, nil
}

// Change replaces the document by what fn makes of it (nil if it is absent), as one compare-and-set: if somebody else was
// faster, fn is asked again with the newer document. An error of fn changes nothing and is returned as it is. Any other
// error leaves open whether the document was changed.
func (c *Cell) Change(ctx context.Context, fn func(doc []byte) ([]byte, error)) error {
	for {
		doc, rev, err := c.get(ctx)
		if err != nil {
			return err
		}
		next, err := fn(doc)
		if err != nil {
			return err
		}
		_, err = c.bus.AppendIf(ctx, c.subject, rev, next)
		switch {
		case err == nil:
			c.tidy(ctx)
			return nil
		case !errors.Is(err, ErrConflict):
			return fmt.Errorf("change %s: %w", c.key, err)
		case ctx.Err() != nil:
			return fmt.Errorf("change %s: %w", c.key, context.Cause(ctx))
		}
	}
}
