package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Unfinished is the stream that is there from the beginning of a restore to its end. With it there, [Open] refuses.
const Unfinished = "FIREBREAK_RESTORE"

// ErrUnfinished says that a restore was begun here and did not come to its end. What is there is a part of the truth.
var ErrUnfinished = errors.New("a restore was begun here and not finished; run \"firebreak restore\" again, with the same file or another one")

// OpenBare starts the embedded server or connects to the external one, and creates nothing: it is for who puts streams there. The journal,
// records, agendas and the rest work only after [Bus.Prepare]. Close must be called.
func OpenBare(ctx context.Context, cfg Config) (*Bus, error) {
	cfg = cfg.withDefaults()
	b := &Bus{cfg: cfg, log: cfg.Log.With().Str("part", "bus").Logger(), lost: make(chan struct{})}
	var err error
	if cfg.URL == "" {
		err = b.startEmbedded(ctx)
	} else {
		err = b.connect(cfg.URL, b.externalOptions()...)
	}
	if err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// Prepare creates the streams of a bus that was opened bare, or brings those that are there to what this build wants.
func (b *Bus) Prepare(ctx context.Context) error { return b.createStreams(ctx) }

func (b *Bus) refuseUnfinished(ctx context.Context) error {
	_, err := Insist(ctx, func(ctx context.Context) (jetstream.Stream, error) { return b.js.Stream(ctx, Unfinished) })
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("ask the bus whether a restore is unfinished: %w", err)
	}
	return ErrUnfinished
}
