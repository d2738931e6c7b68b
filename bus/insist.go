package bus

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// insistFor is how long a stream may take to be set up, unless the caller's context ends before: long enough for a cluster to
	// elect its leaders.
	insistFor = 30 * time.Second
	// insistEach is how long one request for that may take, and insistPause how long after it the next one waits.
	insistEach  = 3 * time.Second
	insistPause = 250 * time.Millisecond
)

// Insist repeats a request that sets something up until it is answered. The request must be one that can be repeated. It is for rooms
// that set something up of their own, by [Bus.JetStream].
//
// A cluster answers such a request not at all if another replica asks for the same stream at the same time, for only the last of
// them is remembered; and with errors while it has no leader, or not yet enough nodes.
func Insist[T any](ctx context.Context, ask func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, insistFor, errNoAnswer)
	defer cancel()
	for {
		once, done := context.WithTimeout(ctx, insistEach)
		got, err := ask(once)
		done()
		if err == nil || !isPassing(err) {
			return got, err
		}
		pause(ctx, insistPause)
		if ctx.Err() != nil {
			return got, errors.Join(context.Cause(ctx), err)
		}
	}
}

// errNoAnswer says that a cluster was asked for something long enough.
var errNoAnswer = errors.New("the cluster did not settle")

// isPassing says whether an error can be one of a cluster that is electing a leader, or setting up the same stream for another replica.
func isPassing(err error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		const noPeers = 10005 // not enough nodes yet
		return api.Code == 503 || api.ErrorCode == noPeers || api.ErrorCode == jetstream.JSErrCodeStreamNameInUse
	}
	for _, passing := range []error{
		context.DeadlineExceeded, nats.ErrTimeout, nats.ErrNoResponders, jetstream.ErrNoStreamResponse,
		nats.ErrReconnectBufExceeded, nats.ErrConnectionReconnecting, nats.ErrDisconnected, errBehind, errCutOff,
	} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return false
}
