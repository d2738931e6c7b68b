package fakeslack

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Call is one request to the Web API.
type Call struct {
	Method string
	At     time.Time
	// Channel and TS are what it was about, where it said so.
	Channel string
	TS      string
	// Accepted: it was carried out, whether or not the caller was told.
	Accepted bool
	// Answer is "ok", Slack's error code, or the fault that hit it.
	Answer string
}

// Calls are the requests to a method, oldest first; to all methods if it is empty.
func (s *Server) Calls(method string) []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	var calls []Call
	for _, c := range s.calls {
		if method == "" || c.Method == method {
			calls = append(calls, c)
		}
	}
	return calls
}

// Accepted counts the requests to a method that were carried out, also those whose answer was lost.
func (s *Server) Accepted(method string) int {
	n := 0
	for _, c := range s.Calls(method) {
		if c.Accepted {
			n++
		}
	}
	return n
}

// Posts counts accepted chat.postMessage, Updates accepted chat.update.
func (s *Server) Posts() int   { return s.Accepted("chat.postMessage") }
func (s *Server) Updates() int { return s.Accepted("chat.update") }

// Messages are what people see in a channel, replies too, oldest first.
func (s *Server) Messages(channel string) []Message {
	return s.collect(func(m *Message) bool { return m.Channel == channel && !m.Deleted && m.EphemeralTo == "" })
}

// Ephemerals are the messages that only one person saw, oldest first.
func (s *Server) Ephemerals(channel string) []Message {
	return s.collect(func(m *Message) bool { return m.Channel == channel && m.EphemeralTo != "" })
}

// Thread is a message and its replies, oldest first.
func (s *Server) Thread(ts string) []Message {
	return s.collect(func(m *Message) bool { return (m.TS == ts || m.ThreadTS == ts) && !m.Deleted && m.EphemeralTo == "" })
}

// Message is the message with a timestamp, deleted and ephemeral ones too.
func (s *Server) Message(ts string) (Message, bool) {
	found := s.collect(func(m *Message) bool { return m.TS == ts })
	if len(found) == 0 {
		return Message{}, false
	}
	return found[0], true
}

func (s *Server) collect(want func(*Message) bool) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Message
	for _, m := range s.board.messages {
		if want(m) {
			all = append(all, m.clone())
		}
	}
	return all
}

// Say posts a message by a person, as people do it: it costs nothing and is never refused for its rate.
func (s *Server) Say(channel, user, threadTS, text string) (Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.workspace.channel(channel); !ok {
		return Message{}, fmt.Errorf("say something: no channel %s", channel)
	}
	m := &Message{Channel: channel, User: user, ThreadTS: threadTS, TS: s.board.nextTS(s.config.Now())}
	m.Versions = []Version{{At: s.config.Now(), Text: text}}
	s.board.messages = append(s.board.messages, m)
	s.touch()
	return m.clone(), nil
}

// Delete removes a message as its channel's manager would.
func (s *Server) Delete(ts string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.board.messages, func(m *Message) bool { return m.TS == ts })
	if i < 0 {
		return fmt.Errorf("delete message: no message %s", ts)
	}
	s.board.messages[i].Deleted = true
	s.touch()
	return nil
}

// String draws a message for people: its text, and its buttons.
func (m Message) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "[%s %s] %s", m.Channel, m.TS, m.Latest().Text)
	for _, button := range m.Buttons() {
		fmt.Fprintf(&b, " (%s)", button.Text)
	}
	return b.String()
}
