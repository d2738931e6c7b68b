package slack

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"github.com/rs/zerolog"
	slackgo "github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"
)

const (
	// maxFrame bounds one message of the socket.
	maxFrame = 1 << 20
	// pingWithin is how long the socket may be silent before it counts as dead. Slack pings every few seconds.
	pingWithin = 30 * time.Second
	// reconnectAfter is how long after the library gave up a connection is tried again, and after a refusal of the app.
	reconnectAfter = time.Second
	refusedAfter   = time.Minute
	// freshAfter is how long a client of the library may try in vain: its pauses grow to five minutes, and people wait.
	freshAfter = 2 * time.Minute
	// oftenIn and oftenAtMost say when connections are made too often: Slack ends those that are too many at once, and the library makes
	// the next one without a pause.
	oftenIn     = 20 * time.Second
	oftenAtMost = 5
	// inHand bounds how many envelopes are answered at once.
	inHand = 16
)

// socket takes presses over Socket Mode. Each comes over one connection of one replica, so every replica can decide it.
type socket struct {
	client    *client
	tls       *tls.Config // nil: the system's
	clicks    *clicks
	metrics   *Metrics
	log       zerolog.Logger
	connected atomic.Bool
}

// run stays connected until ctx ends. The library reconnects by itself, but for errors that it takes for final; nothing is final here.
func (s *socket) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.connect(ctx)
		s.set(false)
		if ctx.Err() != nil {
			return
		}
		wait := reconnectAfter
		if errors.Is(err, errTooOften) {
			wait = oftenIn
		}
		e := judge("apps.connections.open", err)
		e.cause = s.client.clean(e.cause)
		if e.outcome == badAccount {
			wait = refusedAfter
			s.log.Error().Str("words", e.Error()).Msg("slack refuses the app token: nobody can answer there until this is mended")
		} else {
			s.log.Warn().Str("words", e.Error()).Msg("the connection to slack ended; it is made again")
		}
		if sleep(ctx, wait) != nil {
			return
		}
	}
}

func (s *socket) set(connected bool) {
	s.connected.Store(connected)
	s.metrics.connected.Set(map[bool]float64{true: 1}[connected])
}

// connect runs one client of the library until it ends.
func (s *socket) connect(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	mode := socketmode.New(s.client.api, socketmode.OptionReadLimit(maxFrame), socketmode.OptionPingInterval(pingWithin),
		socketmode.OptionDialer(&websocket.Dialer{Proxy: http.ProxyFromEnvironment, HandshakeTimeout: callTimeout, TLSClientConfig: s.tls.Clone()}))
	var wg sync.WaitGroup
	var stopped error
	wg.Go(func() {
		defer cancel()
		stopped = s.listen(ctx, mode)
	})
	err := mode.RunContext(ctx) // it never ends without an error
	cancel()
	wg.Wait()
	if stopped != nil {
		return stopped
	}
	return err
}

// Why a client is given up, and another one made.
var (
	errTooOften = errors.New("connections are made and ended again and again: there may be too many replicas, Slack allows ten")
	errInVain   = errors.New("no connection for a while: starting afresh")
)

// listen takes what comes over the connections of one client, and waits for all that it began. An error says that the client is to be
// given up.
func (s *socket) listen(ctx context.Context, mode *socketmode.Client) error {
	room := make(chan struct{}, inHand)
	fresh := time.NewTicker(freshAfter)
	defer fresh.Stop()
	var made []time.Time
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-fresh.C:
			if !s.connected.Load() {
				return errInVain
			}
		case e := <-mode.Events:
			if e.Type == socketmode.EventTypeConnected {
				if made = append(made, time.Now()); len(made) > oftenAtMost {
					if made = made[1:]; time.Since(made[0]) < oftenIn {
						return errTooOften
					}
				}
			}
			envelope, ok := s.notice(e)
			if !ok {
				continue
			}
			select {
			case room <- struct{}{}:
			case <-ctx.Done():
				return nil
			}
			wg.Go(func() {
				defer func() { <-room }()
				s.answer(ctx, mode, envelope)
			})
		}
	}
}

// notice follows how the connection is, and picks out what must be answered.
func (s *socket) notice(e socketmode.Event) (envelope, bool) {
	switch e.Type {
	case socketmode.EventTypeHello:
		s.set(true)
	case socketmode.EventTypeConnecting, socketmode.EventTypeDisconnect:
		s.set(false)
	case socketmode.EventTypeConnectionError:
		if failed, ok := e.Data.(*slackgo.ConnectionErrorEvent); ok {
			s.log.Warn().AnErr("error", s.client.clean(failed.ErrorObj)).Dur("again_in", failed.Backoff).Msg("connecting to slack failed")
		}
	case socketmode.EventTypeErrorBadMessage:
		// What the library cannot read whole can still be a press: we need only a part of it.
		if bad, ok := e.Data.(*socketmode.ErrorBadMessage); ok {
			return unseal(bad.Message)
		}
	}
	if e.Request != nil && e.Request.EnvelopeID != "" {
		return envelope{ID: e.Request.EnvelopeID, Type: e.Request.Type, Payload: e.Request.Payload}, true
	}
	return envelope{}, false
}

// envelope is one thing that Slack wants an ack for.
type envelope struct {
	ID      string          `json:"envelope_id"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload"`
}

func unseal(frame []byte) (envelope, bool) {
	var e envelope
	if json.Unmarshal(frame, &e) != nil || e.ID == "" {
		return envelope{}, false
	}
	return e, true
}

// answer acks what was taken. What was not is not acked, so that whoever pressed sees a warning.
func (s *socket) answer(ctx context.Context, mode *socketmode.Client, e envelope) {
	var body any
	if e.Type == socketmode.RequestTypeInteractive {
		v := s.clicks.take(ctx, e.Payload)
		if v.status != http.StatusOK {
			return
		}
		if v.body != nil {
			body = json.RawMessage(v.body)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, ackWithin)
	defer cancel()
	if err := mode.AckCtx(ctx, e.ID, body); err != nil {
		s.log.Warn().Err(s.client.clean(err)).Msg("an answer could not be acknowledged; it was taken all the same")
	}
}
