package slack

import (
	"fmt"
	"strings"

	"github.com/firebreak-sre/firebreak/incidents"
	slackgo "github.com/slack-go/slack"
)

// Kinds are the kinds of events after which the message can say something new. A look that changes nothing is not among them: the
// numbers of the last one are shown with the next event that is.
func Kinds() []incidents.Kind {
	return []incidents.Kind{incidents.Opened, incidents.Refused, incidents.Intended, incidents.Applied, incidents.NotApplied, incidents.InDoubt,
		incidents.GaveUp, incidents.Verified, incidents.Held, incidents.Adjusted, incidents.Regressed, incidents.Reverting, incidents.Reverted, incidents.Spent,
		incidents.NotOurs, incidents.RevertInDoubt, incidents.Escalated, incidents.Rung, incidents.Asked, incidents.Approved, incidents.Denied,
		incidents.Expired, incidents.Voided, incidents.Acked, incidents.Overridden, incidents.Recalled, incidents.Closed}
}

// worthReply says whether an event gets a line in the thread. A rung of the ladder does if it names Slack.
func worthReply(e incidents.Event) bool {
	switch e.Kind {
	case incidents.Rung:
		return e.Rung.Names(Name)
	case incidents.Refused, incidents.Applied, incidents.NotApplied, incidents.InDoubt, incidents.GaveUp, incidents.Verified,
		incidents.Regressed, incidents.Reverted, incidents.NotOurs, incidents.RevertInDoubt, incidents.Escalated, incidents.Asked,
		incidents.Approved, incidents.Denied, incidents.Expired, incidents.Voided, incidents.Acked, incidents.Overridden,
		incidents.Recalled, incidents.Closed:
		return true
	}
	return false
}

// maxReplyLine and maxReplyText bound one reply. What happened while Slack was away comes as one.
const (
	maxReplyLine = 400
	maxReplyText = 2900
)

// reply is what the thread is told of the events from the told-th on. ok is false if there is nothing to tell. loud says that people must
// see it: it is shown in the channel too, since an edit of the message notifies nobody. Whom the ladder calls is named before the lines.
func reply(events []incidents.Event, told int) (m Message, loud, ok bool) {
	var lines []string
	var refused string
	for i, e := range events {
		reason := ""
		if e.Kind == incidents.Refused && e.Refusal != nil {
			reason = string(e.Refusal.Reason)
		}
		again := reason != "" && reason == refused // the same no every minute is one no
		if reason != "" {
			refused = reason
		} else if e.Kind != incidents.Observed && e.Kind != incidents.Decided && e.Kind != incidents.AlertSeen {
			refused = ""
		}
		if i < told || again || !worthReply(e) {
			continue
		}
		lines = append(lines, clock(e.At)+"  "+shortLine(clean(e.Words())))
		loud = loud || e.Kind == incidents.Asked || e.Kind == incidents.Escalated || e.Kind == incidents.Rung
	}
	if len(lines) == 0 {
		return Message{}, false, false
	}
	m = Message{Text: newest(lines, maxFallback), Blocks: []slackgo.Block{slackgo.NewSectionBlock(
		slackgo.NewTextBlockObject(slackgo.PlainTextType, newest(lines, maxReplyText), false, false), nil, nil)}}
	if names := mentions(events, told); names != "" {
		m.Text = names + "\n" + m.Text // where blocks are not shown people are named as well
		m.Blocks = append([]slackgo.Block{slackgo.NewSectionBlock(ours(names), nil, nil)}, m.Blocks...)
	}
	return m, loud, true
}

// newest is as many of the last lines as fit, escaped, and how many are left out before them.
func newest(lines []string, most int) string {
	const note = "… %d earlier lines are in the record"
	room, first := most-len(note)-10, len(lines)
	for first > 0 {
		w := width(clip(lines[first-1], maxReplyText)) + 1
		if w > room && first < len(lines) {
			break
		}
		room -= w
		first--
	}
	text := clipLines(strings.Join(lines[first:], "\n"), most-len(note)-10)
	if first > 0 {
		text = fmt.Sprintf(note, first) + "\n" + text
	}
	return text
}

// shortLine cuts one line, so that the others of a reply have room.
func shortLine(s string) string {
	if r := []rune(s); len(r) > maxReplyLine {
		return string(r[:maxReplyLine]) + cutNote
	}
	return s
}
