package fakeslack

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// maxPostText is where the text of a new message is cut off, maxUpdateText where an update is refused. In characters.
	maxPostText   = 40_000
	maxUpdateText = 4_000
	// maxMetadata is the size of metadata as JSON, in bytes. Slack names no number; this one is on the strict side.
	maxMetadata = 8 << 10
)

// target is a channel that the app may post to.
func (s *Server) target(id string) (Channel, error) {
	c, ok := s.workspace.channel(id)
	if !ok {
		// Names are accepted for posting only, and not liked. Updates want the id.
		c, ok = s.workspace.channelNamed(id)
	}
	switch {
	case !ok || c.Private && !c.Member:
		return c, refusal{code: "channel_not_found"}
	case !c.Member && !s.config.may("chat:write.public"):
		return c, refusal{code: "not_in_channel"}
	case c.Archived:
		return c, refusal{code: "is_archived"}
	}
	return c, nil
}

// content is what a new version of a message says.
func (s *Server) content(a args) (Version, error) {
	v := Version{At: s.config.Now(), Text: a.str("text")}
	var err error
	if v.Blocks, err = checkBlocks(a.str("blocks"), messageSurface, s.board.nextTS(v.At)); err != nil {
		return v, err
	}
	if v.Metadata, err = checkMetadata(a.str("metadata")); err != nil {
		return v, err
	}
	if attachments := a.str("attachments"); attachments != "" {
		var list []json.RawMessage
		if json.Unmarshal([]byte(attachments), &list) != nil {
			return v, refusal{code: "invalid_attachments"}
		}
		if len(list) > 100 {
			return v, refusal{code: "too_many_attachments"}
		}
		v.Attachments = json.RawMessage(attachments)
	}
	return v, nil
}

func (v Version) empty() bool {
	return strings.TrimSpace(v.Text) == "" && len(v.Blocks) == 0 && len(v.Attachments) == 0
}

func checkMetadata(raw string) (*Metadata, error) {
	if raw == "" || raw == "{}" {
		return nil, nil
	}
	if len(raw) > maxMetadata {
		return nil, refusal{code: "metadata_too_large"}
	}
	var m Metadata
	if json.Unmarshal([]byte(raw), &m) != nil {
		return nil, refusal{code: "invalid_metadata_format"}
	}
	if m.EventType == "" || m.EventPayload == nil {
		return nil, refusal{code: "invalid_metadata_schema"}
	}
	return &m, nil
}

func (s *Server) postMessage(a args) (object, error) {
	channel, err := s.target(a.str("channel"))
	if err != nil {
		return nil, err
	}
	v, err := s.content(a)
	if err != nil {
		return nil, err
	}
	if v.empty() {
		return nil, refusal{code: "no_text"}
	}
	if wait := s.brakes.crowded(channel.ID, s.config.Limits.Burst, s.config.Now()); wait > 0 && !s.config.Limits.Off {
		return nil, limitedError{wait}
	}
	answer := object{}
	if utf8.RuneCountInString(v.Text) > maxPostText {
		v.Text = string([]rune(v.Text)[:maxPostText])
		answer["warning"] = "message_truncated"
		answer["response_metadata"] = object{"warnings": []string{"message_truncated"}}
	}
	m := s.post(channel.ID, a, v)
	answer["channel"], answer["ts"], answer["message"] = m.Channel, m.TS, s.wire(m, true)
	return answer, nil
}

// post keeps a message of the app. A reply to a message that is gone is posted without a thread.
func (s *Server) post(channel string, a args, v Version) *Message {
	m := &Message{
		Channel: channel, User: s.config.App.UserID, ClientMsgID: a.str("client_msg_id"), TS: s.board.nextTS(v.At), Versions: []Version{v},
	}
	if root, ok := s.board.find(channel, a.str("thread_ts")); ok {
		m.ThreadTS = root.TS
		if root.ThreadTS != "" {
			m.ThreadTS = root.ThreadTS
		}
		m.Broadcast = a.flag("reply_broadcast")
	}
	s.board.messages = append(s.board.messages, m)
	return m
}

func (s *Server) postEphemeral(a args) (object, error) {
	channel, err := s.target(a.str("channel"))
	if err != nil {
		return nil, err
	}
	user, ok := s.workspace.user(a.str("user"))
	switch {
	case !channel.Member:
		return nil, refusal{code: "channel_not_found"}
	case !ok || user.Deleted:
		return nil, refusal{code: "user_not_in_channel"}
	}
	v, err := s.content(a)
	if err != nil {
		return nil, err
	}
	if v.empty() {
		return nil, refusal{code: "no_text"}
	}
	m := s.post(channel.ID, a, v)
	m.EphemeralTo = user.ID
	return object{"message_ts": m.TS}, nil
}

// mine is a message that the app may change.
func (s *Server) mine(a args, cannot string) (*Message, error) {
	channel, ok := s.workspace.channel(a.str("channel"))
	if !ok || channel.Private && !channel.Member {
		return nil, refusal{code: "channel_not_found"}
	}
	m, ok := s.board.find(channel.ID, a.str("ts"))
	switch {
	case !ok:
		return nil, refusal{code: "message_not_found"}
	case m.User != s.config.App.UserID:
		return nil, refusal{code: cannot}
	case channel.Archived:
		return nil, refusal{code: "is_inactive"}
	}
	return m, nil
}

// updateMessage adds a version. What the call leaves out stays: a new text alone keeps the old blocks, and their buttons.
func (s *Server) updateMessage(a args) (object, error) {
	m, err := s.mine(a, "cant_update_message")
	if err != nil {
		return nil, err
	}
	window := s.workspace.EditWindow
	if window > 0 && s.config.Now().Sub(m.Versions[0].At) > window {
		return nil, refusal{code: "edit_window_closed"}
	}
	if utf8.RuneCountInString(a.str("text")) > maxUpdateText {
		return nil, refusal{code: "msg_too_long"}
	}
	v, err := s.content(a)
	if err != nil {
		return nil, err
	}
	old := m.Latest()
	if !a.has("blocks") {
		v.Blocks = old.Blocks
	}
	if !a.has("attachments") {
		v.Attachments = old.Attachments
	}
	if !a.has("metadata") {
		v.Metadata = old.Metadata
	}
	if !a.has("text") && !a.has("blocks") && !a.has("attachments") || v.empty() {
		return nil, refusal{code: "no_text"}
	}
	m.Versions = append(slices.Clone(m.Versions), v)
	return object{"channel": m.Channel, "ts": m.TS, "text": v.Text, "message": s.wire(m, true)}, nil
}

func (s *Server) deleteMessage(a args) (object, error) {
	m, err := s.mine(a, "cant_delete_message")
	if err != nil {
		return nil, err
	}
	m.Deleted = true
	return object{"channel": m.Channel, "ts": m.TS}, nil
}

func (s *Server) permalink(a args) (object, error) {
	channel, ok := s.workspace.channel(a.str("channel"))
	if !ok {
		return nil, refusal{code: "channel_not_found"}
	}
	m, ok := s.board.find(channel.ID, a.str("message_ts"))
	if !ok {
		return nil, refusal{code: "message_not_found"}
	}
	link := "https://" + s.config.App.TeamDomain + ".slack.com/archives/" + channel.ID + "/p" + strings.ReplaceAll(m.TS, ".", "")
	if m.ThreadTS != "" {
		link += "?thread_ts=" + m.ThreadTS + "&cid=" + channel.ID
	}
	return object{"channel": channel.ID, "permalink": link}, nil
}
