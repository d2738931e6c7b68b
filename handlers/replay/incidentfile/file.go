package incidentfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/replay"
	"github.com/firebreak-sre/firebreak/incidents"
)

// Format is what every file says of itself, and Version the one that this build writes. It reads all lower ones.
const (
	Format  = "firebreak-incident"
	Version = 1
)

// File is one incident.
type File struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	// Build is the version of the program that wrote the file, at ExportedAt.
	Build      string    `json:"build"`
	ExportedAt time.Time `json:"exported_at"`

	ID      incidents.ID `json:"id"`
	Handler string       `json:"handler"`
	Target  string       `json:"target"`
	// Masked is what was taken out, and where.
	Masked []Masked `json:"masked,omitempty"`
	// Replayed is what a replay of the file came to when it was written. Nil: no policy was at hand to try it.
	Replayed *Replayed `json:"replayed,omitempty"`
	// Expect is what a policy must make of the incident, as people write it into the file. Nil: what was done at the time.
	Expect *Expect `json:"expect,omitempty"`
	// Messages are the record, in its order. They stand last, one a line.
	Messages []Message `json:"messages"`
}

// Message is one message of the record: events that were stored as one.
type Message struct {
	Seq uint64    `json:"seq"`
	At  time.Time `json:"at"`
	// Events are as they were stored: what this build does not know is kept.
	Events json.RawMessage `json:"events"`
}

// ErrPartial says that a record's beginning is no longer kept: nothing could be derived from it.
var ErrPartial = errors.New("the beginning of the record is no longer kept")

// Make makes a file of a record, with its secrets masked. The messages are all of one incident, in the order of the record.
func Make(id incidents.ID, build string, now time.Time, messages []Message) (File, error) {
	f := File{Format: Format, Version: Version, Build: build, ExportedAt: now.UTC(), ID: id, Handler: id.Handler()}
	m := newMasker()
	for i, msg := range messages {
		events, err := m.mask(fmt.Sprintf("messages[%d].events", i), msg.Events)
		if err != nil {
			return File{}, fmt.Errorf("read message %d of incident %s: %w", msg.Seq, id, err)
		}
		f.Messages = append(f.Messages, Message{Seq: msg.Seq, At: msg.At.UTC(), Events: events})
	}
	f.Masked = m.found
	if len(f.Messages) == 0 {
		return File{}, fmt.Errorf("incident %s: %w", id, ErrPartial)
	}
	first, err := incidents.Decode(f.Messages[0].Events)
	if err != nil {
		return File{}, fmt.Errorf("read message %d of incident %s: %w", f.Messages[0].Seq, id, err)
	}
	if first[0].Kind != incidents.Opened || first[0].Opening == nil {
		return File{}, fmt.Errorf("incident %s: %w", id, ErrPartial)
	}
	f.Target = first[0].Opening.Target
	return f, f.check()
}

// Records are the messages as a replay takes them.
func (f File) Records() ([]replay.Message, error) {
	all := make([]replay.Message, 0, len(f.Messages))
	for i, m := range f.Messages {
		events, err := incidents.Decode(m.Events)
		if err != nil {
			return nil, fmt.Errorf("messages[%d].events: %w", i, err)
		}
		all = append(all, replay.Message{ID: f.ID, Seq: m.Seq, At: m.At, Events: events})
	}
	return all, nil
}

// Write writes the file: what it is about in lines that people read, then one message a line.
func (f File) Write(w io.Writer) error {
	if len(f.Messages) == 0 {
		return fmt.Errorf("write incident %s: %w", f.ID, ErrPartial)
	}
	head := f
	head.Messages = nil
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(head); err != nil {
		return fmt.Errorf("write incident %s: %w", f.ID, err)
	}
	out.Truncate(bytes.LastIndex(out.Bytes(), []byte("null"))) // the last value is the list of no messages
	enc.SetIndent("", "")
	for i, m := range f.Messages {
		out.WriteString(map[bool]string{true: "[\n", false: ",\n"}[i == 0])
		if err := enc.Encode(m); err != nil {
			return fmt.Errorf("write message %d of incident %s: %w", m.Seq, f.ID, err)
		}
		out.Truncate(out.Len() - 1) // its line break
	}
	out.WriteString("\n]}\n")
	if out.Len() > MaxBytes {
		return fmt.Errorf("write incident %s: its file would have %d MB, and could not be read again: at most %d MB can", f.ID, out.Len()>>20, MaxBytes>>20)
	}
	if _, err := w.Write(out.Bytes()); err != nil {
		return fmt.Errorf("write incident %s: %w", f.ID, err)
	}
	return nil
}
