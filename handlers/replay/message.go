package replay

import (
	"fmt"
	"time"

	"github.com/firebreak-sre/firebreak/bus/stored"
	"github.com/firebreak-sre/firebreak/incidents"
)

// Message is one message of an incident's record: events that were stored as one.
type Message struct {
	ID     incidents.ID      `json:"id"`
	Seq    uint64            `json:"seq"`
	At     time.Time         `json:"at"`
	Events []incidents.Event `json:"events"`
}

// Read is a stored message of the incidents' stream.
func Read(m stored.Msg) (Message, error) {
	id, err := incidents.IDOfSubject(m.Subject)
	if err != nil {
		return Message{}, fmt.Errorf("read message %d: %w", m.Seq, err)
	}
	events, err := incidents.Decode(m.Data)
	if err != nil {
		return Message{}, fmt.Errorf("read message %d of incident %s: %w", m.Seq, id, err)
	}
	return Message{ID: id, Seq: m.Seq, At: m.At, Events: events}, nil
}
