package recordings

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/nats-io/nats.go"
)

// Prefix is what the subject of every replay begins with.
const Prefix = "replay."

// The headers of a replayed message: of which incident it is, and its place in the record.
const (
	HeaderIncident = "Firebreak-Replay"
	HeaderSeq      = "Firebreak-Original-Seq"
)

// maxMessage bounds what is asked to be told again.
const maxMessage = 8 << 20

// Message is one message of a record, and where it is to be told again.
type Message struct {
	Subject  string          `json:"subject"`
	Incident incidents.ID    `json:"incident"`
	Seq      uint64          `json:"seq"`
	At       time.Time       `json:"at"`
	Events   json.RawMessage `json:"events"`
}

// Replayed is what goes out. It is an object with this mark first: a record of ours is a list, and a delivery of alerts begins with its
// version, so no reader of ours can take one for the other, on whatever subject or stream it finds it.
type Replayed struct {
	Mark   Mark            `json:"firebreak_replay"`
	Events json.RawMessage `json:"events"`
}

// Mark says that a message is of the past.
type Mark struct {
	Incident incidents.ID `json:"incident"`
	Seq      uint64       `json:"seq"`
	At       time.Time    `json:"at"`
	Words    string       `json:"words"`
}

const markWords = "a replay of the past: nothing may act on it"

// CheckSubject says what is wrong with a subject for replays; nil if it is one.
func CheckSubject(subject string) error {
	if !strings.HasPrefix(subject, Prefix) {
		return fmt.Errorf("%q: a replay goes to a subject that begins with %q, which nothing of ours reads", subject, Prefix)
	}
	if len(subject) > 200 || !regexp.MustCompile(`^replay(\.[A-Za-z0-9_-]+)+$`).MatchString(subject) {
		return fmt.Errorf("%q is no subject: write words of letters, digits, - and _ with a dot between them", subject)
	}
	return nil
}

// replay tells one message again.
func (a *api) replay(w http.ResponseWriter, r *http.Request) error {
	who, err := a.operator(r)
	if err != nil {
		return err
	}
	var m Message
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxMessage))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return refusal{http.StatusBadRequest, "the message cannot be read: " + err.Error()}
	}
	if err := CheckSubject(m.Subject); err != nil {
		return refusal{http.StatusUnprocessableEntity, err.Error()}
	}
	if _, err := incidents.ParseID(string(m.Incident)); err != nil {
		return err
	}
	if _, err := incidents.Decode(m.Events); err != nil {
		return refusal{http.StatusUnprocessableEntity, err.Error()}
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(Replayed{Mark: Mark{Incident: m.Incident, Seq: m.Seq, At: m.At, Words: markWords}, Events: m.Events}); err != nil {
		return refusal{http.StatusUnprocessableEntity, err.Error()}
	}
	if err := a.tell(r.Context(), m, bytes.TrimSuffix(out.Bytes(), []byte("\n"))); err != nil {
		return err
	}
	a.Log.Debug().Str("order", "replay").Str("by", who).Str("incident", m.Incident.String()).Uint64("message", m.Seq).Str("subject", m.Subject).
		Msg("a message of the past was told again")
	answer(w, http.StatusCreated, map[string]string{"subject": m.Subject})
	return nil
}

// tell publishes without asking for an acknowledgement of a stream: none of ours takes it.
func (a *api) tell(ctx context.Context, m Message, data []byte) error {
	nc := a.Bus.JetStream().Conn()
	msg := &nats.Msg{Subject: m.Subject, Data: data, Header: nats.Header{
		HeaderIncident: {m.Incident.String()}, HeaderSeq: {strconv.FormatUint(m.Seq, 10)}}}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	err := nc.PublishMsg(msg)
	if errors.Is(err, nats.ErrMaxPayload) {
		return refusal{http.StatusRequestEntityTooLarge, "the message is larger than one of the bus can be"}
	}
	if err == nil {
		err = nc.FlushWithContext(ctx)
	}
	if err != nil {
		return fmt.Errorf("tell message %d again: %w", m.Seq, err)
	}
	return nil
}
