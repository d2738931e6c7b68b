package backup

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// maxTail bounds a tail, in messages. A bucket that is written to faster than it can be read has none.
const maxTail = 1 << 20

// line is one message of a tail.
type line struct {
	Subject string      `json:"subject"`
	Header  nats.Header `json:"header,omitempty"`
	Data    []byte      `json:"data,omitempty"`
}

type messageRequest struct {
	Seq  uint64 `json:"seq"`
	Next string `json:"next_by_subj"`
}

type messageResponse struct {
	Error   *jetstream.APIError `json:"error"`
	Message *struct {
		Subject string `json:"subject"`
		Seq     uint64 `json:"seq"`
		Header  []byte `json:"hdrs"`
		Data    []byte `json:"data"`
	} `json:"message"`
}

// tail writes all messages of a bucket behind a sequence to w, and says how many there are. A bucket forgets a key's value when the key is
// written again, also out of a snapshot that is under way. The new value has a higher sequence than the snapshot's last, so it is found here: a
// key that was there at the snapshot's moment is in the one or in the other. It is read from the stream's leader.
func tail(ctx context.Context, nc *nats.Conn, stream string, last uint64, w io.Writer) (n uint64, err error) {
	subjects, ok := isBucket(stream)
	if !ok {
		return 0, nil // records are never written again
	}
	enc := json.NewEncoder(w)
	for next := last + 1; n < maxTail; n++ {
		ask, err := json.Marshal(messageRequest{Seq: next, Next: subjects})
		if err != nil {
			return 0, fmt.Errorf("read on in %s: %w", stream, err)
		}
		var said messageResponse
		if err := request(ctx, nc, "$JS.API.STREAM.MSG.GET."+stream, ask, &said); err != nil {
			return 0, fmt.Errorf("read on in %s: %w", stream, err)
		}
		switch {
		case said.Error != nil && said.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
			return n, nil
		case said.Error != nil:
			return 0, fmt.Errorf("read on in %s: %w", stream, said.Error)
		case said.Message == nil || said.Message.Seq < next:
			return 0, fmt.Errorf("read on in %s: the server's answer makes no sense", stream)
		}
		l := line{Subject: said.Message.Subject, Data: said.Message.Data}
		if l.Header, err = kept(said.Message.Header); err != nil {
			return 0, fmt.Errorf("read on in %s: %w", stream, err)
		}
		if err := enc.Encode(l); err != nil {
			return 0, err
		}
		next = said.Message.Seq + 1
	}
	return 0, fmt.Errorf("read on in %s: it is written to faster than it can be read", stream)
}

// kept are the headers that mean the same wherever a message is stored. What the message was compared with does not.
func kept(raw []byte) (nats.Header, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	h, err := nats.DecodeHeadersMsg(raw)
	if err != nil {
		return nil, fmt.Errorf("decode headers: %w", err)
	}
	maps.DeleteFunc(h, func(name string, _ []string) bool {
		return strings.HasPrefix(name, "Nats-Expected-") || name == "Nats-Msg-Id" || name == "Nats-Batch-Id"
	})
	return h, nil
}

// publishTail stores the messages of a tail again, in their order.
func publishTail(ctx context.Context, js jetstream.JetStream, stream string, r io.Reader) error {
	subjects, _ := isBucket(stream)
	dec := json.NewDecoder(r)
	for {
		var l line
		err := dec.Decode(&l)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the tail of %s: %w: %w", stream, ErrDamaged, err)
		}
		if !strings.HasPrefix(l.Subject, strings.TrimSuffix(subjects, ">")) {
			return fmt.Errorf("read the tail of %s: %w: it holds a message of %q", stream, ErrDamaged, l.Subject)
		}
		m := &nats.Msg{Subject: l.Subject, Header: l.Header, Data: l.Data}
		if _, err := js.PublishMsg(ctx, m, jetstream.WithExpectStream(stream)); err != nil {
			return fmt.Errorf("store %s again: %w", l.Subject, err)
		}
	}
}
