package bus

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// claimTTL is how long a replica may be silent before another takes its work over.
const claimTTL = 15 * time.Second

// errClaimed says that another replica has the work.
var errClaimed = errors.New("another replica is at work on it")

// claimed runs fn while this replica holds a claim on key. A claim keeps two replicas from doing the same work; it is a
// courtesy, not a lock: a paused process can outlive its own claim. What may happen only once is guarded by the record.
func (b *Bus) claimed(ctx context.Context, key string, fn func(context.Context) error) error {
	rev, err := b.claim(ctx, key)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- fn(ctx) }()
	beat := time.NewTicker(claimTTL / 3)
	defer beat.Stop()
	for {
		select {
		case err := <-done:
			b.unclaim(key, rev)
			return err
		case <-beat.C:
			rev = b.renewClaim(ctx, key, rev)
		}
	}
}

// claim takes a claim. Create takes the marker of an earlier claim for a claim if it expires at that very moment
// (nats-server#5162), so what it says is asked about.
func (b *Bus) claim(ctx context.Context, key string) (uint64, error) {
	for range 3 {
		rev, err := b.claims.Create(ctx, key, []byte(b.cfg.Name), jetstream.KeyTTL(claimTTL))
		if err == nil {
			return rev, nil
		}
		if !isWrongSequence(err) {
			return 0, fmt.Errorf("claim %s: %w", key, err)
		}
		if _, err := b.claims.Get(ctx, key); !errors.Is(err, jetstream.ErrKeyNotFound) {
			break
		}
	}
	return 0, errClaimed
}

// renewClaim publishes by hand: a key-value update drops the time to live, so the claim would never end.
func (b *Bus) renewClaim(ctx context.Context, key string, rev uint64) uint64 {
	m := nats.NewMsg("$KV.claims." + key)
	m.Data = []byte(b.cfg.Name)
	m.Header.Set("Nats-TTL", strconv.Itoa(int(claimTTL/time.Second)))
	ack, err := b.js.PublishMsg(ctx, m, jetstream.WithExpectLastSequencePerSubject(rev))
	if err != nil {
		b.log.Warn().Err(err).Str("key", key).Msg("renewing a claim failed")
		return rev
	}
	return ack.Sequence
}

// unclaim outlives the work's context: a claim that is left behind only delays the next worker.
func (b *Bus) unclaim(key string, rev uint64) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = b.claims.Purge(ctx, key, jetstream.LastRevision(rev), jetstream.PurgeTTL(time.Second))
}
