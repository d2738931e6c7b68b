package bus

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/firebreak-sre/firebreak/internal/failpoint"
	"github.com/nats-io/nats.go"
)

// ErrTooLarge says that one entry is larger than one message of the bus can be.
var ErrTooLarge = errors.New("larger than one message of the bus")

// journalInFlight is how many messages may be under way at once. The second is built while the first is being synced;
// more would only make the groups smaller.
const journalInFlight = 2

// Journal stores alerts. Entries that wait at the same time become one message, so they share one sync of the disk;
// an entry that is alone waits for nobody.
//
// Why not one message an alert: the server syncs once for each message, which is the disk's serial rate however many wait.
// Why not JetStream's atomic batches: on one server each stages with three more syncs.
type Journal struct {
	bus   *Bus
	max   int
	queue chan *entry
	slots chan struct{}
	// running is true while Run takes entries.
	running atomic.Bool
}

type entry struct {
	data []byte
	done chan error
}

// Journal is the alerts' journal. It stores only while Run runs.
func (b *Bus) Journal() *Journal {
	limit := maxPayload
	if b.nc != nil && b.nc.MaxPayload() > 0 {
		limit = min(limit, int(b.nc.MaxPayload()))
	}
	return &Journal{bus: b, max: limit - 4096, queue: make(chan *entry, 1024), slots: make(chan struct{}, journalInFlight)}
}

// MaxEntry is the largest entry in bytes that Append takes.
func (j *Journal) MaxEntry() int { return j.max }

// Append stores one entry, whole lines that end with a newline, and returns when it is durable. An error means that it may or may not have been
// stored; who sends it again must expect that both copies are kept.
func (j *Journal) Append(ctx context.Context, data []byte) error {
	if len(data) > j.max {
		return fmt.Errorf("append %d bytes to the journal: %w", len(data), ErrTooLarge)
	}
	if j.alone() {
		defer func() { <-j.slots }()
		return j.publish(ctx, data, 1)
	}
	e := &entry{data: data, done: make(chan error, 1)}
	select {
	case j.queue <- e:
	case <-ctx.Done():
		return fmt.Errorf("append to the journal: %w", context.Cause(ctx))
	}
	select {
	case err := <-e.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("append to the journal: %w", context.Cause(ctx))
	}
}

// alone takes a slot for an entry that has nobody to share a message with. It is stored where it is: handing it over would only cost time.
// While anything is under way others will come, and a message for one would keep them all waiting for its sync.
func (j *Journal) alone() bool {
	if !j.running.Load() || len(j.queue) > 0 || len(j.slots) > 0 {
		return false
	}
	select {
	case j.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

// Run stores what Append hands in, until ctx ends; what was handed in before is still stored.
func (j *Journal) Run(ctx context.Context) error {
	j.running.Store(true)
	defer j.running.Store(false)
	var first *entry
	for {
		if first == nil {
			select {
			case first = <-j.queue:
			case <-ctx.Done():
				j.drain()
				return nil
			}
		}
		first = j.storeGroup(first)
	}
}

// drain stores what is still waiting, and waits for what is under way.
func (j *Journal) drain() {
	for {
		select {
		case e := <-j.queue:
			for e != nil {
				e = j.storeGroup(e)
			}
		default:
			for range journalInFlight {
				j.slots <- struct{}{}
			}
			for range journalInFlight {
				<-j.slots
			}
			return
		}
	}
}

// storeGroup begins to store an entry and everything that waits with it and fits into one message. It returns the entry
// that did not fit, which leads the next group.
func (j *Journal) storeGroup(first *entry) *entry {
	j.slots <- struct{}{}
	group, next := j.gather(first)
	go j.store(group)
	return next
}

func (j *Journal) gather(first *entry) (group []*entry, next *entry) {
	group = []*entry{first}
	size := len(first.data)
	for {
		select {
		case e := <-j.queue:
			if size+len(e.data) > j.max {
				return group, e
			}
			group, size = append(group, e), size+len(e.data)
		default:
			return group, nil
		}
	}
}

func (j *Journal) store(group []*entry) {
	defer func() { <-j.slots }()
	data := group[0].data
	if len(group) > 1 {
		size := 0
		for _, e := range group {
			size += len(e.data)
		}
		data = make([]byte, 0, size)
		for _, e := range group {
			data = append(data, e.data...)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := j.publish(ctx, data, len(group))
	for _, e := range group {
		e.done <- err
	}
}

func (j *Journal) publish(ctx context.Context, data []byte, entries int) error {
	failpoint.Hit("journal:before")
	_, err := j.bus.js.PublishMsg(ctx, &nats.Msg{Subject: alertsSubject, Data: data})
	failpoint.Hit("journal:after")
	if err != nil {
		return fmt.Errorf("store %d entries in the journal: %w", entries, err)
	}
	return nil
}
