package fakeslack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Press presses a button of what a message says now, and returns when the app has answered or its time is over. An error
// means that there is no such button, message or user; what the app made of it is in the delivery.
func (s *Server) Press(ctx context.Context, ts, actionID, user string) (Delivery, error) {
	payload, err := s.PressPayload(ts, actionID, user)
	if err != nil {
		return Delivery{}, err
	}
	return s.Deliver(ctx, payload)
}

// PressPayload is the block_actions payload of a press, with a fresh trigger and response URL, without sending it: to be
// forged, or changed and delivered.
func (s *Server) PressPayload(ts, actionID, user string) ([]byte, error) {
	return s.pressPayload(ts, actionID, user, func(m *Message) []Version { return m.Versions[len(m.Versions)-1:] })
}

// PressStale presses a button that an earlier version of a message had: the person's screen was behind.
func (s *Server) PressStale(ctx context.Context, ts, actionID, user string) (Delivery, error) {
	payload, err := s.pressPayload(ts, actionID, user, func(m *Message) []Version { return m.Versions })
	if err != nil {
		return Delivery{}, err
	}
	return s.Deliver(ctx, payload)
}

func (s *Server) pressPayload(ts, actionID, user string, of func(*Message) []Version) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.board.messages, func(m *Message) bool { return m.TS == ts && !m.Deleted })
	if i < 0 {
		return nil, fmt.Errorf("press %s: no message %s", actionID, ts)
	}
	m := s.board.messages[i]
	who, ok := s.workspace.user(user)
	if !ok {
		return nil, fmt.Errorf("press %s: no user %s", actionID, user)
	}
	for _, v := range slices.Backward(of(m)) {
		for _, b := range v.Buttons() {
			if b.ActionID == actionID {
				return json.Marshal(s.blockActions(m, b, who))
			}
		}
	}
	return nil, fmt.Errorf("press %s: message %s has no such button", actionID, ts)
}

// person is a user as payloads show it. The name is whatever the person chose.
func (s *Server) person(u User) object {
	return object{"id": u.ID, "username": u.Name, "name": u.Name, "team_id": s.teamOf(u)}
}

// frame is what all interaction payloads have.
func (s *Server) frame(kind string, u User) object {
	return object{
		"type": kind, "team": object{"id": s.config.App.TeamID, "domain": s.config.App.TeamDomain}, "user": s.person(u),
		"api_app_id": s.config.App.ID, "token": "deprecated-verification-token", "trigger_id": s.newTrigger(u.ID),
		"enterprise": nil, "is_enterprise_install": false,
	}
}

// blockActions is the payload of a press. The caller holds mu.
func (s *Server) blockActions(m *Message, b Button, u User) object {
	channel, _ := s.workspace.channel(m.Channel)
	container := object{"type": "message", "message_ts": m.TS, "channel_id": m.Channel, "is_ephemeral": m.EphemeralTo != ""}
	if m.ThreadTS != "" {
		container["thread_ts"] = m.ThreadTS
	}
	action := object{
		"type": "button", "action_id": b.ActionID, "block_id": b.BlockID, "action_ts": formatTS(s.config.Now().UnixMicro()),
		"text": object{"type": "plain_text", "text": b.Text, "emoji": true},
	}
	for name, value := range map[string]string{"value": b.Value, "style": b.Style, "url": b.Link} {
		if value != "" {
			action[name] = value
		}
	}
	payload := s.frame("block_actions", u)
	payload["container"], payload["channel"] = container, object{"id": channel.ID, "name": channel.Name}
	payload["message"], payload["state"] = s.wire(m, true), object{"values": object{}}
	payload["response_url"] = s.newResponse(m.Channel, m.TS, u.ID)
	payload["actions"] = []object{action}
	return payload
}

// pointers are the trigger and the response URL of a payload.
func pointers(payload []byte) (triggerID, responseURL string) {
	var p struct {
		TriggerID   string `json:"trigger_id"`
		ResponseURL string `json:"response_url"`
	}
	if json.Unmarshal(payload, &p) != nil {
		return "", ""
	}
	return p.TriggerID, p.ResponseURL
}

// Deliver sends a payload to the app as Slack does, signed or over a socket, and returns when the app has answered or its
// time is over.
func (s *Server) Deliver(ctx context.Context, payload []byte) (Delivery, error) {
	var p struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(payload, &p); err != nil {
		return Delivery{}, fmt.Errorf("deliver payload: %w", err)
	}
	s.mu.Lock()
	if s.closed || s.faults.down {
		defer s.mu.Unlock()
		return Delivery{}, s.away()
	}
	url, via := s.requestURL, "http"
	if url == "" {
		via = "socket"
	}
	d := s.begin(p.Type, payload, via)
	s.mu.Unlock()
	if via == "http" {
		s.deliverHTTP(ctx, d, url)
	} else {
		s.deliverSocket(ctx, d)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return d.clone(), nil
}

// ErrDown says that nobody can press anything: Slack is down.
var ErrDown = errors.New("slack is down")

// away is why nothing can be pressed. The caller holds mu.
func (s *Server) away() error {
	if s.closed {
		return ErrClosed
	}
	return ErrDown
}

// Redeliver sends a delivery once more: the same payload under a new signature, or in a new envelope. Slack has been seen
// doing that to sockets up to an hour later.
func (s *Server) Redeliver(ctx context.Context, id int) (Delivery, error) {
	all := s.Deliveries()
	if id < 1 || id > len(all) {
		return Delivery{}, fmt.Errorf("redeliver: no delivery %s", strconv.Itoa(id))
	}
	return s.Deliver(ctx, all[id-1].Payload)
}

// answered writes an answer down. The caller holds mu.
func (s *Server) answered(d *Delivery, after time.Duration, good bool, answer []byte) {
	if d.Acked {
		return
	}
	d.Acked, d.After, d.Answer, d.Lost = true, after, answer, ""
	d.InTime = good && after <= s.config.Interaction.AckWithin
	if d.Kind == "view_submission" && d.InTime {
		s.applySubmission(d.Payload, answer)
	}
	s.touch()
}
