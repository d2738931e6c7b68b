package fakeslack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// surface is where blocks are shown, and how many it takes.
type surface int

const (
	messageSurface surface = 50
	modalSurface   surface = 100
)

// maxBlockText is how many characters all texts of a message's blocks may have together. Slack names no number; people have
// seen 9597 accepted and 11341 refused (bolt-js#2867).
const maxBlockText = 10_000

// The limits of Block Kit, in characters and items.
const (
	maxID          = 255
	maxSectionText = 3000
	maxFields      = 10
	maxFieldText   = 2000
	maxHeaderText  = 150
	maxElements    = 25
	maxContext     = 10
	maxButtonText  = 75
	maxButtonValue = 2000
	maxURL         = 3000
)

// checkBlocks reads blocks as Slack does: what breaks a limit is refused with the place, and ids that are missing are made
// from the seed. No blocks, or an empty array, is nil.
func checkBlocks(raw string, on surface, seed string) (json.RawMessage, error) {
	if raw == "" {
		return nil, nil
	}
	var blocks []map[string]any
	decoder := json.NewDecoder(bytes.NewReader([]byte(raw)))
	decoder.UseNumber()
	if decoder.Decode(&blocks) != nil || decoder.More() {
		return nil, refusal{code: "invalid_blocks_format"}
	}
	if len(blocks) == 0 {
		return nil, nil
	}
	c := checker{seed: seed, blockIDs: map[string]bool{}}
	if len(blocks) > int(on) {
		c.wrong("/blocks", "no more than %d items allowed", int(on))
	}
	for i, b := range blocks {
		c.block("/blocks/"+strconv.Itoa(i), b, on)
	}
	if len(c.messages) > 0 {
		return nil, refusal{code: "invalid_blocks", messages: c.messages}
	}
	if on == messageSurface && c.characters > maxBlockText {
		return nil, refusal{code: "msg_blocks_too_long"}
	}
	out, err := json.Marshal(blocks)
	if err != nil {
		return nil, refusal{code: "invalid_blocks_format"}
	}
	return out, nil
}

// checker collects what is wrong with blocks.
type checker struct {
	seed       string
	made       int
	blockIDs   map[string]bool
	characters int
	messages   []string
}

func (c *checker) wrong(at, format string, args ...any) {
	c.messages = append(c.messages, fmt.Sprintf(format, args...)+" [json-pointer:"+at+"]")
}

// id makes one that nobody gave.
func (c *checker) id() string {
	c.made++
	return c.seed + "." + strconv.Itoa(c.made)
}

func (c *checker) block(at string, b map[string]any, on surface) {
	kind := str(b, "type")
	switch kind {
	case "section":
		c.section(at, b)
	case "header":
		c.text(at+"/text", b["text"], maxHeaderText, "plain_text")
	case "actions":
		c.elements(at+"/elements", b, maxElements)
	case "context":
		c.context(at+"/elements", b)
	case "input":
		c.text(at+"/label", b["label"], maxFieldText, "plain_text")
		c.element(at+"/element", b["element"], map[string]bool{})
	case "image":
		c.length(at+"/alt_text", str(b, "alt_text"), 2000)
		c.length(at+"/image_url", str(b, "image_url"), maxURL)
	case "markdown":
		c.length(at+"/text", str(b, "text"), 12_000)
		c.characters += utf8.RuneCountInString(str(b, "text"))
	case "divider", "rich_text", "video", "file", "context_actions", "table":
	default:
		c.wrong(at+"/type", "unsupported type: %s", kind)
	}
	c.blockID(at, b)
}

func (c *checker) blockID(at string, b map[string]any) {
	id, given := b["block_id"].(string)
	if !given || id == "" {
		id = c.id()
		b["block_id"] = id
	}
	if utf8.RuneCountInString(id) > maxID {
		c.wrong(at+"/block_id", "must be less than %d characters", maxID+1)
	}
	if c.blockIDs[id] {
		c.wrong(at+"/block_id", "block_id %q already exists", id)
	}
	c.blockIDs[id] = true
}

func (c *checker) section(at string, b map[string]any) {
	fields, hasFields := b["fields"].([]any)
	if b["text"] == nil && !hasFields {
		c.wrong(at, "missing required field: text or fields")
	}
	if b["text"] != nil {
		c.text(at+"/text", b["text"], maxSectionText)
	}
	if len(fields) > maxFields {
		c.wrong(at+"/fields", "no more than %d items allowed", maxFields)
	}
	for i, f := range fields {
		c.text(at+"/fields/"+strconv.Itoa(i), f, maxFieldText)
	}
	if b["accessory"] != nil {
		c.element(at+"/accessory", b["accessory"], map[string]bool{})
	}
}

func (c *checker) context(at string, b map[string]any) {
	elements, _ := b["elements"].([]any)
	if len(elements) == 0 {
		c.wrong(at, "no fewer than 1 items allowed")
	}
	if len(elements) > maxContext {
		c.wrong(at, "no more than %d items allowed", maxContext)
	}
	for i, e := range elements {
		element, _ := e.(map[string]any)
		if str(element, "type") != "image" {
			c.text(at+"/"+strconv.Itoa(i), e, maxSectionText)
		}
	}
}

func (c *checker) elements(at string, b map[string]any, most int) {
	elements, _ := b["elements"].([]any)
	if len(elements) == 0 {
		c.wrong(at, "no fewer than 1 items allowed")
	}
	if len(elements) > most {
		c.wrong(at, "no more than %d items allowed", most)
	}
	actionIDs := map[string]bool{}
	for i, e := range elements {
		c.element(at+"/"+strconv.Itoa(i), e, actionIDs)
	}
}

// element checks one interactive element; its action_id must be the only one of its block.
func (c *checker) element(at string, e any, actionIDs map[string]bool) {
	element, ok := e.(map[string]any)
	if !ok || str(element, "type") == "" {
		c.wrong(at, "missing required field: type")
		return
	}
	switch str(element, "type") {
	case "image":
		return
	case "button":
		c.button(at, element)
	}
	id, _ := element["action_id"].(string)
	if id == "" {
		id = c.id()
		element["action_id"] = id
	}
	if utf8.RuneCountInString(id) > maxID {
		c.wrong(at+"/action_id", "must be less than %d characters", maxID+1)
	}
	if actionIDs[id] {
		c.wrong(at+"/action_id", "action_id %q already exists in this block", id)
	}
	actionIDs[id] = true
	if element["confirm"] != nil {
		c.confirm(at+"/confirm", element["confirm"])
	}
}

func (c *checker) button(at string, b map[string]any) {
	c.text(at+"/text", b["text"], maxButtonText, "plain_text")
	c.most(at+"/value", str(b, "value"), maxButtonValue)
	c.most(at+"/url", str(b, "url"), maxURL)
	if style := str(b, "style"); b["style"] != nil && style != "primary" && style != "danger" {
		c.wrong(at+"/style", "must be a valid enum value: primary, danger")
	}
}

func (c *checker) confirm(at string, v any) {
	dialog, ok := v.(map[string]any)
	if !ok {
		c.wrong(at, "must be an object")
		return
	}
	c.text(at+"/title", dialog["title"], 100, "plain_text")
	c.text(at+"/text", dialog["text"], 300)
	c.text(at+"/confirm", dialog["confirm"], 30, "plain_text")
	c.text(at+"/deny", dialog["deny"], 30, "plain_text")
}

// text checks a text object. No kinds: both are right.
func (c *checker) text(at string, v any, most int, kinds ...string) {
	object, ok := v.(map[string]any)
	if !ok {
		c.wrong(at, "missing required field: text")
		return
	}
	kind := str(object, "type")
	if kind != "plain_text" && (kind != "mrkdwn" || len(kinds) > 0) {
		c.wrong(at+"/type", "must be a valid text type, is %q", kind)
	}
	c.length(at+"/text", str(object, "text"), most)
	c.characters += utf8.RuneCountInString(str(object, "text"))
}

// length checks a text that must be there, most one that may be empty.
func (c *checker) length(at, text string, most int) {
	if text == "" {
		c.wrong(at, "must be more than 0 characters")
	}
	c.most(at, text, most)
}

func (c *checker) most(at, text string, most int) {
	if utf8.RuneCountInString(text) > most {
		c.wrong(at, "must be less than %d characters", most+1)
	}
}
