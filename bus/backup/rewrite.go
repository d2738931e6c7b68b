package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/s2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats-server/v2/server/archive"
)

const (
	// Ahead is how far the sequences of a restored stream are set forward. What was stored between the backup and the loss had sequences
	// too, and people, chats and services remember them: none must come again for something else. A stream to which more than that was
	// written meanwhile would repeat some. It is small enough to cost nothing.
	Ahead = 1 << 20

	// maxReaders and maxReader bound the readers of a stream, in number and in bytes each.
	maxReaders = 1000
	maxReader  = 1 << 20
)

// rewrite copies a snapshot with its sequences set forward, and without readers that were somebody's for a moment. It says what the stream
// will be.
func rewrite(w io.Writer, r io.Reader, state server.StreamState) (server.StreamState, error) {
	in := archive.NewReader(s2.NewReader(r))
	h, err := in.Next()
	if err != nil || h.Name != stateName {
		return state, fmt.Errorf("%w: it does not begin with its state: %w", ErrDamaged, err)
	}
	readers, next, err := durable(in)
	if err != nil {
		return state, err
	}
	state = ahead(state)
	state.Consumers = len(readers)
	text, err := json.Marshal(state)
	if err != nil {
		return state, err
	}
	compressed := s2.NewWriter(w)
	out := archive.NewWriter(compressed)
	first := entry{archive.Header{Name: stateName, Timestamp: h.Timestamp, PayloadSize: int64(len(text))}, text}
	for _, e := range append([]entry{first}, readers...) {
		if err := e.write(out); err != nil {
			return state, err
		}
	}
	if err := copyMessages(out, in, next); err != nil {
		return state, err
	}
	return state, errors.Join(out.Close(), compressed.Close())
}

// ahead is a state with its sequences set forward.
func ahead(s server.StreamState) server.StreamState {
	s.LastSeq += Ahead
	if s.Msgs == 0 {
		s.FirstSeq = s.LastSeq + 1
	}
	return s
}

// entry is one of a snapshot that is in memory.
type entry struct {
	header archive.Header
	data   []byte
}

func (e entry) write(out *archive.Writer) error {
	if err := out.WriteHeader(&e.header); err != nil {
		return err
	}
	_, err := out.Write(e.data)
	return err
}

// durable are the readers that go along, and the header of what follows them.
func durable(in *archive.Reader) (keep []entry, next *archive.Header, err error) {
	for n := 0; ; n++ {
		h, err := in.Next()
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if h.Sequence != 0 || isEnd(h) {
			return keep, h, nil
		}
		if n == maxReaders || h.HeaderSize != 0 || h.PayloadSize > maxReader {
			return nil, nil, fmt.Errorf("%w: too many readers, or one that is too large", ErrDamaged)
		}
		data, err := io.ReadAll(io.LimitReader(in, h.PayloadSize))
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		var reader struct {
			Config struct {
				Durable string `json:"durable_name"`
			} `json:"config"`
		}
		if err := json.Unmarshal(data, &reader); err != nil {
			return nil, nil, fmt.Errorf("%w: %s: %w", ErrDamaged, h.Name, err)
		}
		if reader.Config.Durable != "" {
			keep = append(keep, entry{*h, data})
		}
	}
}

// copyMessages copies from the entry at hand to the end.
func copyMessages(out *archive.Writer, in *archive.Reader, h *archive.Header) error {
	for {
		if err := out.WriteHeader(h); err != nil {
			return err
		}
		if isEnd(h) {
			return nil
		}
		// The writer takes exactly as much as the header says, and its end finds out if it was less.
		if _, err := io.CopyN(out, in, h.HeaderSize+h.PayloadSize); err != nil {
			return fmt.Errorf("%w: message %d: %w", ErrDamaged, h.Sequence, err)
		}
		var err error
		if h, err = in.Next(); err != nil {
			return fmt.Errorf("%w: it has no end: %w", ErrDamaged, err)
		}
	}
}
