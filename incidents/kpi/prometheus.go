package kpi

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Prometheus writes the figures in the text format of Prometheus, e.g. for the textfile collector. They are gauges: each run counts anew
// over its own span of time.
func (r Report) Prometheus(w io.Writer) error {
	x := &exposition{w: w}
	x.family("firebreak_kpi_window_seconds", "How long the time is over which everything else was counted.")
	x.sample(r.Until.Sub(r.Since).Seconds())
	x.family("firebreak_kpi_unread_messages", "Messages of records that could not be read: they are in no other figure.")
	x.sample(float64(r.Unread))
	x.family("firebreak_kpi_incidents", "Incidents that were opened, by how they ended; outcome open: they have not.")
	x.each(r, func(g Group) {
		for _, o := range g.Outcomes {
			x.sample(float64(o.Count), g.labels("outcome", o.Outcome)...)
		}
		x.sample(float64(g.Open), g.labels("outcome", "open")...)
	})
	x.spans(r)
	x.family("firebreak_kpi_success_ratio", "Share of the ended incidents with a change that it fixed; bound low and high are the 95 % interval of Wilson.")
	x.each(r, func(g Group) {
		if g.Success.Of > 0 {
			x.sample(g.Success.Share, g.labels("bound", "share")...)
			x.sample(g.Success.Low, g.labels("bound", "low")...)
			x.sample(g.Success.High, g.labels("bound", "high")...)
		}
	})
	x.family("firebreak_kpi_changes", "Changes at targets, by how far they got.")
	x.each(r, func(g Group) {
		for _, c := range []struct {
			state string
			n     int
		}{{"sent", g.Changes.Sent}, {"stood", g.Changes.Stood}, {"helped", g.Changes.Helped}, {"reverted", g.Changes.Reverted}} {
			x.sample(float64(c.n), g.labels("state", c.state)...)
		}
	})
	x.family("firebreak_kpi_refused_incidents", "Incidents in which a change was refused, by reason.")
	x.each(r, func(g Group) {
		for _, refused := range g.Refused {
			x.sample(float64(refused.Incidents), g.labels("reason", refused.Reason)...)
		}
	})
	return x.err
}

// spans writes how long things took, and their targets.
func (x *exposition) spans(r Report) {
	x.family("firebreak_kpi_seconds", "How long things took; quantile 1 is the worst.")
	x.each(r, func(g Group) {
		for _, s := range append(g.Spans[:len(g.Spans):len(g.Spans)], Span{Name: "approval", Quantiles: g.Approvals}) {
			if s.Count == 0 {
				continue
			}
			for _, q := range []struct {
				name  string
				value float64
			}{{"0.5", s.P50}, {"0.95", s.P95}, {"1", s.Worst}} {
				x.sample(q.value, g.labels("measure", s.Name, "quantile", q.name)...)
			}
		}
	})
	x.family("firebreak_kpi_target_seconds", "The target of the runbook: it must take less.")
	x.each(r, func(g Group) {
		for _, s := range g.Spans {
			if s.Target > 0 {
				x.sample(s.Target, g.labels("measure", s.Name)...)
			}
		}
	})
	x.family("firebreak_kpi_target_incidents", "Incidents against the target of the runbook; those that cannot be measured are in neither.")
	x.each(r, func(g Group) {
		for _, s := range g.Spans {
			if s.Target > 0 {
				x.sample(float64(s.Met), g.labels("measure", s.Name, "result", "met")...)
				x.sample(float64(s.Missed), g.labels("measure", s.Name, "result", "missed")...)
			}
		}
	})
}

// exposition writes families one after the other, and keeps the first error.
type exposition struct {
	w    io.Writer
	name string
	err  error
}

func (x *exposition) family(name, help string) {
	x.name = name
	x.write("# HELP %s %s\n# TYPE %s gauge\n", name, help, name)
}

// each goes through the handlers. Runbooks are sums of those, which Prometheus can make itself.
func (x *exposition) each(r Report, fn func(Group)) {
	for _, g := range r.Handlers {
		fn(g)
	}
}

// sample writes one value; labels are names and values by turns.
func (x *exposition) sample(v float64, labels ...string) {
	text := ""
	if len(labels) > 0 {
		pairs := make([]string, 0, len(labels)/2)
		for i := 0; i+1 < len(labels); i += 2 {
			pairs = append(pairs, labels[i]+`="`+labelValue(labels[i+1])+`"`)
		}
		text = "{" + strings.Join(pairs, ",") + "}"
	}
	x.write("%s%s %s\n", x.name, text, strconv.FormatFloat(v, 'g', -1, 64))
}

// labelValue escapes what the format demands, after what no text may hold is gone.
func labelValue(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(safe(s))
}

func (x *exposition) write(format string, args ...any) {
	if x.err == nil {
		_, x.err = fmt.Fprintf(x.w, format, args...)
	}
}

// labels are the group's own, and some more.
func (g Group) labels(more ...string) []string {
	return append([]string{"handler", g.Handler, "runbook", g.Runbook}, more...)
}
