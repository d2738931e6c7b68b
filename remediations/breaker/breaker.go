package breaker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/breaker/bounds"
	"github.com/firebreak-sre/firebreak/remediations/breaker/lease"
)

const (
	// Name is what a [remediations.Step] calls this remediation.
	Name = bounds.Name
	// MarkerTTL is how long the bucket remembers that a lease has expired. Within it a command that was written before is
	// refused whenever it arrives.
	MarkerTTL = 24 * time.Hour

	// tries bounds how often a compare is repeated that was lost to another write of our own.
	tries = 3
	// defaultTimeout bounds one command of an order that names no timeout.
	defaultTimeout = 5 * time.Second
)

// Breaker holds edges by leases. It is safe for concurrent use.
type Breaker struct {
	js       jetstream.JetStream
	bucket   reader
	replicas int
}

var (
	_ remediations.Remediation = (*Breaker)(nil)
	_ remediations.Adjuster    = (*Breaker)(nil)
	_ remediations.Fencer      = (*Breaker)(nil)
)

// Open creates both buckets, or brings them to what the protocol needs, and returns a Breaker on them. Replicas is that of
// both: 1 on one node, 3 on a cluster.
func Open(ctx context.Context, js jetstream.JetStream, replicas int) (*Breaker, error) {
	err := openBucket(ctx, js, jetstream.KeyValueConfig{
		Bucket:         lease.Bucket,
		Description:    "Edges that Firebreak holds, one key <service>.<edge> each.",
		History:        1,
		Storage:        jetstream.FileStorage,
		Replicas:       replicas,
		LimitMarkerTTL: MarkerTTL,
	})
	if err != nil {
		return nil, err
	}
	if err := openInstances(ctx, js, replicas); err != nil {
		return nil, err
	}
	bucket, err := newReader(js)
	if err != nil {
		return nil, err
	}
	return &Breaker{js: js, bucket: bucket, replicas: replicas}, nil
}

func openInstances(ctx context.Context, js jetstream.JetStream, replicas int) error {
	return openBucket(ctx, js, jetstream.KeyValueConfig{
		Bucket:         lease.InstancesBucket,
		Description:    "What each instance holds, one key <service>.<instance> each.",
		History:        1,
		Storage:        jetstream.MemoryStorage,
		Replicas:       replicas,
		LimitMarkerTTL: time.Second,
	})
}

// openBucket makes a bucket, or brings it to what is wanted, while other replicas may be doing the same.
func openBucket(ctx context.Context, js jetstream.JetStream, cfg jetstream.KeyValueConfig) error {
	_, err := bus.Insist(ctx, func(ctx context.Context) (jetstream.KeyValue, error) { return js.CreateOrUpdateKeyValue(ctx, cfg) })
	if err != nil {
		return fmt.Errorf("open bucket %s: %w", cfg.Bucket, err)
	}
	return nil
}

// Bounds are those that [bounds.Of] says. Apply and Adjust refuse what passes them.
func (b *Breaker) Bounds(s remediations.Step) remediations.Bounds { return bounds.Of(s) }

// Check says whose lease stands on the edge, and how many instances of the service do what it says. If the bucket cannot be read it
// returns Unknown together with the error.
func (b *Breaker) Check(ctx context.Context, o remediations.Order) (remediations.Presence, error) {
	key, err := lease.Key(o.Service, o.Edge)
	if err != nil {
		return remediations.Presence{State: remediations.Unknown}, fmt.Errorf("check lease: %w: %w", remediations.ErrRefused, err)
	}
	ctx, cancel := bounded(ctx, o)
	defer cancel()
	return b.presence(ctx, o, key)
}

// Apply writes the lease if the edge is still as o.Seen says. A repetition of an order whose lease stands succeeds and
// changes nothing.
func (b *Breaker) Apply(ctx context.Context, o remediations.Order) (remediations.Receipt, error) {
	key, l, err := order(o, time.Now())
	if err != nil {
		return remediations.Receipt{}, fmt.Errorf("apply lease: %w: %w", remediations.ErrRefused, err)
	}
	if err := inTime(o); err != nil {
		return remediations.Receipt{}, fmt.Errorf("apply lease %s: %w", key, err)
	}
	if o.Seen.State != remediations.Absent {
		return remediations.Receipt{}, fmt.Errorf("apply lease %s: %w: edge was seen %s, not absent", key,
			remediations.ErrRefused, o.Seen.State)
	}
	ctx, cancel := bounded(ctx, o)
	defer cancel()
	ctx, stop := context.WithDeadline(ctx, o.Deadline)
	defer stop()
	revision, err := b.write(ctx, key, l, o.Seen.Revision)
	switch {
	case err == nil:
		return receipt(l, revision), nil
	case errors.Is(err, errConflict):
		return b.already(ctx, key, o, err)
	}
	return remediations.Receipt{}, fmt.Errorf("apply lease %s: %w", key, err)
}

// already settles an Apply that lost its compare: to itself, which is a repetition, or to somebody else.
func (b *Breaker) already(ctx context.Context, key string, o remediations.Order, conflict error) (remediations.Receipt, error) {
	now, err := b.bucket.last(ctx, key)
	if err != nil {
		// This command was refused, but an earlier one of the same order may stand: in doubt.
		return remediations.Receipt{}, fmt.Errorf("apply lease %s: %w; then look: %w", key, conflict, err)
	}
	if now.heldBy(o.Action, time.Now()) {
		return receipt(*now.lease, now.revision), nil
	}
	return remediations.Receipt{}, fmt.Errorf("apply lease %s: %w: edge changed since it was seen at revision %d: %s",
		key, remediations.ErrRefused, o.Seen.Revision, now.describe(time.Now()))
}

// Adjust writes our lease anew with o.Released and o.Until. It compares with the revision that is stored, which may be newer than the
// receipt's if an earlier Adjust was not answered. What carries a higher fence is left alone. What is gone is
// [remediations.ErrNotOurs] even if there is something wrong with the order, since that ends the matter.
func (b *Breaker) Adjust(ctx context.Context, o remediations.Order, r remediations.Receipt) (remediations.Receipt, error) {
	key, l, wrong := order(o, time.Now())
	if key == "" {
		return r, fmt.Errorf("adjust lease: %w: %w", remediations.ErrRefused, wrong)
	}
	ctx, cancel := bounded(ctx, o)
	defer cancel()
	for range tries {
		now, err := b.bucket.last(ctx, key)
		if err != nil {
			return r, fmt.Errorf("adjust lease %s: %w", key, err)
		}
		if !now.heldBy(o.Action, time.Now()) {
			return r, fmt.Errorf("adjust lease %s: %w: %s", key, remediations.ErrNotOurs, now.describe(time.Now()))
		}
		if err := errors.Join(wrong, inTime(o)); err != nil {
			return r, fmt.Errorf("adjust lease %s: %w: %w", key, remediations.ErrRefused, err)
		}
		if now.lease.Fence > o.Fence {
			return r, fmt.Errorf("adjust lease %s: %w: fence %d is above ours, %d", key, remediations.ErrRefused, now.lease.Fence, o.Fence)
		}
		if now.revision != r.Revision && now.lease.Released == l.Released && now.lease.Until.Equal(l.Until) {
			return receipt(*now.lease, now.revision), nil
		}
		revision, err := b.write(ctx, key, l, now.revision)
		if err == nil {
			return receipt(l, revision), nil
		}
		if !errors.Is(err, errConflict) {
			return r, fmt.Errorf("adjust lease %s: %w", key, err)
		}
	}
	return r, fmt.Errorf("adjust lease %s: %w: it changed %d times meanwhile", key, remediations.ErrRefused, tries)
}

// Revert deletes our lease, and leaves a marker that makes every earlier command of the order fail.
func (b *Breaker) Revert(ctx context.Context, o remediations.Order, _ remediations.Receipt) error {
	key, err := lease.Key(o.Service, o.Edge)
	if err != nil {
		return fmt.Errorf("revert lease: %w: %w", remediations.ErrRefused, err)
	}
	ctx, cancel := bounded(ctx, o)
	defer cancel()
	for range tries {
		now, err := b.bucket.last(ctx, key)
		if err != nil {
			return fmt.Errorf("revert lease %s: %w", key, err)
		}
		switch {
		case now.over(time.Now()) && !now.by(o.Action):
			return nil
		case !now.by(o.Action):
			return fmt.Errorf("revert lease %s: %w: %s", key, remediations.ErrNotOurs, now.describe(time.Now()))
		}
		if _, err = b.mark(ctx, key, now.revision); err == nil {
			return nil
		}
		if !errors.Is(err, errConflict) {
			return fmt.Errorf("revert lease %s: %w", key, err)
		}
	}
	return fmt.Errorf("revert lease %s: it changed %d times meanwhile", key, tries)
}

// Fence writes a marker where o's lease would go, so that an Apply which was sent and not answered fails if it is still
// on its way. If that Apply was faster, Fence changes nothing and says Ours.
func (b *Breaker) Fence(ctx context.Context, o remediations.Order) (remediations.Presence, error) {
	unknown := remediations.Presence{State: remediations.Unknown}
	key, err := lease.Key(o.Service, o.Edge)
	if err != nil {
		return unknown, fmt.Errorf("fence lease: %w: %w", remediations.ErrRefused, err)
	}
	ctx, cancel := bounded(ctx, o)
	defer cancel()
	for range tries {
		now, err := b.bucket.last(ctx, key)
		if err != nil {
			return unknown, fmt.Errorf("fence lease %s: %w", key, err)
		}
		if !now.over(time.Now()) {
			return b.presence(ctx, o, key)
		}
		_, err = b.mark(ctx, key, now.revision)
		if err == nil {
			return b.presence(ctx, o, key)
		}
		if !errors.Is(err, errConflict) {
			return unknown, fmt.Errorf("fence lease %s: %w", key, err)
		}
	}
	return unknown, fmt.Errorf("fence lease %s: it changed %d times meanwhile", key, tries)
}

// order turns an order into the lease that it asks for, or says what is wrong with it. The key is empty only if it is wrong itself.
func order(o remediations.Order, now time.Time) (key string, l lease.Lease, err error) {
	if key, err = lease.Key(o.Service, o.Edge); err != nil {
		return "", l, err
	}
	fix := lease.Fix(o.Fix)
	params, err := lease.ParseParams(fix, o.Params)
	if err != nil {
		return key, l, err
	}
	if most := bounds.Longest(o.Fix); o.Limit.D() > most || o.TTL.D() > most {
		return key, l, fmt.Errorf("%s may stand for %s, not for ttl %s, limit %s", fix, most, o.TTL, o.Limit)
	}
	if o.TTL.D() <= 0 {
		return key, l, fmt.Errorf("ttl %s is not positive", o.TTL)
	}
	ttl := o.TTL.D()
	until := o.Until
	if until.IsZero() {
		until = now.Add(ttl)
	}
	if ttl = wholeSeconds(min(ttl, until.Sub(now))); ttl <= 0 {
		return key, l, fmt.Errorf("until %s has passed", until.Format(time.RFC3339))
	}
	l = lease.Lease{
		V: lease.Version, Fix: fix, Params: params, Released: o.Released, Until: until.UTC(), TTLMillis: ttl.Milliseconds(),
		Action: o.Action, Incident: o.Incident, Fence: o.Fence, Reason: o.Reason,
	}
	return key, l, l.Validate()
}

// inTime says that the order may still be carried out.
func inTime(o remediations.Order) error {
	if !time.Now().Before(o.Deadline) {
		return fmt.Errorf("%w: deadline %s has passed", remediations.ErrRefused, o.Deadline.Format(time.RFC3339))
	}
	return nil
}

// wholeSeconds rounds up, since NATS expires by whole seconds.
func wholeSeconds(d time.Duration) time.Duration {
	if t := d.Truncate(time.Second); t < d {
		return t + time.Second
	}
	return d
}

// bounded gives one command its own timeout.
func bounded(ctx context.Context, o remediations.Order) (context.Context, context.CancelFunc) {
	if o.Timeout.D() <= 0 {
		return context.WithTimeout(ctx, defaultTimeout)
	}
	return context.WithTimeout(ctx, o.Timeout.D())
}

func receipt(l lease.Lease, revision uint64) remediations.Receipt {
	return remediations.Receipt{Revision: revision, Until: l.Until, Note: fmt.Sprintf("lease stored as revision %d", revision)}
}
