package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Cell is one document that is changed by compare-and-set.
type Cell struct {
	kv  jetstream.KeyValue
	key string
}

// Cell opens a document, creating its bucket if needed. The document itself begins as absent.
func (b *Bus) Cell(ctx context.Context, bucket, key string) (*Cell, error) {
	kv, err := b.bucket(ctx, jetstream.KeyValueConfig{Bucket: bucket})
	if err != nil {
		return nil, err
	}
	return &Cell{kv: kv, key: key}, nil
}

// Get is the document as it is now, nil if it is absent.
func (c *Cell) Get(ctx context.Context) ([]byte, error) {
	doc, _, err := c.get(ctx)
	return doc, err
}

func (c *Cell) get(ctx context.Context) ([]byte, uint64, error) {
	e, err := c.kv.Get(ctx, c.key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read %s: %w", c.key, err)
	}
	if doc := e.Value(); doc != nil {
		return doc, e.Revision(), nil
	}
	return []byte{}, e.Revision(), nil // empty is not absent
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
		if rev == 0 {
			_, err = c.kv.Create(ctx, c.key, next)
		} else {
			_, err = c.kv.Update(ctx, c.key, next, rev)
		}
		switch {
		case err == nil:
			return nil
		case !isWrongSequence(err):
			return fmt.Errorf("change %s: %w", c.key, err)
		case ctx.Err() != nil:
			return fmt.Errorf("change %s: %w", c.key, context.Cause(ctx))
		}
	}
}
