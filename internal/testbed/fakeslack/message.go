package fakeslack

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"
)

// Message is a message with everything it ever said.
type Message struct {
	Channel string
	// TS names it, ThreadTS the message that it answers. Empty: it is no reply.
	TS       string
	ThreadTS string
	// Broadcast: a reply that is shown in the channel too.
	Broadcast bool
	// User wrote it; it is the bot's id for the app's own.
	User string
	// EphemeralTo is the only one who sees it. Empty: everybody does.
	EphemeralTo string
	// ClientMsgID is kept as it came. Two messages may have the same.
	ClientMsgID string
	// Versions are what it said, oldest first, never empty.
	Versions []Version
	// Deleted: it is gone for everybody but this fake.
	Deleted bool
}

// Version is what a message said from a certain time on.
type Version struct {
	At   time.Time
	Text string
	// Blocks is an array of blocks, each with its block_id, buttons with their action_id. Empty: none.
	Blocks      json.RawMessage
	Attachments json.RawMessage
	Metadata    *Metadata
}

// Metadata is what the app keeps in a message for itself.
type Metadata struct {
	EventType    string         `json:"event_type"`
	EventPayload map[string]any `json:"event_payload"`
}

// Button is one that can be pressed.
type Button struct {
	BlockID  string
	ActionID string
	Text     string
	Value    string
	Style    string
	// Link: it opens a URL. Slack tells the app of presses on it too.
	Link string
	// Confirm: the person is asked once more.
	Confirm bool
}

// Latest is what it says now.
func (m Message) Latest() Version { return m.Versions[len(m.Versions)-1] }

// Buttons are the buttons of what it says now.
func (m Message) Buttons() []Button { return m.Latest().Buttons() }

// Buttons are those in actions and beside sections, in their order.
func (v Version) Buttons() []Button {
	var buttons []Button
	for _, block := range parseBlocks(v.Blocks) {
		elements, _ := block["elements"].([]any)
		if accessory, ok := block["accessory"]; ok {
			elements = append(elements, accessory)
		}
		for _, e := range elements {
			element, _ := e.(map[string]any)
			if element["type"] != "button" {
				continue
			}
			buttons = append(buttons, Button{
				BlockID: str(block, "block_id"), ActionID: str(element, "action_id"), Text: str(dict(element, "text"), "text"),
				Value: str(element, "value"), Style: str(element, "style"), Link: str(element, "url"), Confirm: element["confirm"] != nil,
			})
		}
	}
	return buttons
}

// Controls are the control sequences of what it shows, in order and as often as they are there: mentions like <@U1> and
// <!channel>, channels, links. Each is one that rings somebody or can be followed; in plain text there are none.
func (v Version) Controls() []string {
	sequence := regexp.MustCompile(`<[@#!]?[^<>\s][^<>]*>`)
	var found []string
	collect := func(text string) { found = append(found, sequence.FindAllString(text, -1)...) }
	collect(v.Text)
	var walk func(any)
	walk = func(node any) {
		switch n := node.(type) {
		case []any:
			for _, item := range n {
				walk(item)
			}
		case map[string]any:
			if kind := str(n, "type"); kind == "mrkdwn" || kind == "markdown" {
				collect(str(n, "text"))
			}
			for _, name := range slices.Sorted(maps.Keys(n)) {
				walk(n[name])
			}
		}
	}
	for _, b := range parseBlocks(v.Blocks) {
		walk(b)
	}
	return found
}

// clone is a copy that nobody else changes. What is in it as JSON is never changed by anybody.
func (m Message) clone() Message {
	m.Versions = slices.Clone(m.Versions)
	return m
}

// parseBlocks reads blocks that were checked before.
func parseBlocks(raw json.RawMessage) []map[string]any {
	var blocks []map[string]any
	if len(raw) == 0 || json.Unmarshal(raw, &blocks) != nil {
		return nil
	}
	return blocks
}

// str is a string in an object, empty if it is none.
func str(o map[string]any, key string) string {
	v, _ := o[key].(string)
	return v
}

// dict is an object in an object, empty if it is none.
func dict(o map[string]any, key string) map[string]any {
	v, _ := o[key].(map[string]any)
	return v
}

// board is everything that was posted.
type board struct {
	messages []*Message
	lastTS   int64
}

// nextTS is a timestamp that no other message has: Slack's are unique in their channel, these are in the workspace.
func (b *board) nextTS(now time.Time) string {
	b.lastTS = max(b.lastTS+1, now.UnixMicro())
	return formatTS(b.lastTS)
}

func formatTS(micros int64) string { return fmt.Sprintf("%d.%06d", micros/1e6, micros%1e6) }

// find is a message that people can see.
func (b *board) find(channel, ts string) (*Message, bool) {
	for _, m := range b.messages {
		if m.TS == ts && m.Channel == channel && !m.Deleted && m.EphemeralTo == "" {
			return m, true
		}
	}
	return nil, false
}

// replies are the visible answers to a message, oldest first.
func (b *board) replies(channel, ts string) []*Message {
	var replies []*Message
	for _, m := range b.messages {
		if m.ThreadTS == ts && m.Channel == channel && !m.Deleted && m.EphemeralTo == "" {
			replies = append(replies, m)
		}
	}
	return replies
}
