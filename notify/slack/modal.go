package slack

import (
	"fmt"
	"unicode/utf8"

	slackgo "github.com/slack-go/slack"
)

// The modal that asks why somebody denies.
const (
	submitDeny   = "firebreak_deny_reason"
	blockReason  = "firebreak_reason"
	actionReason = "firebreak_reason_text"

	// reasonShown is how many characters can be typed, and reasonBytes how many bytes the record takes.
	reasonShown = 500
	reasonBytes = 2000
)

func denyModal(r ref) slackgo.ModalViewRequest {
	input := slackgo.NewPlainTextInputBlockElement(plain("What should whoever looks at it next know?", 150), actionReason).
		WithMultiline(true).WithMaxLength(reasonShown)
	ask := slackgo.NewInputBlock(blockReason, plain("Why? (optional)", 150), nil, input).WithOptional(true)
	words := fmt.Sprintf("%s, plan %.12s: nothing is changed, and this plan is not asked for again.", r.Incident, r.Plan)
	what := slackgo.NewSectionBlock(plain(words, 500), nil, nil)
	return slackgo.ModalViewRequest{Type: slackgo.VTModal, CallbackID: submitDeny, PrivateMetadata: r.String(), Title: plain("Deny the plan", 24),
		Submit: plain("Deny", 24), Close: plain("Back", 24), Blocks: slackgo.Blocks{BlockSet: []slackgo.Block{what, ask}}}
}

// badReason is what is wrong with a reason, for whoever typed it.
func badReason(s string) string {
	if len(s) > reasonBytes || !utf8.ValidString(s) {
		return fmt.Sprintf("Too long: at most %d characters.", reasonShown)
	}
	return ""
}

// planMessage is the whole plan, for one person.
func planMessage(title, hash, text string) Message {
	const (
		each  = 2900
		parts = 3
	)
	m := Message{Text: clip(title, maxFallback), Blocks: []slackgo.Block{slackgo.NewSectionBlock(plain(title, 500), nil, nil),
		slackgo.NewSectionBlock(plain("SHA-256 "+hash, 200), nil, nil)}}
	runes := []rune(text)
	for i := range parts {
		n := min(len(runes), each/2) // escaping makes it longer
		if i == parts-1 {
			n = len(runes)
		}
		if n > 0 {
			m.Blocks = append(m.Blocks, slackgo.NewSectionBlock(plainIndented(string(runes[:n]), each), nil, nil))
		}
		runes = runes[n:]
	}
	return m
}

// plainIndented keeps the blanks at the beginning of lines.
func plainIndented(s string, most int) *slackgo.TextBlockObject {
	return slackgo.NewTextBlockObject(slackgo.PlainTextType, clipIndented(s, most), false, false)
}
