package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A copy of a stream that is behind mostly is so for milliseconds. One that still is after all of these is ill.
const (
	behindTries = 50
	behindPause = 20 * time.Millisecond
)

// errBehind says that a copy of the stream does not have yet what was acknowledged.
var errBehind = errors.New("the copy of the stream that answered is behind")

// lastWithin bounds asking for the last message where the caller does not.
const lastWithin = 5 * time.Second

// Last is the newest message of a subject, which may end in a wildcard. [ErrNotFound] if there is none. What was acknowledged before
// is seen.
func (b *Bus) Last(ctx context.Context, stream, subject string) (Msg, error) {
	s, err := b.stream(stream)
	if err != nil {
		return Msg{}, err
	}
	m, err := b.last(ctx, s, subject)
	if err != nil {
		return Msg{}, err
	}
	return Msg{Subject: m.Subject, Seq: m.Sequence, Data: m.Data, At: m.Time}, nil
}

// last asks the stream's leader where there are several copies: any of them answers what is asked directly, and one that is behind
// says that something is not there which is. Who believed that would take an open record for none.
func (b *Bus) last(ctx context.Context, s jetstream.Stream, subject string) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := context.WithTimeout(ctx, lastWithin)
	defer cancel()
	var m *jetstream.RawStreamMsg
	var err error
	if b.cfg.Replicas > 1 {
		m, err = b.askLeader(ctx, s.CachedInfo().Config.Name, subject)
	} else {
		m, err = s.GetLastMsgForSubject(ctx, subject)
	}
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("last message of %s: %w", subject, err)
	}
	return m, nil
}

// askLeader is by hand, since the library always takes the direct way if the stream allows it, which reading records needs.
func (b *Bus) askLeader(ctx context.Context, stream, subject string) (*jetstream.RawStreamMsg, error) {
	ask, err := json.Marshal(map[string]string{"last_by_subj": subject})
	if err != nil {
		return nil, err
	}
	// While leaders change a request can get lost, and nothing would ever end the wait of a caller without a time limit.
	ctx, cancel := context.WithTimeout(ctx, lastWithin)
	defer cancel()
	answer, err := b.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+stream, ask)
	if err != nil {
		return nil, err
	}
	var got struct {
		Error   *jetstream.APIError `json:"error"`
		Message *struct {
			Subject string    `json:"subject"`
			Seq     uint64    `json:"seq"`
			Header  []byte    `json:"hdrs"`
			Data    []byte    `json:"data"`
			Time    time.Time `json:"time"`
		} `json:"message"`
	}
	if err := json.Unmarshal(answer.Data, &got); err != nil {
		return nil, fmt.Errorf("decode the answer: %w", err)
	}
	switch {
	case got.Error != nil && got.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return nil, jetstream.ErrMsgNotFound
	case got.Error != nil:
		return nil, got.Error
	case got.Message == nil:
		return nil, errCutOff
	}
	m := &jetstream.RawStreamMsg{Subject: got.Message.Subject, Sequence: got.Message.Seq, Data: got.Message.Data, Time: got.Message.Time}
	if len(got.Message.Header) > 0 {
		if m.Header, err = nats.DecodeHeadersMsg(got.Message.Header); err != nil {
			return nil, fmt.Errorf("decode the answer's headers: %w", err)
		}
	}
	return m, nil
}

// behind says whether a record goes on at or after a sequence, though the copy that was read ends there.
func (b *Bus) behind(ctx context.Context, stream, subject string, from uint64) (bool, error) {
	if b.cfg.Replicas <= 1 {
		return false, nil // the only copy
	}
	last, err := b.Last(ctx, stream, subject)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil && last.Seq >= from, err
}
