package fakeslack_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"github.com/firebreak-sre/firebreak/internal/testbed/fakeslack"
)

// button is a message with one button.
func button(actionID, value string) slack.MsgOption {
	text := slack.NewTextBlockObject(slack.PlainTextType, "Approve", false, false)
	element := slack.NewButtonBlockElement(actionID, value, text).WithStyle(slack.StylePrimary)
	return slack.MsgOptionBlocks(slack.NewActionBlock("approval", element))
}

func mustPost(t *testing.T, api *slack.Client, options ...slack.MsgOption) string {
	t.Helper()
	_, ts, err := api.PostMessageContext(soon(t), ops, options...)
	if err != nil {
		t.Fatal(err)
	}
	return ts
}

// Where the app may not post it is told why, with Slack's code.
func TestWhereToPost(t *testing.T) {
	t.Parallel()
	narrow := quiet()
	narrow.App.Scopes = []string{"chat:write"}
	s, _ := start(t, quiet())
	n, _ := start(t, narrow)
	cases := map[string]struct {
		s             *fakeslack.Server
		channel, want string
	}{
		"member": {s, ops, ""}, "by name": {s, "#ops", ""}, "public": {s, "C0PUBLIC", ""}, "private": {s, private, "channel_not_found"},
		"unknown": {s, "C0NONE", "channel_not_found"}, "archived": {s, "C0OLD", "is_archived"},
		"no chat:write.public": {n, "C0PUBLIC", "not_in_channel"},
	}
	for name, c := range cases {
		if got := call(t, c.s, "chat.postMessage", map[string]string{"channel": c.channel, "text": "hello"}); got.Error != c.want {
			t.Errorf("%s: got %q, want %q", name, got.Error, c.want)
		}
	}
	s.PutChannel(fakeslack.Channel{ID: private, Name: "private", Private: true, Member: true})
	if got := call(t, s, "chat.postMessage", map[string]string{"channel": private, "text": "hello"}); !got.OK {
		t.Errorf("after the invitation: %q", got.Error)
	}
}

// What is posted is kept: text, blocks, metadata, id; and every post has a timestamp of its own, also two at once.
func TestPostIsKept(t *testing.T) {
	t.Parallel()
	c := quiet()
	now := time.Unix(1_700_000_000, 0)
	c.Now = func() time.Time { return now }
	s, api := start(t, c)
	meta := slack.SlackMetadata{EventType: "firebreak.incident", EventPayload: map[string]any{"key": "i-1"}}
	id := slack.UnsafeMsgOptionEndpoint(s.APIURL()+"chat.postMessage", func(v url.Values) { v.Set("client_msg_id", "same") })
	first := mustPost(t, api, slack.MsgOptionText("down", false), button("approve", "req-1"), slack.MsgOptionMetadata(meta), id)
	second := mustPost(t, api, slack.MsgOptionText("down", false), id)
	if first == second || first[:10] != "1700000000" {
		t.Errorf("timestamps %s and %s", first, second)
	}
	got := s.Messages(ops)
	if len(got) != 2 || got[0].ClientMsgID != "same" || got[1].ClientMsgID != "same" {
		t.Fatalf("got %v; client_msg_id removes no duplicates", got)
	}
	if m := got[0].Latest(); m.Text != "down" || m.Metadata == nil || m.Metadata.EventPayload["key"] != "i-1" {
		t.Errorf("got %+v", m)
	}
	want := fakeslack.Button{BlockID: "approval", ActionID: "approve", Text: "Approve", Value: "req-1", Style: "primary"}
	if b := got[0].Buttons(); len(b) != 1 || b[0] != want {
		t.Errorf("got %+v, want %+v", b, want)
	}
	if s.Posts() != 2 {
		t.Errorf("%d posts", s.Posts())
	}
}

// An update changes what it names and keeps the rest: a new text alone leaves the buttons, an empty array takes them.
func TestUpdate(t *testing.T) {
	t.Parallel()
	s, api := start(t, quiet())
	meta := slack.MsgOptionMetadata(slack.SlackMetadata{EventType: "e", EventPayload: map[string]any{"k": "v"}})
	ts := mustPost(t, api, slack.MsgOptionText("one", false), button("approve", "x"), meta)
	if _, _, _, err := api.UpdateMessageContext(soon(t), ops, ts, slack.MsgOptionText("two", false)); err != nil {
		t.Fatal(err)
	}
	m, _ := s.Message(ts)
	if len(m.Buttons()) != 1 || m.Latest().Text != "two" || m.Latest().Metadata == nil {
		t.Errorf("after a text: %+v", m.Latest())
	}
	if _, _, _, err := api.UpdateMessageContext(soon(t), ops, ts, slack.MsgOptionText("three", false), slack.MsgOptionBlocks()); err != nil {
		t.Fatal(err)
	}
	m, _ = s.Message(ts)
	if len(m.Buttons()) != 0 || len(m.Versions) != 3 || m.Versions[0].Text != "one" || s.Updates() != 2 {
		t.Errorf("after empty blocks: %+v", m.Versions)
	}
	if len(m.Versions[0].Buttons()) != 1 {
		t.Error("the first version lost its button")
	}
}

// What cannot be updated is refused by name.
func TestUpdateIsRefused(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	c := quiet()
	c.Now = func() time.Time { return now }
	c.Workspace.EditWindow = time.Hour
	s, api := start(t, c)
	mine := mustPost(t, api, slack.MsgOptionText("mine", false))
	gone := mustPost(t, api, slack.MsgOptionText("gone", false))
	if err := s.Delete(gone); err != nil {
		t.Fatal(err)
	}
	theirs, err := s.Say(ops, alice, "", "hello")
	if err != nil {
		t.Fatal(err)
	}
	whisper, err := api.PostEphemeralContext(soon(t), ops, alice, slack.MsgOptionText("psst", false))
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct{ channel, ts, text, want string }{
		"unknown": {ops, "1.000001", "x", "message_not_found"}, "deleted": {ops, gone, "x", "message_not_found"},
		"ephemeral": {ops, whisper, "x", "message_not_found"}, "another's": {ops, theirs.TS, "x", "cant_update_message"},
		"by name": {"#ops", mine, "x", "channel_not_found"}, "other channel": {"C0PUBLIC", mine, "x", "message_not_found"},
		"too long": {ops, mine, strings.Repeat("x", 4001), "msg_too_long"}, "empty": {ops, mine, "", "no_text"},
		"fits": {ops, mine, strings.Repeat("é", 4000), ""},
	}
	for name, c := range cases {
		if got := call(t, s, "chat.update", map[string]string{"channel": c.channel, "ts": c.ts, "text": c.text}); got.Error != c.want {
			t.Errorf("%s: got %q, want %q", name, got.Error, c.want)
		}
	}
	if got := call(t, s, "chat.delete", map[string]string{"channel": ops, "ts": theirs.TS}); got.Error != "cant_delete_message" {
		t.Errorf("delete another's: %q", got.Error)
	}
	now = now.Add(2 * time.Hour)
	if got := call(t, s, "chat.update", map[string]string{"channel": ops, "ts": mine, "text": "late"}); got.Error != "edit_window_closed" {
		t.Errorf("late: %q", got.Error)
	}
	s.PutChannel(fakeslack.Channel{ID: ops, Name: "ops", Member: true, Archived: true})
	if got := call(t, s, "chat.update", map[string]string{"channel": ops, "ts": mine, "text": "x"}); got.Error != "is_inactive" {
		t.Errorf("archived: %q", got.Error)
	}
}

// Text is cut off, metadata and attachments are refused.
func TestContent(t *testing.T) {
	t.Parallel()
	s, _ := start(t, quiet())
	long := call(t, s, "chat.postMessage", map[string]string{"channel": ops, "text": strings.Repeat("x", 40_001)})
	if m, _ := s.Message(long.TS); len(m.Latest().Text) != 40_000 || len(long.Metadata.Warnings) != 1 {
		t.Errorf("%d characters kept, warnings %v", len(m.Latest().Text), long.Metadata.Warnings)
	}
	for name, c := range map[string]struct{ field, value, want string }{
		"nothing":           {"text", " ", "no_text"},
		"metadata no JSON":  {"metadata", "{", "invalid_metadata_format"},
		"metadata no event": {"metadata", `{"event_type":"e"}`, "invalid_metadata_schema"},
		"metadata size":     {"metadata", `{"event_type":"e","event_payload":{"x":"` + strings.Repeat("x", 9000) + `"}}`, "metadata_too_large"},
		"attachments":       {"attachments", `{}`, "invalid_attachments"},
		"many attachments":  {"attachments", "[" + strings.Repeat("{},", 100) + "{}]", "too_many_attachments"},
	} {
		fields := map[string]string{"channel": ops, "text": "hello"}
		fields[c.field] = c.value
		if got := call(t, s, "chat.postMessage", fields); got.Error != c.want {
			t.Errorf("%s: got %q, want %q", name, got.Error, c.want)
		}
	}
}

// Replies are in the thread of the root, also those to a reply; without a root they are none.
func TestThread(t *testing.T) {
	t.Parallel()
	s, api := start(t, quiet())
	root := mustPost(t, api, slack.MsgOptionText("root", false))
	reply := mustPost(t, api, slack.MsgOptionText("reply", false), slack.MsgOptionTS(root))
	nested := mustPost(t, api, slack.MsgOptionText("nested", false), slack.MsgOptionTS(reply), slack.MsgOptionBroadcast())
	if got := s.Thread(root); len(got) != 3 || got[2].TS != nested || got[2].ThreadTS != root {
		t.Errorf("got %v", got)
	}
	link, err := api.GetPermalinkContext(soon(t), &slack.PermalinkParameters{Channel: ops, Ts: reply})
	if err != nil || !strings.Contains(link, "thread_ts="+root) {
		t.Errorf("got %q, %v", link, err)
	}
	if err := s.Delete(root); err != nil {
		t.Fatal(err)
	}
	_, _, m, err := api.PostMessageWithResponseContext(soon(t), ops, slack.MsgOptionText("late", false), slack.MsgOptionTS(root))
	if err != nil || m.ThreadTimestamp != "" {
		t.Errorf("reply to what is gone: %q, %v", m.ThreadTimestamp, err)
	}
}

// What would ring somebody, or could be followed, is found wherever it is shown as markup.
func TestControls(t *testing.T) {
	t.Parallel()
	s, _ := start(t, quiet())
	blocks := `[{"type":"section","text":{"type":"mrkdwn","text":"a < b, <@U0ALICE> &lt;!here&gt;"},
		"fields":[{"type":"mrkdwn","text":"<https://example.com|x>"}]},
		{"type":"header","text":{"type":"plain_text","text":"<!channel>"}}]`
	got := call(t, s, "chat.postMessage", map[string]string{"channel": ops, "text": "<!channel> &lt;!here&gt; <#C0OPS>", "blocks": blocks})
	m, _ := s.Message(got.TS)
	have := m.Latest().Controls()
	slices.Sort(have)
	if want := []string{"<!channel>", "<#C0OPS>", "<@U0ALICE>", "<https://example.com|x>"}; !slices.Equal(have, want) {
		t.Errorf("got %v, want %v", have, want)
	}
}
