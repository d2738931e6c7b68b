package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats-server/v2/server/archive"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// chunkSize is how much the server sends at once, and windowSize how much it sends before it waits for us.
	chunkSize  = 128 << 10
	windowSize = 2 << 20
	// silentFor is how long the server may say nothing in the middle of a snapshot.
	silentFor = 30 * time.Second
)

// taken is what is known of a snapshot.
type taken struct {
	config   json.RawMessage
	state    server.StreamState
	messages uint64
}

type snapshotRequest struct {
	DeliverSubject string `json:"deliver_subject"`
	NoConsumers    bool   `json:"no_consumers,omitempty"`
	ChunkSize      int    `json:"chunk_size"`
	WindowSize     int    `json:"window_size"`
}

type snapshotResponse struct {
	Error  *jetstream.APIError `json:"error"`
	Config json.RawMessage     `json:"config"`
	State  *server.StreamState `json:"state"`
}

// snapshot has the server write a stream to w. The stream is that of one moment, but that a key-value bucket lacks keys which were
// written again meanwhile: see [tail]. It is read while it passes: what the server says is whole must be.
func snapshot(ctx context.Context, nc *nats.Conn, stream string, readers bool, w io.Writer) (taken, error) {
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return taken{}, fmt.Errorf("take the snapshot of %s: %w", stream, err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	ask, err := json.Marshal(snapshotRequest{DeliverSubject: inbox, NoConsumers: !readers, ChunkSize: chunkSize, WindowSize: windowSize})
	if err != nil {
		return taken{}, fmt.Errorf("take the snapshot of %s: %w", stream, err)
	}
	var said snapshotResponse
	if err := request(ctx, nc, "$JS.API.STREAM.SNAPSHOT."+stream, ask, &said); err != nil {
		return taken{}, fmt.Errorf("take the snapshot of %s: %w", stream, err)
	}
	switch {
	case said.Error != nil:
		return taken{}, fmt.Errorf("take the snapshot of %s: %w", stream, said.Error)
	case said.State == nil || len(said.Config) == 0:
		return taken{}, fmt.Errorf("take the snapshot of %s: the server does not say what it holds", stream)
	}
	t := taken{config: said.Config, state: *said.State}
	if t.messages, err = receive(ctx, sub, t.state, w); err != nil {
		return taken{}, fmt.Errorf("take the snapshot of %s: %w", stream, err)
	}
	return t, nil
}

// receive copies what the server sends, and counts the messages in it.
func receive(ctx context.Context, sub *nats.Subscription, want server.StreamState, w io.Writer) (uint64, error) {
	pr, pw := io.Pipe()
	type counted struct {
		messages uint64
		err      error
	}
	done := make(chan counted, 1)
	go func() {
		n, err := count(pr, want)
		_ = pr.CloseWithError(err) // whoever writes on is told why nobody reads
		done <- counted{n, err}
	}()
	err := chunks(ctx, sub, io.MultiWriter(w, pw))
	_ = pw.CloseWithError(err) // nil is the end
	got := <-done
	if err == nil {
		err = got.err
	}
	return got.messages, err
}

// chunks copies chunk by chunk, each acknowledged when it is written, until the server says that this was all.
func chunks(ctx context.Context, sub *nats.Subscription, w io.Writer) error {
	for {
		m, err := nextChunk(ctx, sub)
		if err != nil {
			return err
		}
		if len(m.Data) == 0 {
			status := m.Header.Get("Status")
			if status != "" && status != "204" {
				return fmt.Errorf("the server gave up: %s %s", status, m.Header.Get("Description"))
			}
			return nil
		}
		if _, err := w.Write(m.Data); err != nil {
			return err
		}
		if m.Reply != "" {
			if err := m.Respond(nil); err != nil {
				return err
			}
		}
	}
}

func nextChunk(ctx context.Context, sub *nats.Subscription) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, silentFor, errors.New("the server stopped sending"))
	defer cancel()
	m, err := sub.NextMsgWithContext(ctx)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return m, err
}

// count reads a snapshot to its end, which it must have, and counts its messages.
func count(r io.Reader, want server.StreamState) (uint64, error) {
	ar := archive.NewReader(s2.NewReader(r))
	h, err := ar.Next()
	if err != nil || h.Name != stateName {
		return 0, fmt.Errorf("its format is not known; it takes a NATS server of version 2.15 or newer: %w", errors.Join(ErrForeign, err))
	}
	var n, last uint64
	for {
		h, err := ar.Next()
		switch {
		case err != nil:
			return 0, fmt.Errorf("it has no end: %w", err)
		case isEnd(h):
			_, err := io.Copy(io.Discard, r) // what is behind the end is only the end of the compression
			return n, err
		case h.Sequence == 0:
			continue // a reader
		case h.Sequence <= last || h.Sequence > want.LastSeq:
			return 0, fmt.Errorf("message %d is behind message %d, and the stream ends with %d", h.Sequence, last, want.LastSeq)
		}
		n, last = n+1, h.Sequence
	}
}

// stateName is the first entry of a snapshot.
const stateName = "state.json"

// isEnd says whether an entry says that nothing follows.
func isEnd(h *archive.Header) bool { return *h == archive.Header{} }

// requestWithin bounds one question to JetStream. It is long, since a cluster may have to elect a leader first.
const requestWithin = 30 * time.Second

// request asks JetStream and decodes the answer.
func request(ctx context.Context, nc *nats.Conn, subject string, question []byte, into any) error {
	m, err := ask(ctx, nc, subject, question, requestWithin)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(m.Data, into); err != nil {
		return fmt.Errorf("decode the server's answer: %w", err)
	}
	return nil
}
