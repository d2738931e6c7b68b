package review

import (
	"fmt"
	"strings"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/incidents/measure"
)

// summary says what happened, in sentences that somebody can read out.
func (r *reader) summary(d Document) []string {
	if len(r.rows) == 0 {
		return []string{"There is nothing in the record."}
	}
	var out []string
	for _, s := range []string{r.began(d), r.found(d), r.did(d), r.called(), r.ended(d), held(d)} {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

func (r *reader) began(d Document) string {
	if !r.m.Whole {
		return "How it began is not in the record any more."
	}
	name := "An alert without a name"
	if len(d.Alerts) > 0 && d.Alerts[0].Name != "" {
		name = "The alert " + d.Alerts[0].Name
	}
	text := fmt.Sprintf("%s began to fire for %s at %s", name, d.Target, stamp(r.m.At[measure.Started]))
	if took, why := r.m.Took(measure.Started, measure.Detected); why == "" {
		text += fmt.Sprintf(", and the incident was opened %s later", Span(took))
	}
	if n := len(d.Alerts) - 1; n > 0 {
		text += "; " + counted(n, "further alert") + " joined it"
	}
	return sentence(text)
}

func (r *reader) found(d Document) string {
	f := d.Finding
	if f == nil && !r.m.Whole {
		return "What is left of the record has no decision."
	}
	if f == nil {
		return "Nothing was decided."
	}
	text := fmt.Sprintf("The cause was taken to be %s", f.Cause)
	if took, why := r.m.Took(measure.Detected, measure.Decided); why == "" {
		text += fmt.Sprintf(", %s after the detection", Span(took))
	}
	if f.Reason != "" {
		text += ": " + f.Reason
	}
	return sentence(text)
}

func (r *reader) did(d Document) string {
	if len(d.Changes) == 0 {
		return r.didNothing(d)
	}
	var out []string
	for i, c := range d.Changes {
		text := fmt.Sprintf("The change %q was ", c.What)
		switch f := r.state.Fixes[i]; {
		case !f.Times.Applied.IsZero():
			text += fmt.Sprintf("made, and stood %s after the detection", r.after(f.Times.Applied))
		case !f.Times.Issued.IsZero():
			text += "sent, and it is not proved that it ever stood"
		default:
			text += "planned, and not sent"
		}
		if c.Effect != "" {
			text += fmt.Sprintf("; it was judged %s", strings.ReplaceAll(c.Effect, "_", " "))
			if c.Words != "" {
				text += ": " + c.Words
			}
		}
		out = append(out, sentence(text))
	}
	return strings.Join(append(out, r.tookBack()), " ")
}

// tookBack says whether anything of ours can still stand.
func (r *reader) tookBack() string {
	f := r.state.Fix()
	at := r.m.At[measure.Reverted]
	switch {
	case f.Outcome == incidents.OutcomeUnknown:
		return "The target never said whether it changed: a person must look whether anything stands there."
	case !at.IsZero():
		return fmt.Sprintf("It was taken back, and since %s nothing of it stands.", r.after(at).signed())
	case r.state.Stage == incidents.UndoDoubtful:
		return "It is not proved that it was taken back: a person must look."
	case f.Times.Ended.IsZero() && !f.Times.Applied.IsZero():
		return "By this record it stands still."
	case f.Times.Ended.IsZero() && !f.Times.Issued.IsZero():
		return "It is not known yet whether it stands."
	case f.Order.Once && !f.Times.Applied.IsZero():
		return "It happened once, and there is nothing to take back."
	case !f.Times.Applied.IsZero():
		return "It had ended, or somebody else had changed it: it was left alone."
	}
	return "Nothing of it stands."
}

func (r *reader) didNothing(d Document) string {
	text := "Nothing was changed"
	if !r.m.Whole {
		text = "What is left of the record has no change"
	}
	switch n := len(d.Refusals); {
	case n > 0:
		var names []string
		for _, no := range d.Refusals {
			names = append(names, no.Reason)
		}
		text += ": it was refused because of " + and(names)
	case d.Finding != nil && d.Finding.Verdict != string(incidents.Act):
		text += ": the decision was " + verdictWords(d.Finding.Verdict)
	}
	return sentence(text)
}

// verdictWords is a verdict that asks for no change, in a sentence.
func verdictWords(verdict string) string {
	switch incidents.Verdict(verdict) {
	case incidents.Page:
		return "to call a person"
	case incidents.Wait:
		return "to look again"
	case incidents.FalsePositive:
		return "that the live system shows no such fault"
	}
	return strings.ReplaceAll(verdict, "_", " ")
}

func (r *reader) called() string {
	at := r.m.At[measure.Escalated]
	if at.IsZero() {
		return ""
	}
	text := fmt.Sprintf("A person was called at %s", r.after(at).signed())
	if took, why := r.m.Took(measure.Escalated, measure.Answered); why == "" {
		return sentence(fmt.Sprintf("%s, and one answered %s later", text, Span(took)))
	}
	return sentence(text + ", and the record has no answer")
}

func (r *reader) ended(d Document) string {
	var text string
	if took, why := r.m.Took(measure.Started, measure.Recovered); why == "" {
		text = fmt.Sprintf("The fault was over %s after the alert began. ", Span(took))
	} else {
		text = "The record does not say that the fault was over. "
	}
	if d.Outcome == "" {
		return text + sentence(fmt.Sprintf("The incident is open; it stands at %q", strings.ReplaceAll(d.Stage, "_", " ")))
	}
	text += "The incident ended as " + strings.ReplaceAll(d.Outcome, "_", " ")
	if c := r.state.Closing; c != nil && c.Words != "" {
		text += ": " + plain(c.Words)
	}
	return sentence(text)
}

// held says how it stands to the targets.
func held(d Document) string {
	met := 0
	var missed []string
	for _, t := range d.Targets {
		switch t.Result {
		case measure.Met:
			met++
		case measure.Missed:
			missed = append(missed, fmt.Sprintf("%s (%s; %s)", t.Name, t.Took, t.Source))
		}
	}
	of := met + len(missed)
	switch {
	case len(d.Targets) == 0:
		return ""
	case of == 0:
		return fmt.Sprintf("None of the targets of %s can be measured.", d.Runbook)
	case len(missed) == 0:
		return fmt.Sprintf("All %d targets of %s that can be measured were met.", of, d.Runbook)
	}
	return sentence(fmt.Sprintf("Of the %d targets of %s that can be measured, met: %d; missed: %s", of, d.Runbook, met, and(missed)))
}

// questions are what the record asks of those who talk about it.
func (r *reader) questions(d Document) []string {
	var out []string
	for _, t := range d.Targets {
		if t.Result == measure.Missed {
			out = append(out, fmt.Sprintf("%s took %s, and the target is %s. What would make it faster?", t.Name, t.Took, t.Source))
		}
	}
	for _, no := range d.Refusals {
		out = append(out, fmt.Sprintf("A change was refused because of %s (%s). Was that right?", no.Reason, counted(no.Times, "time")))
	}
	for _, c := range d.Changes {
		if c.Override != "" {
			out = append(out, fmt.Sprintf("%s let %s pass the brakes. What made that necessary?", c.Override, c.What))
		}
		if c.Effect == string(incidents.NoEffect) || c.Effect == string(incidents.Worse) {
			out = append(out, fmt.Sprintf("%s did not help. Is the cause right, and is the fix right for it?", c.What))
		}
	}
	if r.state.Fix() != nil && r.state.Fix().Outcome == incidents.OutcomeUnknown || r.state.Stage == incidents.UndoDoubtful {
		out = append(out, "It is not proved what stands at the target. Who has looked, and what did they find?")
	}
	if !r.m.At[measure.Escalated].IsZero() && r.m.At[measure.Answered].IsZero() {
		out = append(out, "A person was called, and the record has no answer. Did the call arrive?")
	}
	out = append(out, "When did users notice, and how? The alert's own waiting lies before everything here.")
	if len(d.Changes) > 0 {
		out = append(out, "Would the fault have ended without the change?")
	}
	return out
}
