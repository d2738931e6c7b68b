package fakeslack_test

import (
	"slices"
	"testing"

	"github.com/slack-go/slack"

	"github.com/firebreak-sre/firebreak/internal/testbed/fakeslack"
)

// Users are shown as what they are.
func TestUsers(t *testing.T) {
	t.Parallel()
	s, api := start(t, quiet())
	ctx := soon(t)
	for id, right := range map[string]func(*slack.User) bool{
		alice: func(u *slack.User) bool {
			return u.Profile.Email == "alice@example.com" && u.TeamID == s.App().TeamID && !u.IsBot
		},
		"U0GONE":  func(u *slack.User) bool { return u.Deleted },
		"U0BOT":   func(u *slack.User) bool { return u.IsBot && u.Profile.Email == "" },
		"U0GUEST": func(u *slack.User) bool { return u.IsRestricted && !u.IsUltraRestricted },
		mallory:   func(u *slack.User) bool { return u.IsStranger && u.TeamID == "T0ELSEWHERE" && u.Name == "alice" },
	} {
		u, err := api.GetUserInfoContext(ctx, id)
		if err != nil || !right(u) {
			t.Errorf("%s: %+v, %v", id, u, err)
		}
	}
	if _, err := api.GetUserInfoContext(ctx, "U0NONE"); code(err) != "user_not_found" {
		t.Errorf("unknown: %v", err)
	}
	u, err := api.GetUserByEmailContext(ctx, "Alice@Example.com")
	if err != nil || u.ID != alice {
		t.Errorf("by e-mail: %+v, %v", u, err)
	}
	if _, err := api.GetUserByEmailContext(ctx, "gone@example.com"); code(err) != "users_not_found" {
		t.Errorf("by the e-mail of somebody who left: %v", err)
	}
	s.PutUser(fakeslack.User{ID: alice, Name: "alice", Deleted: true})
	if u, err := api.GetUserInfoContext(ctx, alice); err != nil || !u.Deleted {
		t.Errorf("after she left: %+v, %v", u, err)
	}
}

// A group has members, unless it is disabled, unknown, or the plan has no groups.
func TestGroups(t *testing.T) {
	t.Parallel()
	s, api := start(t, quiet())
	ctx := soon(t)
	got, err := api.GetUserGroupMembersContext(ctx, "S0SRE")
	if err != nil || !slices.Equal(got, []string{alice, "U0GUEST"}) {
		t.Errorf("got %v, %v", got, err)
	}
	for _, id := range []string{"S0OLD", "S0NONE"} {
		if _, err := api.GetUserGroupMembersContext(ctx, id); code(err) != "no_such_subteam" {
			t.Errorf("%s: %v", id, err)
		}
	}
	s.PutGroup(fakeslack.Group{ID: "S0SRE"})
	if got, err := api.GetUserGroupMembersContext(ctx, "S0SRE"); err != nil || len(got) != 0 {
		t.Errorf("emptied: %v, %v", got, err)
	}
	free := quiet()
	free.Workspace.FreePlan = true
	_, api = start(t, free)
	if _, err := api.GetUserGroupMembersContext(ctx, "S0SRE"); code(err) != "plan_upgrade_required" {
		t.Errorf("free plan: %v", err)
	}
}

// History is newest first, without replies and whispers, in pages, with metadata if asked for.
func TestHistory(t *testing.T) {
	t.Parallel()
	s, api := start(t, quiet())
	ctx := soon(t)
	meta := slack.MsgOptionMetadata(slack.SlackMetadata{EventType: "e", EventPayload: map[string]any{"key": "i-1"}})
	first := mustPost(t, api, slack.MsgOptionText("first", false), meta)
	mustPost(t, api, slack.MsgOptionText("reply", false), slack.MsgOptionTS(first))
	second := mustPost(t, api, slack.MsgOptionText("second", false))
	if _, err := api.PostEphemeralContext(ctx, ops, alice, slack.MsgOptionText("psst", false)); err != nil {
		t.Fatal(err)
	}
	page, err := api.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{ChannelID: ops, Limit: 1})
	if err != nil || len(page.Messages) != 1 || page.Messages[0].Timestamp != second || !page.HasMore {
		t.Fatalf("first page: %+v, %v", page, err)
	}
	page, err = api.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{
		ChannelID: ops, Limit: 1, Cursor: page.ResponseMetaData.NextCursor, IncludeAllMetadata: true,
	})
	if err != nil || len(page.Messages) != 1 || page.Messages[0].Metadata.EventPayload["key"] != "i-1" || page.HasMore {
		t.Fatalf("second page: %+v, %v", page, err)
	}
	since := &slack.GetConversationHistoryParameters{ChannelID: ops, Oldest: first}
	for inclusive, want := range map[bool]int{false: 1, true: 2} {
		since.Inclusive = inclusive
		if page, err = api.GetConversationHistoryContext(ctx, since); err != nil || len(page.Messages) != want {
			t.Errorf("inclusive %t: %d messages, %v", inclusive, len(page.Messages), err)
		}
	}
	for _, m := range page.Messages {
		if m.Metadata.EventType != "" {
			t.Error("metadata came unasked")
		}
	}
	msgs, _, _, err := api.GetConversationRepliesContext(ctx, &slack.GetConversationRepliesParameters{ChannelID: ops, Timestamp: first})
	if err != nil || len(msgs) != 2 || msgs[0].ReplyCount != 1 || msgs[1].Text != "reply" {
		t.Errorf("replies: %+v, %v", msgs, err)
	}
	if got := s.Ephemerals(ops); len(got) != 1 || got[0].EphemeralTo != alice {
		t.Errorf("ephemerals: %v", got)
	}
}

// What cannot be read is refused by name.
func TestReadingIsRefused(t *testing.T) {
	t.Parallel()
	s, _ := start(t, quiet())
	for name, c := range map[string]struct {
		method string
		fields map[string]string
		want   string
	}{
		"not a member":   {"conversations.history", map[string]string{"channel": "C0PUBLIC"}, "not_in_channel"},
		"hidden":         {"conversations.history", map[string]string{"channel": private}, "channel_not_found"},
		"cursor":         {"conversations.history", map[string]string{"channel": ops, "cursor": "x"}, "invalid_cursor"},
		"oldest":         {"conversations.history", map[string]string{"channel": ops, "oldest": "x"}, "invalid_ts_oldest"},
		"latest":         {"conversations.history", map[string]string{"channel": ops, "latest": "1.1234567"}, "invalid_ts_latest"},
		"thread":         {"conversations.replies", map[string]string{"channel": ops, "ts": "1.000001"}, "thread_not_found"},
		"info unscoped":  {"conversations.info", map[string]string{"channel": ops}, "missing_scope"},
		"join unscoped":  {"conversations.join", map[string]string{"channel": "C0PUBLIC"}, "missing_scope"},
		"link":           {"chat.getPermalink", map[string]string{"channel": ops, "message_ts": "1.000001"}, "message_not_found"},
		"whisper nobody": {"chat.postEphemeral", map[string]string{"channel": ops, "user": "U0NONE", "text": "x"}, "user_not_in_channel"},
		"whisper out":    {"chat.postEphemeral", map[string]string{"channel": "C0PUBLIC", "user": alice, "text": "x"}, "channel_not_found"},
	} {
		if got := call(t, s, c.method, c.fields); got.Error != c.want {
			t.Errorf("%s: got %q, want %q", name, got.Error, c.want)
		}
	}
}

// With the scopes for it, channels can be looked at and joined.
func TestChannels(t *testing.T) {
	t.Parallel()
	c := quiet()
	c.App.Scopes = append(fakeslack.ManifestScopes(), "channels:read", "channels:join")
	s, api := start(t, c)
	ctx := soon(t)
	info, err := api.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: "C0PUBLIC"})
	if err != nil || info.IsMember || info.Name != "public" {
		t.Errorf("info: %+v, %v", info, err)
	}
	if _, _, _, err := api.JoinConversationContext(ctx, "C0PUBLIC"); err != nil {
		t.Fatal(err)
	}
	if got := call(t, s, "conversations.history", map[string]string{"channel": "C0PUBLIC"}); !got.OK {
		t.Errorf("history after joining: %q", got.Error)
	}
	for channel, want := range map[string]string{
		"C0OLD": "is_archived", private: "method_not_supported_for_channel_type", "C0NONE": "channel_not_found",
	} {
		if _, _, _, err := api.JoinConversationContext(ctx, channel); code(err) != want {
			t.Errorf("join %s: %v, want %s", channel, err, want)
		}
	}
}
