package fakeslack

import (
	"context"
	"encoding/json"
	"time"
)

// envelope is one try to deliver over one connection.
type envelope struct {
	id       string
	delivery *Delivery
	sent     time.Time
	// acked is closed by the ack.
	acked chan struct{}
}

// deliverSocket sends an interaction over one connection, and over others as often as the workspace retries.
func (s *Server) deliverSocket(ctx context.Context, d *Delivery) {
	var tried []*socket
	for attempt := 0; attempt <= s.config.Socket.Retries; attempt++ {
		k, e, err := s.dispatch(d, attempt, &tried)
		if err != nil {
			s.lose(d, err.Error())
			return
		}
		if s.await(ctx, k, e) {
			return
		}
	}
	s.lose(d, "no ack in time")
}

// dispatch writes an envelope to a connection that takes it.
func (s *Server) dispatch(d *Delivery, attempt int, tried *[]*socket) (*socket, *envelope, error) {
	for {
		k, err := s.pick(*tried)
		if err != nil {
			return nil, nil, err
		}
		*tried = append(*tried, k)
		e := s.seal(d)
		frame := object{
			"type": "interactive", "envelope_id": e.id, "payload": json.RawMessage(d.Payload),
			"accepts_response_payload": d.Kind == "view_submission",
		}
		if attempt > 0 {
			frame["retry_attempt"], frame["retry_reason"] = attempt, "timeout"
		}
		if k.send(frame) == nil {
			return k, e, nil
		}
		// It died before it took the envelope: nobody has seen it, so another one may have it. Wait until it is off the list.
		k.cut()
		<-k.gone
	}
}

// seal makes an envelope, to be acked from now on.
func (s *Server) seal(d *Delivery) *envelope {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sockets.pending == nil {
		s.sockets.pending = map[string]*envelope{}
	}
	e := &envelope{id: "envelope-" + s.exchange.number(), delivery: d, sent: time.Now(), acked: make(chan struct{})}
	s.sockets.pending[e.id] = e
	d.Envelopes = append(d.Envelopes, e.id)
	return e
}

// await waits for the ack of an envelope while its connection lives and its time is not over.
func (s *Server) await(ctx context.Context, k *socket, e *envelope) bool {
	timer := time.NewTimer(s.config.Interaction.AckWithin)
	defer timer.Stop()
	select {
	case <-e.acked:
		return true
	case <-k.gone:
	case <-timer.C:
	case <-ctx.Done():
	case <-s.done:
	}
	select {
	case <-e.acked: // it came in the same moment
		return true
	default:
		return false
	}
}

func (s *Server) lose(d *Delivery, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !d.Acked {
		d.Lost = why
		s.touch()
	}
}

// acked takes a frame of the app.
func (s *Server) acked(text []byte) {
	var ack struct {
		EnvelopeID string          `json:"envelope_id"`
		Payload    json.RawMessage `json:"payload"`
	}
	bad := len(text) >= maxAck || json.Unmarshal(text, &ack) != nil
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.sockets.pending[ack.EnvelopeID]
	if bad || !ok {
		s.sockets.strange++
		s.touch()
		return
	}
	delete(s.sockets.pending, e.id)
	close(e.acked)
	s.answered(e.delivery, time.Since(e.sent), true, ack.Payload)
}
