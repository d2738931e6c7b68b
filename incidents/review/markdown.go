package review

import (
	"fmt"
	"io"
	"strings"
)

// Markdown writes the document for a repository or a ticket. It keeps to what all readers of the format have in common, and to tables.
func (d Document) Markdown(w io.Writer) error {
	m := &markdown{}
	m.line("# Review of %s: %s", md(d.Incident), md(d.Target))
	m.line("")
	m.table([]string{"", ""}, d.facts())
	m.section("Summary")
	for _, s := range d.Summary {
		m.line("%s\n", md(s))
	}
	for _, g := range d.Gaps {
		m.line("**%s**\n", md(g))
	}
	m.targets(d)
	m.picture(d)
	m.timeline(d)
	m.finding(d.Finding)
	m.changes(d)
	m.people(d)
	m.refusals(d)
	m.alerts(d)
	m.toFill(d)
	text := strings.ReplaceAll(m.String(), "\n\n\n", "\n\n")
	_, err := io.WriteString(w, strings.TrimRight(text, "\n")+"\n")
	return err
}

// facts are the document's head, as names and values.
func (d Document) facts() [][]string {
	ended := d.Outcome
	if ended == "" {
		ended = "open: " + d.Stage
	}
	out := [][]string{{"Incident", d.Incident}, {"Target", d.Target}, {"Handler", d.Handler}}
	if d.Runbook != "" {
		out = append(out, []string{"Runbook", d.Runbook})
	}
	out = append(out, []string{"Outcome", ended}, []string{d.zeroName(), stamp(d.Zero)}, []string{"Known until", stamp(d.AsOf)})
	if f := d.Finding; f != nil && f.Policy != "" {
		out = append(out, []string{"Policy", f.Policy})
	}
	if f := d.Finding; f != nil && f.Build != "" {
		out = append(out, []string{"Build", f.Build})
	}
	return out
}

// zeroName is what the moment is from which all times count.
func (d Document) zeroName() string {
	if d.Torn {
		return "Oldest event"
	}
	return "Detected"
}

// Counting says from when times count.
func (d Document) Counting() string {
	if d.Torn {
		return "Times count from the oldest event that is left, at " + stamp(d.Zero) + "."
	}
	return "Times count from the detection at " + stamp(d.Zero) + "."
}

// markdown is a document while it is written. What is handed to line is already escaped; what is handed to table is not.
type markdown struct{ strings.Builder }

func (m *markdown) line(format string, args ...any) { fmt.Fprintf(&m.Builder, format+"\n", args...) }

func (m *markdown) section(title string) { m.line("\n## %s\n", title) }

func (m *markdown) table(head []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	m.cells(head)
	m.line("|%s", strings.Repeat("---|", len(head)))
	for _, row := range rows {
		m.cells(row)
	}
	m.line("")
}

func (m *markdown) cells(row []string) {
	m.WriteString("|")
	for _, c := range row {
		m.WriteString(" " + md(c) + " |")
	}
	m.WriteString("\n")
}

func (m *markdown) targets(d Document) {
	if len(d.Targets) == 0 {
		return
	}
	m.section("Targets")
	m.table([]string{"Figure", "Target of " + d.Runbook, "Took", "Result"}, d.targetRows())
	m.line("Spans count from when the alert began to fire, or from when a person was called. The alert rule's own waiting lies before that.")
}

func (d Document) targetRows() [][]string {
	var rows [][]string
	for _, t := range d.Targets {
		took, result := "", string(t.Result)
		if t.Took > 0 {
			took = t.Took.String()
		}
		if t.Why != "" {
			result += ": " + t.Why
		}
		rows = append(rows, []string{t.Name, t.Source, took, result})
	}
	return rows
}

// picture draws with letters; nothing that strangers wrote is in it.
func (m *markdown) picture(d Document) {
	const width = 60
	if len(d.picture.Lanes) == 0 {
		return
	}
	m.section("Picture")
	m.line("```")
	for _, l := range d.picture.Lanes {
		cells := []rune(strings.Repeat("·", width))
		for _, b := range l.Bars {
			for i := int(b.X / 100 * width); i < width && (float64(i) < (b.X+b.Width)/100*width); i++ {
				cells[i] = '█'
			}
		}
		m.line("%s  %s", string(cells), l.Label)
	}
	m.line("```\n")
	if d.picture.Note != "" {
		m.line("%s\n", md(d.picture.Note))
	}
	var rows [][]string
	for _, p := range d.picture.Plots {
		rows = append(rows, []string{p.Name, spark(p), p.Top, p.Bottom, p.Words})
	}
	m.table([]string{"Measured", "Over time", "Top", "Bottom", "In words"}, rows)
}

// spark is a plot in one line of blocks.
func spark(p plot) string {
	blocks := []rune("▁▂▃▄▅▆▇█")
	least, most := reach(p.Points)
	least = min(0, least)
	var out strings.Builder
	for i := range min(24, len(p.Points)) {
		at := i * len(p.Points) / min(24, len(p.Points))
		level := 0
		if most > least {
			level = int((p.Points[at].Value/(most-least) - least/(most-least)) * float64(len(blocks)-1))
		}
		out.WriteRune(blocks[min(max(level, 0), len(blocks)-1)])
	}
	return out.String()
}

func (m *markdown) timeline(d Document) {
	m.section("Timeline")
	m.line("%s\n", d.Counting())
	var rows [][]string
	for i, row := range d.Timeline {
		if d.LeftOut > 0 && i == len(d.Timeline)/2 {
			rows = append(rows, []string{"…", "", fmt.Sprintf("%d rows are left out here; \"firebreak incidents show\" has them", d.LeftOut)})
		}
		rows = append(rows, []string{row.When(), row.Label(), row.Words})
	}
	m.table([]string{"After", "What", "Words"}, rows)
}

// When is the row's time, as a timeline shows it.
func (r Row) When() string { return r.After.signed() }

// Label is the row's kind, with how often it came.
func (r Row) Label() string {
	kind := strings.ReplaceAll(r.Kind, "_", " ")
	if r.Times > 1 {
		return fmt.Sprintf("%s (%d times until %s)", kind, r.Times, r.Last.signed())
	}
	return kind
}

func (m *markdown) finding(f *Finding) {
	if f == nil {
		return
	}
	m.section("Cause")
	m.line("**%s → %s:** %s\n", md(f.Cause), md(f.Verdict), md(f.Reason))
	if f.Rule != "" {
		m.line("The rule that held: %s\n", md(f.Rule))
	}
	var rows [][]string
	for _, fact := range f.Facts {
		rows = append(rows, []string{fact.Name, fact.Before, fact.After})
	}
	m.table([]string{"Evidence", "When it was decided", "When it was judged last"}, rows)
	if len(f.Others) > 0 {
		m.section("What was not done")
		rows = nil
		for _, o := range f.Others {
			rows = append(rows, []string{o.Name, o.Why})
		}
		m.table([]string{"Considered", "Why not"}, rows)
	}
}

func (m *markdown) changes(d Document) {
	if len(d.Changes) == 0 {
		return
	}
	m.section("What was done")
	for i, c := range d.Changes {
		m.line("### Change %d: %s\n", i+1, md(c.What))
		m.table([]string{"", ""}, c.rows())
	}
}

// rows are a change as names and values.
func (c Change) rows() [][]string {
	var rows [][]string
	for _, pair := range [][]string{{"Settings", c.Params}, {"Bounds", c.Bounds}, {"Plan", c.Plan}, {"Action", c.Action}, {"Brakes overridden by", c.Override},
		{"Judged", strings.TrimPrefix(c.Effect+": "+c.Words, ": ")}} {
		if pair[1] != "" {
			rows = append(rows, pair)
		}
	}
	for _, s := range c.Steps {
		rows = append(rows, []string{s.Name, fmt.Sprintf("%s (%s)", s.After.signed(), stamp(s.At))})
	}
	return rows
}

func (m *markdown) people(d Document) {
	m.section("Who agreed")
	if len(d.Said) == 0 {
		m.line("%s", d.nobody())
		return
	}
	var rows [][]string
	for _, s := range d.Said {
		done := ""
		if s.Done {
			done = "yes"
		}
		rows = append(rows, []string{s.After.signed(), s.Words, s.Plan, done})
	}
	m.table([]string{"After", "Who and what", "Plan", "Carried out"}, rows)
}

// nobody says why nobody agreed to anything.
func (d Document) nobody() string {
	if len(d.Changes) > 0 {
		return "Nobody was asked: the policy and its bounds let this change be made without."
	}
	return "Nobody was asked, and nobody said anything."
}

func (m *markdown) refusals(d Document) {
	if len(d.Refusals) == 0 {
		return
	}
	m.section("What was refused")
	var rows [][]string
	for _, no := range d.Refusals {
		rows = append(rows, []string{no.Reason, no.Often(), no.Words, no.Means, no.Lifts})
	}
	m.table([]string{"Reason", "When", "Words", "Means", "Lifted by"}, rows)
}

// Often says when it was said, and how often.
func (r Refusal) Often() string {
	if r.Times == 1 {
		return r.First.signed()
	}
	return fmt.Sprintf("%d times, from %s to %s", r.Times, r.First.signed(), r.Last.signed())
}

func (m *markdown) alerts(d Document) {
	m.section("Alerts")
	for _, a := range d.Alerts {
		m.line("### %s (%s)\n", md(a.Name), md(a.Status))
		m.table([]string{"", ""}, a.rows())
	}
}

// rows are an alert as names and values.
func (a Alert) rows() [][]string {
	rows := [][]string{{"began", stamp(a.StartsAt)}}
	if !a.EndsAt.IsZero() {
		rows = append(rows, []string{"ended", stamp(a.EndsAt)})
	}
	for _, p := range a.Labels {
		rows = append(rows, []string{p.Name, p.Value})
	}
	for _, p := range a.Annotations {
		rows = append(rows, []string{p.Name, p.Value})
	}
	return rows
}

func (m *markdown) toFill(d Document) {
	m.section("To talk about")
	for _, q := range d.Questions {
		m.line("- %s", md(q))
	}
	for _, title := range blanks() {
		m.section(title)
		m.line("_(to be written)_")
	}
	m.section("Action items")
	m.table([]string{"What", "Who", "Until"}, [][]string{{"", "", ""}, {"", "", ""}, {"", "", ""}})
}

// blanks are what only people know.
func blanks() []string {
	return []string{"Impact on users", "What went well", "What went badly", "Where luck helped"}
}
