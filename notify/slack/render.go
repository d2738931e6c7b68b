package slack

import (
	"fmt"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	slackgo "github.com/slack-go/slack"
)

// The actions of the buttons, and the block that they are in.
const (
	actionApprove = "firebreak_approve"
	actionDeny    = "firebreak_deny"
	actionPlan    = "firebreak_plan"
	blockAnswer   = "firebreak_answer"
)

// Message is what Slack is told to show.
type Message struct {
	// Text is shown where blocks are not: in notifications, and by screen readers.
	Text   string
	Blocks []slackgo.Block
}

// View is what an incident is shown with, besides its record.
type View struct {
	// Console is [Config.Console].
	Console string
	// Buttons says whether presses can reach us.
	Buttons bool
	// Twice says that the message may have been posted before: it was not possible to look.
	Twice bool
}

// The most characters that the parts of a message may have. All of them together stay below what Slack takes of one message's blocks, of
// which it names no number; people have seen about 10 000.
const (
	maxHeader   = 150
	maxValue    = 160
	maxLabels   = 500
	maxFired    = 700
	maxSeen     = 1200
	maxCause    = 600
	maxPlan     = 1100
	maxEffect   = 700
	maxRefused  = 600
	maxAsked    = 900
	maxLinks    = 1200
	maxEnd      = 300
	maxFooter   = 250
	maxFallback = 1000
)

// Render is the message of an incident. It is pure: the same record gives the same message, so a message that would say nothing new is
// not sent.
func Render(st *incidents.State, events []incidents.Event, v View) Message {
	last := lastAsking(events)
	head := heading(st, last)
	p := page{}
	p.add(slackgo.NewHeaderBlock(plain(head+": "+orUnknown(st.Target), maxHeader)))
	p.facts(st, events)
	p.part("What fired", firedWords(st), maxFired)
	p.part("Labels", labelWords(st), maxLabels)
	p.part("What we saw", seenWords(st), maxSeen)
	p.part("Cause", causeWords(st), maxCause)
	p.part("Plan", planWords(st), maxPlan)
	p.part("After the change", effectWords(st), maxEffect)
	p.part("Refused", refusalWords(st), maxRefused)
	p.part("Approval", askedWords(st, last, v), maxAsked)
	p.part("The end", closingWords(st), maxEnd)
	if v.Buttons && answerable(st) {
		p.add(buttons(st))
	}
	p.links(st, v)
	p.add(slackgo.NewContextBlock("", plain(footer(st, v), maxFooter)))
	return Message{Text: clip(head+": "+orUnknown(st.Target)+" – "+st.Opening.Alert.Name()+" ("+st.ID.String()+")", maxFallback), Blocks: p.blocks}
}

// page collects blocks.
type page struct{ blocks []slackgo.Block }

func (p *page) add(b slackgo.Block) { p.blocks = append(p.blocks, b) }

// part is a title of ours and text of anybody. No text, no part.
func (p *page) part(title, text string, most int) {
	if strings.TrimSpace(text) == "" {
		return
	}
	p.add(slackgo.NewSectionBlock(ours("*"+title+"*"), nil, nil))
	p.add(slackgo.NewSectionBlock(plainLines(text, most), nil, nil))
}

// facts are pairs of a name and a value, in two columns.
func (p *page) facts(st *incidents.State, events []incidents.Event) {
	alert := st.Opening.Alert
	var fields []*slackgo.TextBlockObject
	add := func(name, value string) {
		if value != "" {
			fields = append(fields, ours("*"+name+"*"), plain(value, maxValue))
		}
	}
	name := alert.Name()
	if severity := alert.Labels["severity"]; severity != "" {
		name += " (" + severity + ")"
	}
	add("Alert", orUnknown(name))
	add("Target", orUnknown(st.Target))
	add("Alert now", alertWords(st))
	add("Change now", changeWords(st))
	if st.Escalated {
		add("A person is needed", orUnknown(lastCall(events)))
	}
	p.add(slackgo.NewSectionBlock(nil, fields, nil))
}

// links are addresses of the alert and ours. What does not fit, or is not one, is left out.
func (p *page) links(st *incidents.State, v View) {
	alert := st.Opening.Alert
	var all []string
	room := maxLinks
	for _, l := range []struct{ name, address string }{
		{"Firebreak", consoleURL(v.Console, st.ID.String())}, {"Runbook", alert.Annotations["runbook_url"]},
		{"Alertmanager", alert.Delivery.ExternalURL}, {"Query", alert.GeneratorURL},
	} {
		text, ok := named(l.name, l.address)
		if ok && width(text) <= room {
			all = append(all, text)
			room -= width(text)
		}
	}
	if len(all) > 0 {
		p.add(slackgo.NewContextBlock("", ours(strings.Join(all, "  ·  "))))
	}
}

// answerable says whether an answer of somebody would still change something.
func answerable(st *incidents.State) bool {
	return st.Stage == incidents.Waiting && st.Asking != nil && len(st.Approvals) < max(1, st.Asking.Need)
}

func buttons(st *incidents.State) slackgo.Block {
	a := st.Asking
	value := ref{Incident: st.ID, Asking: a.ID, Plan: a.Plan}.String()
	button := func(action, text string) *slackgo.ButtonBlockElement {
		return slackgo.NewButtonBlockElement(action, value, plain(text, 75))
	}
	what := fmt.Sprintf("%s. Plan %.12s.", a.Step.Words(), a.Plan)
	sure := slackgo.NewConfirmationBlockObject(plain("Approve this plan?", 100), plain(what, 300), plain("Approve", 30), plain("Back", 30))
	return slackgo.NewActionBlock(blockAnswer, button(actionApprove, "Approve").WithStyle(slackgo.StylePrimary).WithConfirm(sure),
		button(actionDeny, "Deny").WithStyle(slackgo.StyleDanger), button(actionPlan, "Show plan"))
}

func footer(st *incidents.State, v View) string {
	s := st.ID.String() + " · opened " + st.OpenedAt.UTC().Format("2006-01-02 15:04:05Z")
	if !st.ClosedAt.IsZero() {
		s += " · closed " + clock(st.ClosedAt)
	}
	if st.Newer {
		s += " · a newer Firebreak wrote to this record; this one does not understand all of it"
	}
	if v.Twice {
		s += " · this may be shown twice: the channel could not be read after a crash"
	}
	return s
}

// clock is a time of day for people, in UTC.
func clock(t time.Time) string { return t.UTC().Format("15:04:05Z") }

func orUnknown(s string) string {
	if strings.TrimSpace(s) == "" {
		return "unknown"
	}
	return s
}
