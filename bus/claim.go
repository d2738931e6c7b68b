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

// claimForgotten is how old a claim may be that was not renewed, whatever the server says. It is more than its time to live by
// what two clocks may differ. The server takes claims out by itself; should it miss one, its key would never be worked on again.
const claimForgotten = 2 * claimTTL

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

// claim takes a claim, if nobody has one. What is left of an earlier claim, a marker for a second, is none; it is asked about at the
// leader, since a copy that is behind would show the earlier claim itself. The marker can expire at that very moment, so it
// is asked more than once.
func (b *Bus) claim(ctx context.Context, key string) (uint64, error) {
	rev, err := b.putClaim(ctx, key, 0)
	for range 3 {
		if !isWrongSequence(err) {
			break
		}
		m, lastErr := b.askLeader(ctx, "KV_"+b.claims.Bucket(), b.claimSubject(key))
		switch {
		case errors.Is(lastErr, jetstream.ErrMsgNotFound):
			rev, err = b.putClaim(ctx, key, 0)
		case lastErr != nil:
			return 0, fmt.Errorf("claim %s: %w", key, lastErr)
		case m.Header.Get("KV-Operation") != "" || m.Header.Get(jetstream.MarkerReasonHeader) != "":
			rev, err = b.putClaim(ctx, key, m.Sequence)
		case time.Since(m.Time) > claimForgotten:
			b.log.Warn().Str("key", key).Time("since", m.Time).Msg("a claim did not run out by itself; it is taken over")
			rev, err = b.putClaim(ctx, key, m.Sequence)
		default:
			return 0, errClaimed
		}
	}
	switch {
	case isWrongSequence(err):
		return 0, errClaimed // others are at it as well, and one of them has it by now
	case err != nil:
		return 0, fmt.Errorf("claim %s: %w", key, err)
	}
	return rev, nil
}

func (b *Bus) claimSubject(key string) string { return "$KV." + b.claims.Bucket() + "." + key }

// putClaim stores a claim behind revision rev. It is published by hand: a key-value update drops the time to live, so the claim
// would never end.
func (b *Bus) putClaim(ctx context.Context, key string, rev uint64) (uint64, error) {
	m := nats.NewMsg(b.claimSubject(key))
	m.Data = []byte(b.cfg.Name)
	m.Header.Set("Nats-TTL", strconv.Itoa(int(claimTTL/time.Second)))
	ack, err := b.js.PublishMsg(ctx, m, jetstream.WithExpectLastSequencePerSubject(rev))
	if err != nil {
		return 0, err
	}
	return ack.Sequence, nil
}

func (b *Bus) renewClaim(ctx context.Context, key string, rev uint64) uint64 {
	renewed, err := b.putClaim(ctx, key, rev)
	if err != nil {
		b.log.Warn().Err(err).Str("key", key).Msg("renewing a claim failed")
		return rev
	}
	return renewed
}

// unclaim outlives the work's context: a claim that is left behind only delays the next worker.
func (b *Bus) unclaim(key string, rev uint64) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = b.claims.Purge(ctx, key, jetstream.LastRevision(rev), jetstream.PurgeTTL(time.Second))
}
