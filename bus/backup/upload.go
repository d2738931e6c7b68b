package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// storedWithin is how long the server may take, behind the last byte, until the stream is there, on all its copies.
const storedWithin = 5 * time.Minute

type restoreRequest struct {
	Config json.RawMessage    `json:"config"`
	State  server.StreamState `json:"state"`
}

type restoreResponse struct {
	Error          *jetstream.APIError `json:"error"`
	DeliverSubject string              `json:"deliver_subject"`
}

type restored struct {
	Error *jetstream.APIError `json:"error"`
	State struct {
		Messages uint64 `json:"messages"`
		Last     uint64 `json:"last_seq"`
	} `json:"state"`
}

// upload has the server make a stream of a part, with so many copies. A part of a stream can be there after an error.
func upload(ctx context.Context, nc *nats.Conn, p Part, replicas int, part io.Reader) error {
	config, err := passing(p.Config, replicas)
	if err != nil {
		return fmt.Errorf("restore %s: %w", p.Stream, err)
	}
	ask, err := json.Marshal(restoreRequest{Config: config, State: ahead(*p.State)})
	if err != nil {
		return fmt.Errorf("restore %s: %w", p.Stream, err)
	}
	var said restoreResponse
	if err := request(ctx, nc, "$JS.API.STREAM.RESTORE."+p.Stream, ask, &said); err != nil {
		return fmt.Errorf("restore %s: %w", p.Stream, err)
	}
	switch {
	case said.Error != nil:
		return fmt.Errorf("restore %s: %w", p.Stream, said.Error)
	case said.DeliverSubject == "":
		return fmt.Errorf("restore %s: the server does not say where it takes it", p.Stream)
	}
	state, done, err := send(ctx, nc, said.DeliverSubject, part, *p.State)
	if err != nil {
		return fmt.Errorf("restore %s: %w", p.Stream, err)
	}
	// What has passed its age meanwhile goes at once, so there can be fewer messages. Never a smaller sequence.
	if done.State.Last != state.LastSeq || done.State.Messages > p.Messages {
		return fmt.Errorf("restore %s: the server has %d messages up to %d, and the backup %d up to %d", p.Stream,
			done.State.Messages, done.State.Last, p.Messages, state.LastSeq)
	}
	return nil
}

// passing is a stream's configuration while it is restored: with so many copies, and without limits, which belong to where it was.
// Whoever opens the stream afterwards gives it those of the policy.
func passing(config json.RawMessage, replicas int) (json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(config, &fields); err != nil {
		return nil, fmt.Errorf("read its configuration: %w: %w", ErrDamaged, err)
	}
	fields["num_replicas"] = json.RawMessage(fmt.Sprint(replicas))
	fields["max_bytes"], fields["max_age"] = json.RawMessage("-1"), json.RawMessage("0")
	delete(fields, "placement") // it names nodes of where it was
	return json.Marshal(fields)
}

// send sends a part, rewritten, chunk by chunk.
func send(ctx context.Context, nc *nats.Conn, to string, part io.Reader, state server.StreamState) (server.StreamState, restored, error) {
	pr, pw := io.Pipe()
	type rewritten struct {
		state server.StreamState
		err   error
	}
	made := make(chan rewritten, 1)
	go func() {
		s, err := rewrite(pw, part, state)
		_ = pw.CloseWithError(err)
		made <- rewritten{s, err}
	}()
	err := sendChunks(ctx, nc, to, pr)
	_ = pr.CloseWithError(errors.Join(err, io.ErrClosedPipe)) // the other side ends, whatever it is at
	was := <-made                                             // it reads the part, which nobody else may do before
	if err != nil {
		return was.state, restored{}, err
	}
	if was.err != nil {
		return was.state, restored{}, was.err
	}
	var done restored
	m, err := ask(ctx, nc, to, nil, storedWithin)
	if err != nil {
		return was.state, done, err
	}
	if err := json.Unmarshal(m.Data, &done); err != nil {
		return was.state, done, fmt.Errorf("decode the server's answer: %w", err)
	}
	if done.Error != nil {
		return was.state, done, done.Error
	}
	return was.state, done, nil
}

func sendChunks(ctx context.Context, nc *nats.Conn, to string, r io.Reader) error {
	buf := make([]byte, chunkSize)
	for {
		n, err := io.ReadFull(r, buf)
		if n > 0 {
			m, err := ask(ctx, nc, to, buf[:n], requestWithin)
			if err != nil {
				return err
			}
			if len(m.Data) > 0 {
				return refused(m.Data)
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// heardWithin is how long it may take until all nodes of a cluster know where a part is taken: the node that answers says so before its
// neighbours have heard of it. What nobody takes has reached nobody, so it is sent again.
const heardWithin = 5 * time.Second

func ask(ctx context.Context, nc *nats.Conn, to string, data []byte, within time.Duration) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for began := time.Now(); ; {
		m, err := nc.RequestWithContext(ctx, to, data)
		if !errors.Is(err, nats.ErrNoResponders) || time.Since(began) > heardWithin {
			return m, err
		}
		again := time.NewTimer(50 * time.Millisecond)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return nil, err
		}
	}
}

// refused is what the server says of a chunk that it does not take.
func refused(answer []byte) error {
	var said restored
	if err := json.Unmarshal(answer, &said); err != nil || said.Error == nil {
		return fmt.Errorf("the server does not take it: %q", answer)
	}
	return said.Error
}
