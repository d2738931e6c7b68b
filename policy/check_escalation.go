package policy

import (
	"maps"
	"slices"
)

// recipients are those whom a rung can tell: their names, and how the file writes them. A name may come from a variable, whose value is
// never said.
type recipients struct {
	names   map[string]bool
	written []string
	// all says that every name could be read, so that another one is known to be wrong.
	all bool
}

// add takes one name in, as the file writes it.
func (r *recipients) add(name, written string) {
	r.names[name] = true
	r.written = append(r.written, written)
}

// recipients collects whom the outcomes name.
func (d *document) recipients(o Outcomes) recipients {
	const webhooks, messages = "outcomes.webhooks", "outcomes.messages"
	r := recipients{names: map[string]bool{}, all: d.reached(webhooks) && d.reached(messages)}
	// One that is there and could not be read is there nonetheless.
	if o.Slack != nil || !d.sound("outcomes.slack") {
		r.add(outcomeSlack, outcomeSlack)
	}
	if o.PagerDuty != nil || !d.sound("outcomes.pagerduty") {
		r.add(outcomePagerDuty, outcomePagerDuty)
	}
	named := func(path, name string) {
		r.all = r.all && d.sound(path)
		if name != "" {
			r.add(name, d.at[path].text)
		}
	}
	for i, w := range o.Webhooks {
		named(at(webhooks, i)+".name", w.Name)
	}
	for i, m := range o.Messages {
		named(at(messages, i)+".name", m.Name)
	}
	return r
}

// checkEscalation looks at the ladder of each severity.
func (d *document) checkEscalation(o Outcomes) {
	const path = "outcomes.escalation"
	if !d.reached(path) {
		return
	}
	known := d.recipients(o)
	for _, severity := range slices.Sorted(maps.Keys(o.Escalation)) {
		ladder := o.Escalation[severity]
		for i, rung := range ladder {
			here := at(join(path, severity), i)
			d.checkRung(here, rung, known)
			if i > 0 {
				d.checkAfter(here+".after", rung.After, at(join(path, severity), i-1)+".after", ladder[i-1].After)
			}
		}
	}
}

// checkRung looks at whom one rung tells.
func (d *document) checkRung(path string, rung Rung, known recipients) {
	d.uniqueTexts(path+".to", rung.To)
	for i, name := range rung.To {
		here := at(path+".to", i)
		switch {
		case name == "" || known.names[name] || !d.sound(here):
		case name == outcomeSlack || name == outcomePagerDuty:
			d.wrong(here, "there is no outcomes.%s to tell: write it, or take %s out", name, name)
		case known.all:
			d.wrong(here, "%s is the name of no outcome: %s", d.written(here), oneOf(d.at[here].text, known.written))
		}
	}
	if mention := path + ".mention"; rung.Mention != "" && d.sound(mention, path+".to") && !slices.Contains(rung.To, outcomeSlack) {
		d.wrong(mention, "is for Slack, which this rung does not tell: add slack to its to, or take mention out")
	}
}

// checkAfter holds that a rung comes after the one before it: otherwise one of the two would never be reached as it stands.
func (d *document) checkAfter(path string, after Duration, theirs string, before Duration) {
	switch {
	case after > before || !d.sound(path, theirs):
	case !d.has(path):
		d.wrong(path, "is missing: write when this rung is reached, more than %s, which is when the one before it is", before.short())
	default:
		d.wrong(path, "must be more than that of the rung before it (%s), got %s", before.short(), d.written(path))
	}
}
