package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// ErrFull says that the incidents' stream holds as much as it may, so no new incident is opened. Incidents that are open go on as before:
// a record that could not be written could not be ended either, and what it changed would stand. So the limit is asked here, and the stream
// itself has none. Who wanted to open one tries again; room comes with age ([Config.MaxAge]) or with a higher limit.
var ErrFull = errors.New("the incidents' stream is full (bus.incidents_max_bytes), so no new incident is opened; those that are open go on")

// heldFor is how long the answer about the size counts. What is opened here meanwhile is added; what is appended, or opened by other
// replicas, can pass the limit by that much.
const heldFor = time.Second

// held remembers how much the incidents' stream holds.
type held struct {
	mu    sync.Mutex
	at    time.Time // guarded by mu, when it was asked; zero: never
	bytes int64     // guarded by mu
}

// roomFor refuses the first message of an incident's record if there is no room for more incidents. A size that cannot be
// read refuses as well.
func (b *Bus) roomFor(ctx context.Context, subject string, last uint64, size int) error {
	if last != 0 || !strings.HasPrefix(subject, "incidents.") {
		return nil
	}
	b.held.mu.Lock()
	defer b.held.mu.Unlock()
	if b.held.at.IsZero() || time.Since(b.held.at) > heldFor {
		bytes, _, err := b.IncidentsUsage(ctx)
		if err != nil {
			return err
		}
		b.held.bytes, b.held.at = bytes, time.Now()
	}
	if b.held.bytes >= b.cfg.IncidentsMaxBytes {
		return fmt.Errorf("%w: it holds %d bytes and may hold %d", ErrFull, b.held.bytes, b.cfg.IncidentsMaxBytes)
	}
	b.held.bytes += int64(size)
	return nil
}

// IncidentsUsage is how many bytes the incidents' stream holds, and from how many on no new incident is opened.
func (b *Bus) IncidentsUsage(ctx context.Context) (bytes, limit int64, err error) {
	info, err := b.incidents.Info(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("ask the bus for stream %s: %w", Incidents, err)
	}
	return int64(info.State.Bytes), b.cfg.IncidentsMaxBytes, nil
}
