package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Shelf keeps small documents by key, each changed by compare-and-set. What was not changed for its time is forgotten.
type Shelf struct {
	bus    *Bus
	name   string
	stream jetstream.Stream
}

// Shelf opens a shelf, creating it if needed. keep is how long a document lives after its last change.
func (b *Bus) Shelf(ctx context.Context, name string, keep time.Duration) (*Shelf, error) {
	s, err := b.createStream(ctx, jetstream.StreamConfig{
		Name: "KV_" + name, Subjects: []string{"$KV." + name + ".>"}, Storage: jetstream.FileStorage, Replicas: b.cfg.Replicas,
		MaxMsgsPerSubject: 1, MaxAge: keep, Discard: jetstream.DiscardNew, AllowRollup: true, DenyDelete: true, AllowDirect: true,
		Duplicates: 100 * time.Millisecond,
	})
	if err != nil {
		return nil, fmt.Errorf("create bucket %s: %w", name, err)
	}
	return &Shelf{bus: b, name: name, stream: s}, nil
}

func (s *Shelf) subject(key string) string { return "$KV." + s.name + "." + key }

// Get is a document and its revision. [ErrNotFound] if there is none.
func (s *Shelf) Get(ctx context.Context, key string) (doc []byte, revision uint64, err error) {
	m, err := s.bus.last(ctx, s.stream, s.subject(key))
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, 0, fmt.Errorf("%s of %s: %w", key, s.name, ErrNotFound)
	case err != nil:
		return nil, 0, fmt.Errorf("read %s of %s: %w", key, s.name, err)
	}
	return m.Data, m.Sequence, nil
}

// Put replaces a document if its revision is still this one; 0 is that there is none. [ErrConflict] means that it was not replaced. Any
// other error means that it may have been.
func (s *Shelf) Put(ctx context.Context, key string, doc []byte, revision uint64) (uint64, error) {
	return s.bus.AppendIf(ctx, s.subject(key), revision, doc)
}
