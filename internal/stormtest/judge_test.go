package stormtest

import (
	"fmt"
	"strings"
	"time"
)

// judgeAlerts: every alert that got a 200 is in the history, as often as it did; every alert of an edge is in the record of one of that edge's
// incidents, and the last that is said of it is that it resolved.
func (w *world) judgeAlerts(all []record) (wrongs []string) {
	history, err := list[alert](w.ctx, w.api, "/api/v1/alerts?since=1h")
	if err != nil {
		return []string{err.Error()}
	}
	copies, last := map[string]int{}, map[string]string{}
	for _, a := range history {
		copies[a.key()] = a.Copies
	}
	for _, r := range all {
		for _, e := range r.Events {
			if a := e.told(); a != nil {
				last[r.Summary.Target+" "+a.Fingerprint] = a.Status
			}
		}
	}
	acked := map[string]int{}
	for _, n := range w.am.acknowledged() {
		acked[n.key()]++
		if n.target() == "" || n.status != "firing" {
			continue
		}
		if status := last[n.target()+" "+n.fingerprint()]; status != "resolved" {
			wrongs = append(wrongs, fmt.Sprintf("the last that the records of %s tell of alert %s is %q", n.target(), n.fingerprint(), status))
		}
	}
	for key, n := range acked {
		if copies[key] < n {
			wrongs = append(wrongs, fmt.Sprintf("%s got a 200 %d times, and is in the history %d times", key, n, copies[key]))
		}
	}
	return wrongs
}

// judgeRecords: every incident is opened once and closed once, with one outcome, as the last that happens; every change that was
// intended comes to one end.
func judgeRecords(all []record) (wrongs []string) {
	for _, r := range all {
		last := r.Events[len(r.Events)-1]
		if r.count("opened") != 1 || r.count("closed") != 1 || last.Kind != "closed" || last.Closing == nil || last.Closing.Outcome == "" {
			wrongs = append(wrongs, fmt.Sprintf("%s of %s: opened %d times, closed %d times, at last %s", r.Summary.ID, r.Summary.Target,
				r.count("opened"), r.count("closed"), last.Kind))
		}
		open, issued := "", false
		for _, e := range r.Events {
			switch e.Kind {
			case "intended":
				if open != "" {
					wrongs = append(wrongs, fmt.Sprintf("%s: intent %s has no end", r.Summary.ID, open))
				}
				open, issued = e.Order.Action, false
			case "issuing":
				issued = true
			case "refused":
				if !issued {
					open = "" // armed, and not sent
				}
			case "reverted", "not_applied":
				open = ""
			case "gave_up", "not_ours":
				wrongs = append(wrongs, fmt.Sprintf("%s: %s of intent %s", r.Summary.ID, e.Kind, open))
				open = ""
			}
		}
		if open != "" {
			wrongs = append(wrongs, fmt.Sprintf("%s: intent %s has no end", r.Summary.ID, open))
		}
	}
	return wrongs
}

// judgeEffects: at the targets themselves no limit was ever passed, nothing took effect that was not recorded as issued before, and
// everything was taken back. All of the test lies within one hour, so the budget of an hour is that of the test.
func (w *world) judgeEffects(all []record) (wrongs []string) {
	effects, wrongs := w.town.testimony()
	issued := map[string]time.Time{}
	for _, r := range all {
		for _, e := range r.Events {
			if e.Kind == "issuing" {
				issued[e.Order.Action] = e.At
			}
		}
	}
	if len(effects) != budgetHour {
		wrongs = append(wrongs, fmt.Sprintf("%d changes took effect, want %d: the test spends the whole budget, and nothing beyond", len(effects), budgetHour))
	}
	for i, f := range effects {
		if at, ok := issued[f.action]; !ok || at.After(f.from) {
			wrongs = append(wrongs, fmt.Sprintf("action %s took effect at %s, and its issuing is recorded at %s", f.action, f.from, at))
		}
		if f.to.IsZero() {
			wrongs = append(wrongs, fmt.Sprintf("action %s still stands at %s", f.action, f.edge.target()))
		}
		together, domain := 1, 0
		for j, g := range effects {
			if i == j || g.from.After(f.from) || !g.to.IsZero() && g.to.Before(f.from) {
				continue
			}
			together++
			if g.edge.service == f.edge.service {
				domain++
			}
		}
		if together > budgetConcurrent || domain > 0 {
			wrongs = append(wrongs, fmt.Sprintf("when action %s took effect %d stood, %d more of its domain", f.action, together, domain))
		}
	}
	return wrongs
}

// onTheWay is how long a change may take from its grant to its being recorded: one that was granted just before the storm was
// noticed is no fault.
const onTheWay = time.Second

// judgeStorms: the kernel noticed each storm and stopped all changes without a break until it was over; refusals tell of it, in the
// metric and in the records; the edge that alone was sick in its zone was left alone as well.
func (w *world) judgeStorms(rounds []*round, all []record) (wrongs []string) {
	noticed, err := w.api.metric(w.ctx, "firebreak_alert_storms_total", "")
	if err != nil {
		return []string{err.Error()}
	}
	refused, err := w.api.metric(w.ctx, "firebreak_refusals_total", "reason")
	if err != nil {
		return []string{err.Error()}
	}
	if sum(noticed) < len(rounds) {
		wrongs = append(wrongs, fmt.Sprintf("firebreak_alert_storms_total is %d after %d storms", sum(noticed), len(rounds)))
	}
	recorded := map[string]int{}
	for _, r := range all {
		for _, e := range r.Events {
			if e.Refusal != nil {
				recorded[e.Refusal.Reason]++
			}
		}
	}
	for _, reason := range []string{"storm", "blast_radius", "budget_spent"} {
		if refused[reason] == 0 || refused[reason] != recorded[reason] {
			wrongs = append(wrongs, fmt.Sprintf("%s refused %d times by the metric, and %d times by the records", reason, refused[reason], recorded[reason]))
		}
	}
	for i, r := range rounds {
		if r.begun.IsZero() || r.watch.lapses > 0 {
			wrongs = append(wrongs, fmt.Sprintf("storm %d: all changes were stopped from %s, with %d breaks", i+1, r.begun, r.watch.lapses))
		}
		wrongs = append(wrongs, r.judgeQuiet(i+1, all)...)
		if len(r.watch.problems) > 0 {
			wrongs = append(wrongs, fmt.Sprintf("storm %d: whoever asked got no answer: %s", i+1, strings.Join(r.watch.problems, "; ")))
		}
	}
	return wrongs
}

// judgeQuiet: nothing new was changed while the storm lasted.
func (r *round) judgeQuiet(nth int, all []record) (wrongs []string) {
	for _, rec := range all {
		for _, e := range rec.Events {
			if (e.Kind == "intended" || e.Kind == "issuing") && e.At.After(r.begun.Add(onTheWay)) && e.At.Before(r.over) {
				wrongs = append(wrongs, fmt.Sprintf("storm %d (%s to %s): %s of %s at %s", nth, r.begun, r.over, e.Kind, rec.Summary.Target, e.At))
			}
		}
	}
	return wrongs
}

// judgeMemory: it has a bound, and the last storm finds the room that the one before took.
func judgeMemory(rounds []*round) (wrongs []string) {
	for _, r := range rounds {
		if r.watch.rss > memoryMost {
			wrongs = append(wrongs, fmt.Sprintf("%d MiB were in memory, at most %d are allowed", r.watch.rss>>20, memoryMost>>20))
		}
	}
	before, last := rounds[storms-2].watch.rss, rounds[storms-1].watch.rss
	if last*100 > before*(100+memoryGrowth) {
		wrongs = append(wrongs, fmt.Sprintf("a storm took %d MiB, the next one like it %d", before>>20, last>>20))
	}
	return wrongs
}
