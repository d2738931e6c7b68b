package breaker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/firebreak-sre/firebreak/internal/failpoint"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/breaker/lease"
)

const (
	operationHeader = "KV-Operation"
	deleteOperation = "DEL"
)

// errConflict says that a write was refused because the subject's last revision is another one.
var errConflict = errors.New("edge changed meanwhile")

// stored is the last message of an edge's subject.
type stored struct {
	// revision is that of the message, markers included; 0 if there never was one, or if its marker is gone.
	revision uint64
	at       time.Time
	// lease is nil for a marker and for a value that is not a lease.
	lease *lease.Lease
	// strange is why a value is not a lease.
	strange error
}

// by says whether the stored value is the action's lease, in force or not.
func (s stored) by(action string) bool { return s.lease != nil && s.lease.Action == action }

// heldBy says whether the action's lease is in force.
func (s stored) heldBy(action string, now time.Time) bool { return s.by(action) && !s.over(now) }

// over says that nothing holds the edge: there is no value, or both its until and its TTL have passed.
func (s stored) over(now time.Time) bool {
	if s.strange != nil {
		return false
	}
	return s.lease == nil || !now.Before(s.lease.Until) && !now.Before(s.at.Add(s.lease.TTL()))
}

// describe is for people.
func (s stored) describe(now time.Time) string {
	switch {
	case s.strange != nil:
		return fmt.Sprintf("a value at revision %d that is not a lease: %v", s.revision, s.strange)
	case s.lease == nil:
		return fmt.Sprintf("nothing holds it (revision %d)", s.revision)
	}
	verb := "held"
	if s.over(now) {
		verb = "was held"
	}
	return fmt.Sprintf("%s by action %s of incident %s until %s (revision %d)", verb, s.lease.Action, s.lease.Incident,
		s.lease.Until.Format(time.RFC3339), s.revision)
}

// reader reads the last message of a subject from the stream's leader. The key-value's own Get may be answered by a
// replica that is behind, and "absent" from there is no proof.
type reader struct{ legacy nats.JetStreamContext }

func newReader(js jetstream.JetStream) (reader, error) {
	var opts []nats.JSOpt
	if o := js.Options(); o.Domain != "" {
		opts = append(opts, nats.Domain(o.Domain))
	} else if o.APIPrefix != "" {
		opts = append(opts, nats.APIPrefix(o.APIPrefix))
	}
	legacy, err := js.Conn().JetStream(opts...)
	if err != nil {
		return reader{}, fmt.Errorf("open stream reader: %w", err)
	}
	return reader{legacy: legacy}, nil
}

func (r reader) last(ctx context.Context, key string) (stored, error) {
	m, err := r.legacy.GetLastMsg("KV_"+lease.Bucket, lease.Subject(lease.Bucket, key), nats.Context(ctx))
	if errors.Is(err, nats.ErrMsgNotFound) {
		return stored{}, nil
	}
	if err != nil {
		return stored{}, fmt.Errorf("read lease %s: %w", key, err)
	}
	s := stored{revision: m.Sequence, at: m.Time}
	if m.Header.Get(operationHeader) != "" || m.Header.Get(jetstream.MarkerReasonHeader) != "" {
		return s, nil
	}
	l, err := lease.Decode(m.Data)
	if err != nil {
		s.strange = err
		return s, nil
	}
	s.lease = &l
	return s, nil
}

// write stores a lease if the subject's last revision is the expected one.
func (b *Breaker) write(ctx context.Context, key string, l lease.Lease, expected uint64) (uint64, error) {
	data, err := l.Encode()
	if err != nil {
		return 0, fmt.Errorf("%w: %w", remediations.ErrRefused, err)
	}
	m := nats.NewMsg(lease.Subject(lease.Bucket, key))
	m.Data = data
	return b.publish(ctx, m, expected, jetstream.WithMsgTTL(l.TTL()))
}

// mark stores a delete marker if the subject's last revision is the expected one. It has no TTL: it stays.
func (b *Breaker) mark(ctx context.Context, key string, expected uint64) (uint64, error) {
	m := nats.NewMsg(lease.Subject(lease.Bucket, key))
	m.Header.Set(operationHeader, deleteOperation)
	return b.publish(ctx, m, expected)
}

// publish sends exactly once. Its errors are errConflict, ErrRefused where nothing was stored for sure, or in doubt.
func (b *Breaker) publish(ctx context.Context, m *nats.Msg, expected uint64, opts ...jetstream.PublishOpt) (uint64, error) {
	// While it reconnects, the client would keep the message and send it later: do not hand it over.
	if s := b.js.Conn().Status(); s != nats.CONNECTED {
		return 0, fmt.Errorf("%w: not connected to NATS (%s), nothing was sent", remediations.ErrRefused, s)
	}
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("%w: nothing was sent: %w", remediations.ErrRefused, err)
	}
	opts = append(opts, jetstream.WithExpectLastSequencePerSubject(expected), jetstream.WithRetryAttempts(0))
	failpoint.Hit("breaker:send:" + m.Header.Get(operationHeader))
	ack, err := b.js.PublishMsg(ctx, m, opts...)
	if err == nil {
		return ack.Sequence, nil
	}
	var api *jetstream.APIError
	if errors.As(err, &api) {
		switch {
		case api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence,
			api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant:
			return 0, fmt.Errorf("%w: %w", errConflict, err)
		case api.Code >= 400 && api.Code < 500:
			return 0, fmt.Errorf("%w: %w", remediations.ErrRefused, err)
		}
	}
	return 0, err
}

// presence reads the edge and says whose lease stands there, as the action sees it.
func (b *Breaker) presence(ctx context.Context, o remediations.Order, key string) (remediations.Presence, error) {
	s, err := b.bucket.last(ctx, key)
	if err != nil {
		return remediations.Presence{State: remediations.Unknown, Detail: err.Error()}, fmt.Errorf("check lease: %w", err)
	}
	now := time.Now()
	p := remediations.Presence{State: remediations.Foreign, Revision: s.revision, Detail: s.describe(now)}
	switch {
	case s.over(now):
		p.State = remediations.Absent
	case s.by(o.Action):
		p.State = remediations.Ours
	}
	if s.lease != nil && p.State != remediations.Absent {
		p.Released, p.Until = s.lease.Released, s.lease.Until
	}
	if err := b.count(ctx, o.Service, o.Edge, s, &p); err != nil {
		p.Detail += fmt.Sprintf("; instances could not be counted: %v", err)
	}
	return p, nil
}

// count fills in how many instances of the service do what the stored lease says; with no lease in force, how many hold
// nothing. It is one request, which any replica may answer: this number is for people.
func (b *Breaker) count(ctx context.Context, service, edge string, s stored, p *remediations.Presence) error {
	reports, err := jetstreamext.GetLastMsgsFor(ctx, b.js, "KV_"+lease.InstancesBucket,
		[]string{lease.Subject(lease.InstancesBucket, service+".*")})
	if err != nil {
		return fmt.Errorf("list instances of %s: %w", service, err)
	}
	obeying, instances := 0, 0
	for m, err := range reports {
		var r lease.Report
		switch {
		case errors.Is(err, jetstreamext.ErrNoMessages):
			continue
		case errors.Is(err, nats.ErrNoResponders):
			return b.instancesGone(ctx)
		case err != nil:
			return fmt.Errorf("list instances of %s: %w", service, err)
		case json.Unmarshal(m.Data, &r) != nil || r.V != lease.Version: // a marker, or a newer client's
			continue
		}
		instances++
		if obeys(r.Edges[edge], s, p.State) {
			obeying++
		}
	}
	if err := ctx.Err(); err != nil { // the list ends silently with its context
		return fmt.Errorf("list instances of %s: %w", service, err)
	}
	p.Obeying, p.Instances = obeying, instances
	return nil
}

// instancesGone makes the bucket anew: a single server forgets a bucket in memory when it restarts. Nobody has reported to it yet.
func (b *Breaker) instancesGone(ctx context.Context) error {
	return openInstances(ctx, b.js, b.replicas)
}

func obeys(r lease.EdgeReport, s stored, state remediations.State) bool {
	if state == remediations.Absent {
		return !r.Held
	}
	return r.Held && s.lease != nil && r.Action == s.lease.Action && r.Revision == s.revision
}
