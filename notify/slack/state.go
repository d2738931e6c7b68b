package slack

import (
	"fmt"
	"slices"
	"strings"

	"github.com/firebreak-sre/firebreak/incidents"
)

// heading is where an incident stands, in a few words.
func heading(st *incidents.State, last asked) string {
	if st.Closing != nil {
		return endWords(st.Closing.Outcome)
	}
	switch st.Stage {
	case incidents.Waiting:
		if !answerable(st) {
			return "🟡 Approved, being checked once more"
		}
		return "✋ Approval needed"
	case incidents.Planned:
		return "🔧 About to act"
	case incidents.Sending:
		return "🔧 Acting"
	case incidents.Doubtful:
		return "❓ In doubt whether the change was made"
	case incidents.Standing:
		return "🔧 Changed, being verified"
	case incidents.Holding:
		return "🟢 It helped, the change is held"
	case incidents.Changing:
		return "🔧 Adjusting the change"
	case incidents.Undoing:
		return "↩️ Taking the change back"
	case incidents.UndoDoubtful:
		return "❓ In doubt whether the change was taken back"
	}
	switch {
	case st.Refusal != nil:
		return "⛔ Not acting"
	case last.end == incidents.Denied:
		return "⛔ Denied"
	case last.end == incidents.Expired:
		return "⛔ Nobody answered"
	case last.end == incidents.Voided:
		return "↩️ The asking is withdrawn"
	case st.Escalated:
		return "📟 A person is needed"
	case st.Stage == incidents.Settled:
		return "↩️ The change has ended"
	}
	return "🔎 Looking"
}

func endWords(o incidents.Outcome) string {
	switch o {
	case incidents.OutcomeFixed:
		return "✅ Fixed"
	case incidents.OutcomeIneffective:
		return "⚠️ No effect, taken back"
	case incidents.OutcomeWorse:
		return "⚠️ It got worse, taken back"
	case incidents.OutcomeRegressed:
		return "⚠️ It came back, taken back"
	case incidents.OutcomeRefusedByFix:
		return "⛔ The target refused the change"
	case incidents.OutcomeUnknown:
		return "❓ Unknown, a person decides"
	case incidents.OutcomeObserved:
		return "👀 Only observed"
	case incidents.OutcomeRefused:
		return "⛔ Not acted"
	case incidents.OutcomePaged:
		return "📟 Told to people"
	case incidents.OutcomeFalsePositive:
		return "🟢 No fault to be seen"
	case incidents.OutcomeWithdrawn:
		return "🟢 Resolved before anything was done"
	case incidents.OutcomeStale:
		return "⏱ Too old to act on"
	}
	return "🏁 Ended: " + string(o)
}

// alertWords is what Alertmanager says by now.
func alertWords(st *incidents.State) string {
	a := st.Opening.Alert
	for _, now := range st.Alerts {
		if now.Fingerprint == a.Fingerprint {
			a = now
		}
	}
	var s string
	switch {
	case st.Firing():
		s = "fires since " + clock(a.StartsAt)
	case !a.EndsAt.IsZero():
		s = "resolved at " + clock(a.EndsAt)
	default:
		s = string(a.Status)
	}
	if n := len(st.Alerts); n > 1 {
		s += fmt.Sprintf(" (%d alerts)", n)
	}
	return s
}

// changeWords is what of ours stands.
func changeWords(st *incidents.State) string {
	f := st.Fix()
	switch {
	case f == nil:
		return "nothing was changed"
	case !f.Times.Ended.IsZero() && f.Outcome == incidents.OutcomeUnknown:
		return "unknown since " + clock(f.Times.Ended)
	case !f.Times.Ended.IsZero():
		return "nothing of ours stands since " + clock(f.Times.Ended)
	case f.Times.Applied.IsZero() && st.Stage == incidents.Doubtful:
		return "it may stand, until " + clock(f.Order.Until) + " at the latest"
	case f.Times.Applied.IsZero():
		return "not sent, or not answered yet"
	}
	s := "stands since " + clock(f.Times.Applied) + ", until " + clock(f.Order.Until) + " unless renewed"
	if f.Order.Released > 0 {
		s += fmt.Sprintf(", %d %% given back", f.Order.Released)
	}
	return s
}

// firedWords is what the alert says of itself.
func firedWords(st *incidents.State) string {
	var lines []string
	for _, name := range []string{"summary", "message", "description"} {
		if text := strings.TrimSpace(st.Opening.Alert.Annotations[name]); text != "" && !slices.Contains(lines, text) {
			lines = append(lines, text)
		}
	}
	return strings.Join(lines, "\n")
}

// labelWords are the labels, those first that people ask for first.
func labelWords(st *incidents.State) string {
	labels := st.Opening.Alert.Labels
	first := []string{"severity", "service", "cluster", "namespace", "job", "instance", "team", "env", "region", "zone"}
	names := make([]string, 0, len(labels))
	for name := range labels {
		if name != "alertname" && name != "severity" { // both are above
			names = append(names, name)
		}
	}
	rank := func(name string) int {
		if i := slices.Index(first, name); i >= 0 {
			return i
		}
		return len(first)
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	const most = 12
	var out []string
	for i, name := range names {
		if i == most {
			out = append(out, fmt.Sprintf("and %d more", len(names)-most))
			break
		}
		out = append(out, name+"="+short(labels[name]))
	}
	return strings.Join(out, "  ")
}

// short keeps one value from filling what all of them share.
func short(s string) string {
	const most = 80
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

func seenWords(st *incidents.State) string {
	evidence := []incidents.Evidence(nil)
	if st.Decision != nil {
		evidence = st.Decision.Evidence
	}
	if st.Asking != nil {
		evidence = st.Asking.Evidence // what people are asked about, not what was seen since
	}
	return evidenceWords(evidence)
}

func evidenceWords(evidence []incidents.Evidence) string {
	var lines []string
	for _, e := range evidence {
		words := e.Words
		if words == "" {
			words = fmt.Sprintf("%s: %g %s", e.Name, e.Value, e.Unit)
		}
		lines = append(lines, "• "+strings.ReplaceAll(words, "\n", " "))
	}
	return strings.Join(lines, "\n")
}

func causeWords(st *incidents.State) string {
	d := st.Decision
	if d == nil {
		return ""
	}
	return d.Cause + " → " + string(d.Verdict) + ": " + d.Reason
}

// effectWords is what was seen after the change.
func effectWords(st *incidents.State) string {
	f := st.Fix()
	if f == nil || f.Judgement == nil {
		return ""
	}
	s := strings.ReplaceAll(string(f.Judgement.Effect), "_", " ") + ": " + f.Judgement.Words
	if e := evidenceWords(f.Judgement.Evidence); e != "" {
		s += "\n" + e
	}
	return s
}

// closingWords is how the incident ended.
func closingWords(st *incidents.State) string {
	if st.Closing == nil {
		return ""
	}
	return strings.ReplaceAll(string(st.Closing.Outcome), "_", " ") + ": " + st.Closing.Words
}

// lastCall is why a person was called last.
func lastCall(events []incidents.Event) string {
	for _, e := range slices.Backward(events) {
		if e.Kind == incidents.Escalated {
			return e.Note
		}
	}
	return ""
}
