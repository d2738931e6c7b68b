package bus

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Work that failed because the cluster was away is done soon after it is back, however long it was away: a change may stand until then.
// Work that fails for another reason waits longer and longer.
func TestRetryIn(t *testing.T) {
	t.Parallel()
	away := []error{context.DeadlineExceeded, nats.ErrTimeout, nats.ErrNoResponders, jetstream.ErrNoStreamResponse, errBehind, errCutOff,
		&jetstream.APIError{Code: 503, ErrorCode: 10008}}
	for _, err := range away {
		if got := retryIn(fmt.Errorf("append: %w", err), 100); got != passingRetry {
			t.Errorf("after 100 tries and %v: got %s, want %s", err, got, passingRetry)
		}
	}
	if got := retryIn(nats.ErrTimeout, 1); got != 500*time.Millisecond {
		t.Errorf("after the first try: got %s, want 500ms", got)
	}
	if got := retryIn(errors.New("the record is damaged"), 100); got != time.Minute {
		t.Errorf("after 100 tries of what does not get better: got %s, want 1m", got)
	}
}
