package fakeslack

import (
	"slices"
	"strconv"
	"strings"
)

// wire is a message as the API shows it.
func (s *Server) wire(m *Message, metadata bool) object {
	v := m.Latest()
	w := object{"type": "message", "ts": m.TS, "user": m.User, "team": s.config.App.TeamID, "text": v.Text}
	if m.User == s.config.App.UserID {
		w["bot_id"], w["app_id"] = s.config.App.BotID, s.config.App.ID
	}
	if m.ThreadTS != "" {
		w["thread_ts"] = m.ThreadTS
	}
	if m.ClientMsgID != "" {
		w["client_msg_id"] = m.ClientMsgID
	}
	if len(v.Blocks) > 0 {
		w["blocks"] = v.Blocks
	}
	if len(v.Attachments) > 0 {
		w["attachments"] = v.Attachments
	}
	if v.Metadata != nil && metadata {
		w["metadata"] = v.Metadata
	}
	if len(m.Versions) > 1 {
		w["edited"] = object{"user": m.User, "ts": formatTS(v.At.UnixMicro())}
	}
	if replies := s.board.replies(m.Channel, m.TS); len(replies) > 0 {
		w["thread_ts"], w["reply_count"], w["latest_reply"] = m.TS, len(replies), replies[len(replies)-1].TS
	}
	return w
}

// readable is a channel whose messages the app may read.
func (s *Server) readable(id string) (Channel, error) {
	c, ok := s.workspace.channel(id)
	if !ok || c.Private && !c.Member {
		return c, refusal{code: "channel_not_found"}
	}
	scope := "channels:history"
	if c.Private {
		scope = "groups:history"
	}
	switch {
	case !s.config.may(scope):
		return c, s.missingScope(scope)
	case !c.Member:
		return c, refusal{code: "not_in_channel"}
	}
	return c, nil
}

// micros reads a timestamp; it may lack the fraction.
func micros(ts string) (int64, bool) {
	seconds, fraction, _ := strings.Cut(ts, ".")
	whole, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || len(fraction) > 6 {
		return 0, false
	}
	part, err := strconv.ParseInt((fraction + "000000")[:6], 10, 64)
	return whole*1e6 + part, err == nil
}

// within says whether a message lies between oldest and latest.
func within(a args) (func(*Message) bool, error) {
	bound := func(name string, byDefault int64, code string) (int64, error) {
		if a.str(name) == "" {
			return byDefault, nil
		}
		at, ok := micros(a.str(name))
		if !ok {
			return 0, refusal{code: code}
		}
		return at, nil
	}
	oldest, err := bound("oldest", -1, "invalid_ts_oldest")
	if err != nil {
		return nil, err
	}
	latest, err := bound("latest", 1<<62, "invalid_ts_latest")
	if err != nil {
		return nil, err
	}
	inclusive := a.flag("inclusive")
	return func(m *Message) bool {
		at, _ := micros(m.TS)
		return at > oldest && at < latest || inclusive && (at == oldest || at == latest)
	}, nil
}

// history is newest first, without replies.
func (s *Server) history(a args) (object, error) {
	channel, err := s.readable(a.str("channel"))
	if err != nil {
		return nil, err
	}
	fits, err := within(a)
	if err != nil {
		return nil, err
	}
	var found []*Message
	for _, m := range slices.Backward(s.board.messages) {
		visible := !m.Deleted && m.EphemeralTo == "" && (m.ThreadTS == "" || m.Broadcast)
		if m.Channel == channel.ID && visible && fits(m) {
			found = append(found, m)
		}
	}
	return s.page(found, a, 100)
}

// threadReplies is the root, then its replies, oldest first.
func (s *Server) threadReplies(a args) (object, error) {
	channel, err := s.readable(a.str("channel"))
	if err != nil {
		return nil, err
	}
	fits, err := within(a)
	if err != nil {
		return nil, err
	}
	root, ok := s.board.find(channel.ID, a.str("ts"))
	if !ok {
		return nil, refusal{code: "thread_not_found"}
	}
	found := []*Message{root}
	for _, m := range s.board.replies(channel.ID, root.TS) {
		if fits(m) {
			found = append(found, m)
		}
	}
	return s.page(found, a, 1000)
}

// page is one page of messages; the cursor is where the next one begins.
func (s *Server) page(found []*Message, a args, byDefault int) (object, error) {
	from := 0
	if cursor := a.str("cursor"); cursor != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(cursor, "next:"))
		if err != nil || n < 0 || n > len(found) {
			return nil, refusal{code: "invalid_cursor"}
		}
		from = n
	}
	to := min(from+a.count("limit", byDefault, 999), len(found))
	messages := []object{}
	for _, m := range found[from:to] {
		messages = append(messages, s.wire(m, a.flag("include_all_metadata")))
	}
	answer := object{"messages": messages, "has_more": to < len(found)}
	if to < len(found) {
		answer["response_metadata"] = object{"next_cursor": "next:" + strconv.Itoa(to)}
	}
	return answer, nil
}

func (s *Server) channelInfo(a args) (object, error) {
	c, ok := s.workspace.channel(a.str("channel"))
	switch {
	case !ok || c.Private && !c.Member:
		return nil, refusal{code: "channel_not_found"}
	case c.Private && !s.config.may("groups:read"):
		return nil, s.missingScope("groups:read")
	}
	return object{"channel": channelObject(c)}, nil
}

func channelObject(c Channel) object {
	return object{
		"id": c.ID, "name": c.Name, "is_channel": !c.Private, "is_group": c.Private, "is_private": c.Private,
		"is_archived": c.Archived, "is_member": c.Member, "is_shared": c.Shared, "is_ext_shared": c.Shared,
	}
}

func (s *Server) joinChannel(a args) (object, error) {
	i := slices.IndexFunc(s.workspace.Channels, func(c Channel) bool { return c.ID == a.str("channel") })
	switch {
	case i < 0:
		return nil, refusal{code: "channel_not_found"}
	case s.workspace.Channels[i].Private:
		return nil, refusal{code: "method_not_supported_for_channel_type"}
	case s.workspace.Channels[i].Archived:
		return nil, refusal{code: "is_archived"}
	}
	s.workspace.Channels = slices.Clone(s.workspace.Channels)
	s.workspace.Channels[i].Member = true
	return object{"channel": channelObject(s.workspace.Channels[i])}, nil
}
