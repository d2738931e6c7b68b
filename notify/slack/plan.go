package slack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/firebreak-sre/firebreak/incidents"
)

// planWords is the change that is asked for, under way, or was decided on, with everything that bounds it.
func planWords(st *incidents.State) string {
	d := incidents.Decision{}
	if st.Decision != nil {
		d.Verify = st.Decision.Verify
	}
	var class, hash string
	switch f := st.Fix(); {
	case st.Asking != nil:
		step := st.Asking.Step
		d.Step, class, hash = &step, string(st.Asking.Class), st.Asking.Plan
	case st.Decision != nil && st.Decision.Step != nil && (f == nil || !f.Times.Ended.IsZero()) && st.Open():
		d.Step, hash = st.Decision.Step, st.Plan
	case f != nil:
		step, verify := f.Order.Step, f.Verify
		d.Step, d.Verify, hash = &step, &verify, f.Order.Plan
	default:
		return ""
	}
	lines := []string{d.Step.Fix + " on " + d.Step.Place()}
	if params := compact(d.Step.Params); params != "" {
		lines = append(lines, "Settings: "+short(params))
	}
	lines = append(lines, ending(d)...)
	if v := d.Verify; v != nil && v.Within > 0 {
		lines = append(lines, fmt.Sprintf("Expected: the symptom gets better within %s; looked at every %s", v.Within, v.Every))
	}
	if class != "" {
		lines = append(lines, "Class "+class)
	}
	if hash != "" {
		lines = append(lines, fmt.Sprintf("Plan %.12s", hash))
	}
	return strings.Join(lines, "\n")
}

// ending says how long a change stands, and how it ends.
func ending(d incidents.Decision) []string {
	s := d.Step
	if s.Once && s.Undo {
		return []string{"Done once: taken back if it does not help, and kept if it does"}
	}
	if s.Once {
		return []string{"Done once: it cannot be taken back"}
	}
	undo := "Undone as soon as the alert resolves, or when it does not help"
	if d.Verify != nil && d.Verify.UntilHealed {
		return []string{fmt.Sprintf("Undone when the fault has been gone for a while, after %s at the latest, or when it does not help", s.Limit)}
	}
	if len(s.Ramp) > 0 {
		shares := make([]string, len(s.Ramp))
		for i, share := range s.Ramp {
			shares[i] = fmt.Sprintf("%d %%", share)
		}
		undo += "; calls are given back in steps: " + strings.Join(shares, ", ") + ", all"
	}
	return []string{fmt.Sprintf("At most %s altogether; it ends by itself when it is not renewed for %s", s.Limit, s.TTL), undo}
}

// compact is JSON on one line, "" if it says nothing.
func compact(raw json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return string(raw)
	}
	if s := b.String(); s != "{}" && s != "null" {
		return s
	}
	return ""
}

// fullPlan is the plan that is asked about as JSON, and whether it is exactly what the hash was made of. It is rebuilt from the record;
// where the record has moved on, what was asked is shown instead.
func fullPlan(st *incidents.State) (text string, exact bool) {
	a := st.Asking
	if st.Decision != nil {
		p := incidents.PlanOf(st, st.Domain, a.Class, *st.Decision)
		if p.Hash() == a.Plan {
			return indented(p), true
		}
	}
	return indented(a), false
}

func indented(v any) string {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return "it cannot be written as JSON: " + err.Error()
	}
	return string(text)
}

// refusalWords is the last no, by its name, with what lifts it.
func refusalWords(st *incidents.State) string {
	r := st.Refusal
	if r == nil {
		return ""
	}
	lines := []string{string(r.Reason) + ": " + r.Words}
	if r.By != "" {
		lines = append(lines, "Held by "+r.By)
	}
	lift := lifts(string(r.Reason))
	switch {
	case !st.Open():
	case !r.Until.IsZero() && lift != "":
		lines = append(lines, "Tried again at "+clock(r.Until)+"; lifted by "+lift)
	case !r.Until.IsZero():
		lines = append(lines, "Tried again at "+clock(r.Until))
	case lift != "":
		lines = append(lines, "Lifted by "+lift)
	}
	return strings.Join(lines, "\n")
}

// lifts is what ends a refusal, for those that time alone does not end.
func lifts(reason string) string {
	switch reason {
	case "stale_alert":
		return "the alert being delivered again"
	case "silenced", "inhibited", "muted":
		return "Alertmanager, when it no longer holds the alert back"
	case "alert_unconfirmed":
		return "Alertmanager answering again"
	case "observe", "not_allowed", "class":
		return "another policy"
	case "denied":
		return "another plan, or a person's override"
	case "approval_expired":
		return "a person's override"
	case "paused", "kill_switch":
		return "a person who allows acting again"
	case "maintenance":
		return "the end of the maintenance window"
	case "owner_paused":
		return "who works at the target, when they resume its manager"
	case "no_watchdog", "observer_unhealthy":
		return "our own sight being well again"
	case "unacknowledged", "frozen", "ineffective_chain":
		return "a person who acknowledges what was done"
	case "target_busy":
		return "the end of the change that stands there"
	case "newer_record":
		return "the newer build"
	}
	return ""
}
