package kpi

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// Table writes the figures for people, each group below the other.
func (r Report) Table(w io.Writer) error {
	p := &printer{w: w}
	p.line("%s to %s", moment(r.Since), moment(r.Until))
	if len(r.Handlers) == 0 {
		p.line("no incident was opened in this time")
	}
	for _, g := range append(r.Handlers[:len(r.Handlers):len(r.Handlers)], r.Runbooks...) {
		p.group(g)
	}
	if r.Earlier > 0 || r.Unread > 0 {
		p.line("")
	}
	if r.Earlier > 0 {
		p.line("%s ended in this time and began before it: in no figure above.", counted(r.Earlier, "incident"))
	}
	if r.Unread > 0 {
		p.line("%s could not be read: what they say is in no figure above.", counted(r.Unread, "message"))
	}
	return p.err
}

// printer keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

func (p *printer) group(g Group) {
	p.line("")
	p.line("%s: %s, %d open", g.title(), counted(g.Incidents, "incident"), g.Open)
	p.spans(g)
	p.line("  changes   %d sent, %d stood, %d helped, %d taken back", g.Changes.Sent, g.Changes.Stood, g.Changes.Helped, g.Changes.Reverted)
	p.line("  success   %s", g.Success.words())
	if len(g.Outcomes) > 0 {
		list := make([]string, 0, len(g.Outcomes))
		for _, o := range g.Outcomes {
			list = append(list, fmt.Sprintf("%s %d", safe(o.Outcome), o.Count))
		}
		p.line("  outcomes  %s", strings.Join(list, ", "))
	}
	for i, refused := range g.Refused {
		label := "refused"
		if i > 0 {
			label = ""
		}
		p.line("  %-8s  %s: %s, said %d times", label, safe(refused.Reason), counted(refused.Incidents, "incident"), refused.Times)
	}
}

// title names a group.
func (g Group) title() string {
	switch {
	case g.Handler == "":
		return g.Runbook + " (all its handlers)"
	case g.Runbook == "":
		return safe(g.Handler)
	}
	return safe(g.Handler) + " (" + g.Runbook + ")"
}

func (p *printer) spans(g Group) {
	if p.err != nil {
		return
	}
	w := tabwriter.NewWriter(p.w, 2, 8, 2, ' ', 0)
	fmt.Fprintln(w, "  \tCOUNT\tP50\tP95\tWORST\tTARGET\tMET\tMISSED")
	for _, s := range g.Spans {
		target, met, missed := "-", "-", "-"
		if s.Target > 0 {
			target, met, missed = "< "+short(s.Target), fmt.Sprint(s.Met), fmt.Sprint(s.Missed)
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\n", s.Name, s.cells(), target, met, missed)
	}
	fmt.Fprintf(w, "  approval\t%s\t-\t-\t-\n", g.Approvals.cells())
	p.err = w.Flush()
}

func (q Quantiles) cells() string {
	if q.Count == 0 {
		return "0\t-\t-\t-"
	}
	return fmt.Sprintf("%d\t%s\t%s\t%s", q.Count, short(q.P50), short(q.P95), short(q.Worst))
}

func (r Rate) words() string {
	if r.Of == 0 {
		return "no incident with a change has ended"
	}
	words := fmt.Sprintf("%d of %d fixed, %s (95 %% of Wilson: %s to %s)", r.Fixed, r.Of, percent(r.Share), percent(r.Low), percent(r.High))
	if r.Target > 0 {
		words += fmt.Sprintf("; target > %s: %s", percent(r.Target), r.Result)
	}
	return words
}

func percent(share float64) string { return fmt.Sprintf("%.1f %%", share*100) }

func counted(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

// short is a span with as many digits as people need: 850ms, 12.3s, 4m10s, 2h5m.
func short(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d < time.Second:
		d = d.Round(time.Millisecond)
	case d < time.Minute:
		d = d.Round(100 * time.Millisecond)
	case d < time.Hour:
		d = d.Round(time.Second)
	default:
		d = d.Round(time.Minute)
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// safe makes text of a record safe for a terminal: a newer build, or a stranger at the bus, wrote it.
func safe(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}
