// Package stored is what a message of the bus looks like to those who only read it. It brings no client: whoever imports it can reach
// nothing.
package stored

import (
	"errors"
	"time"
)

// The streams.
const (
	// Alerts keeps what Alertmanager sent, in the order in which it was stored.
	Alerts = "ALERTS"
	// Incidents keeps every incident's record, one subject each.
	Incidents = "INCIDENTS"
)

// ErrConflict says that somebody else appended first: read the record again.
var ErrConflict = errors.New("conflict: the record has moved on")

// ErrNotFound says that nothing is kept under that name.
var ErrNotFound = errors.New("not found")

// Msg is one stored message.
type Msg struct {
	Subject string
	// Seq is its place in the stream: it grows, and is never used again.
	Seq  uint64
	Data []byte
	// At is when the bus stored it.
	At time.Time
}
