package fakeslack_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// text is a string of n characters.
func text(n int) string { return strings.Repeat("é", n) }

func object(kind string, n int) string { return fmt.Sprintf(`{"type":%q,"text":%q}`, kind, text(n)) }

func list(n int, item func(i int) string) string {
	items := make([]string, n)
	for i := range items {
		items[i] = item(i)
	}
	return "[" + strings.Join(items, ",") + "]"
}

func buttons(fields string) string {
	return `[{"type":"actions","elements":[{"type":"button","text":` + object("plain_text", 1) + fields + `}]}]`
}

// Each limit of Block Kit is right up to its last character and wrong after it.
func TestBlockLimits(t *testing.T) {
	t.Parallel()
	s, _ := start(t, quiet())
	divider := func(int) string { return `{"type":"divider"}` }
	cases := map[string]struct {
		most   int
		blocks func(n int) string
	}{
		"blocks":       {50, func(n int) string { return list(n, divider) }},
		"section text": {3000, func(n int) string { return `[{"type":"section","text":` + object("mrkdwn", n) + `}]` }},
		"fields": {10, func(n int) string {
			return `[{"type":"section","fields":` + list(n, func(int) string { return object("mrkdwn", 1) }) + `}]`
		}},
		"field text":   {2000, func(n int) string { return `[{"type":"section","fields":[` + object("mrkdwn", n) + `]}]` }},
		"header":       {150, func(n int) string { return `[{"type":"header","text":` + object("plain_text", n) + `}]` }},
		"context text": {3000, func(n int) string { return `[{"type":"context","elements":[` + object("mrkdwn", n) + `]}]` }},
		"context": {10, func(n int) string {
			return `[{"type":"context","elements":` + list(n, func(int) string { return object("mrkdwn", 1) }) + `}]`
		}},
		"elements": {25, func(n int) string {
			return `[{"type":"actions","elements":` + list(n, func(int) string {
				return `{"type":"button","text":` + object("plain_text", 1) + `}`
			}) + `}]`
		}},
		"button text": {75, func(n int) string {
			return `[{"type":"actions","elements":[{"type":"button","text":` + object("plain_text", n) + `}]}]`
		}},
		"button value":  {2000, func(n int) string { return buttons(`,"value":"` + text(n) + `"`) }},
		"button url":    {3000, func(n int) string { return buttons(`,"url":"` + text(n) + `"`) }},
		"action_id":     {255, func(n int) string { return buttons(`,"action_id":"` + text(n) + `"`) }},
		"block_id":      {255, func(n int) string { return `[{"type":"divider","block_id":"` + text(n) + `"}]` }},
		"confirm text":  {300, func(n int) string { return buttons(`,"confirm":` + confirm(100, n, 30)) }},
		"confirm title": {100, func(n int) string { return buttons(`,"confirm":` + confirm(n, 1, 1)) }},
		"confirm":       {30, func(n int) string { return buttons(`,"confirm":` + confirm(1, 1, n)) }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := postBlocks(t, s, c.blocks(c.most)); got.Error != "" {
				t.Errorf("%d: got %q %v", c.most, got.Error, got.Errors)
			}
			if got := postBlocks(t, s, c.blocks(c.most+1)); got.Error != "invalid_blocks" {
				t.Errorf("%d: got %q, want invalid_blocks", c.most+1, got.Error)
			}
		})
	}
}

func confirm(title, body, button int) string {
	return `{"title":` + object("plain_text", title) + `,"text":` + object("mrkdwn", body) +
		`,"confirm":` + object("plain_text", button) + `,"deny":` + object("plain_text", button) + `}`
}

func postBlocks(t *testing.T, s interface{ APIURL() string }, blocks string) reply {
	t.Helper()
	body, err := json.Marshal(map[string]any{"channel": ops, "text": "x", "blocks": json.RawMessage(blocks)})
	if err != nil {
		t.Fatal(err)
	}
	return post(t, s.APIURL()+"chat.postMessage", "application/json", "xoxb-fake-bot-token", string(body))
}

// What makes no sense is refused with the place.
func TestWrongBlocks(t *testing.T) {
	t.Parallel()
	s, _ := start(t, quiet())
	same := `{"type":"button","action_id":"a","text":` + object("plain_text", 1) + `}`
	for name, c := range map[string]struct{ blocks, want string }{
		"empty text": {`[{"type":"section","text":{"type":"mrkdwn","text":""}}]`,
			"must be more than 0 characters [json-pointer:/blocks/0/text/text]"},
		"no text": {`[{"type":"section"}]`, "missing required field: text or fields [json-pointer:/blocks/0]"},
		"kind of text": {`[{"type":"header","text":` + object("mrkdwn", 1) + `}]`,
			`must be a valid text type, is "mrkdwn" [json-pointer:/blocks/0/text/type]`},
		"unknown":     {`[{"type":"divider"},{"type":"shout"}]`, "unsupported type: shout [json-pointer:/blocks/1/type]"},
		"no elements": {`[{"type":"actions","elements":[]}]`, "no fewer than 1 items allowed [json-pointer:/blocks/0/elements]"},
		"style":       {buttons(`,"style":"loud"`), "must be a valid enum value: primary, danger [json-pointer:/blocks/0/elements/0/style]"},
		"block twice": {`[{"type":"divider","block_id":"a"},{"type":"divider","block_id":"a"}]`,
			`block_id "a" already exists [json-pointer:/blocks/1/block_id]`},
		"action twice": {`[{"type":"actions","elements":[` + same + `,` + same + `]}]`,
			`action_id "a" already exists in this block [json-pointer:/blocks/0/elements/1/action_id]`},
	} {
		got := postBlocks(t, s, c.blocks)
		if got.Error != "invalid_blocks" || !slices.Contains(got.Errors, c.want) || !slices.Contains(got.Metadata.Messages, "[ERROR] "+c.want) {
			t.Errorf("%s: got %q %v, want %q", name, got.Error, got.Errors, c.want)
		}
	}
	if got := call(t, s, "chat.postMessage", map[string]string{"channel": ops, "blocks": "[{"}); got.Error != "invalid_blocks_format" {
		t.Errorf("no JSON: got %q", got.Error)
	}
}

// Blocks that are right one by one are refused when they are too long together.
func TestBlocksTogether(t *testing.T) {
	t.Parallel()
	s, _ := start(t, quiet())
	section := func(int) string { return `{"type":"section","text":` + object("mrkdwn", 2500) + `}` }
	for n, want := range map[int]string{4: "", 5: "msg_blocks_too_long"} {
		if got := postBlocks(t, s, list(n, section)); got.Error != want {
			t.Errorf("%d sections: got %q, want %q", n, got.Error, want)
		}
	}
}

// Ids that the app leaves out are made, and they are different.
func TestIDsAreMade(t *testing.T) {
	t.Parallel()
	s, _ := start(t, quiet())
	actions := `{"type":"actions","elements":[{"type":"button","text":` + object("plain_text", 1) + `}]}`
	got := postBlocks(t, s, "["+actions+","+actions+"]")
	m, _ := s.Message(got.TS)
	b := m.Buttons()
	if len(b) != 2 || b[0].ActionID == "" || b[0].BlockID == "" || b[0].BlockID == b[1].BlockID {
		t.Errorf("got %q, %+v", got.Error, b)
	}
}
