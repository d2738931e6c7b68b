package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Format is that of the files that this build writes. It reads no other.
const Format = 1

// The names in the file that are no parts.
const (
	headName     = "firebreak-backup.json"
	manifestName = "manifest.json"
)

var (
	// ErrForeign says that a file is no backup of ours, or one that this build does not know.
	ErrForeign = errors.New("not a backup that this build can read")
	// ErrDamaged says that a backup is not as it was written: cut off, or changed.
	ErrDamaged = errors.New("the backup is damaged")
	// ErrNotEmpty says that there is something already where a backup was to be restored.
	ErrNotEmpty = errors.New("not empty")
)

// Head says what a file is. It is the file's beginning, so that another file is known for what it is at once.
type Head struct {
	Format int `json:"format"`
	// Build is the version of the program that wrote it, Name the replica.
	Build string `json:"build"`
	Name  string `json:"name"`
	// Begun is when the backup was begun: all that was acknowledged before is in it.
	Begun time.Time `json:"begun"`
}

func (h Head) check() error {
	if h.Format != Format || h.Begun.IsZero() {
		return fmt.Errorf("%w: its format is %d, and this build knows %d", ErrForeign, h.Format, Format)
	}
	return nil
}

// Manifest is what a backup holds. It is the file's end: a file without it was cut off.
type Manifest struct {
	Head
	Ended time.Time `json:"ended"`
	// Parts are in the order in which they were taken, which is that of the file.
	Parts []Part `json:"parts"`
	// Absent are streams that are carried if they are there, and were not there. LeftOut are those that were there and are not carried.
	Absent  []string `json:"absent,omitempty"`
	LeftOut []string `json:"left_out,omitempty"`
}

// Part is one stream at one moment, or what was written to it between that moment and the end of the part.
type Part struct {
	// Name is its folder in the file.
	Name   string `json:"name"`
	Stream string `json:"stream"`
	// Tail says that it is a list of messages, written behind the snapshot of the same stream.
	Tail bool `json:"tail,omitempty"`
	// At is when it was begun.
	At time.Time `json:"at"`
	// Messages it holds, and the first and the last sequence of the stream.
	Messages uint64 `json:"messages"`
	First    uint64 `json:"first,omitempty"`
	Last     uint64 `json:"last,omitempty"`
	// Bytes and SHA256 are of the part as it is in the file, all pieces together.
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
	// Config and State are those of the stream. A tail has none.
	Config json.RawMessage     `json:"config,omitempty"`
	State  *server.StreamState `json:"state,omitempty"`
}

// Last is the last sequence of a stream in the backup, 0 if it is not there.
func (m Manifest) Last(stream string) uint64 {
	for _, p := range m.Parts {
		if p.Stream == stream && !p.Tail {
			return p.Last
		}
	}
	return 0
}
