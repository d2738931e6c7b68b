package review

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/incidents/measure"
)

// picture is the incident over time, in percent of the width from left to right: it is drawn in any width, and its letters keep their
// size.
type picture struct {
	from, to time.Time
	// Note says what lies outside of it.
	Note  string
	Ticks []tick
	Lanes []lane
	Plots []plot
}

type tick struct {
	X     float64
	Label string
	// Anchor is where its label is: the outermost ones do not leave the picture.
	Anchor string
}

// lane is a row of bars: since when until when something was so.
type lane struct {
	Label string
	// Class is its colour.
	Class string
	Bars  []bar
}

type bar struct{ X, Width float64 }

// plot is one series with what happened meanwhile.
type plot struct {
	Series
	Words string
	// Top and Bottom are the values at its edges.
	Top, Bottom string
	// Line is its points in a field of 1000 by 100; Dots are the same in percent, if they are few.
	Line  string
	Dots  []dot
	Shade []bar
	Marks []mark
}

type dot struct{ X, Y float64 }

// mark is a moment in a plot.
type mark struct {
	X     float64
	Class string
}

// draw lays everything out.
func (r *reader) draw(d Document) picture {
	p := picture{from: r.zero, to: r.zero}
	if r.zero.IsZero() {
		return p
	}
	r.extent(&p, d)
	p.Ticks = r.ticks(p)
	p.Lanes = r.lanes(p, d)
	for _, s := range d.Series {
		p.Plots = append(p.Plots, r.plot(p, d, s))
	}
	return p
}

// extent is from the alert's beginning to the end of all that counts. An alert that began long before leaves the room to what follows.
func (r *reader) extent(p *picture, d Document) {
	for _, m := range d.Moments {
		if m.At.After(p.to) && m.Name != measure.Answered {
			p.to = m.At
		}
	}
	for _, c := range d.Changes {
		p.to = later(p.to, r.zero.Add(time.Duration(c.bar[1])))
	}
	for _, s := range d.Series {
		p.to = later(p.to, s.Points[len(s.Points)-1].At)
		if first := s.Points[0].At; first.Before(p.from) {
			p.from = first
		}
	}
	if d.Outcome == "" {
		p.to = later(p.to, r.m.Last)
	}
	if p.to.Sub(p.from) < time.Second {
		p.to = p.from.Add(time.Second)
	}
	started := r.m.At[measure.Started]
	switch most := p.to.Sub(p.from); {
	case started.IsZero() || !started.Before(p.from):
	case p.from.Sub(started) <= most:
		p.from = started
	default:
		p.from = p.from.Add(-most / 10)
		p.Note = "The alert began earlier than the picture does, " + Span(r.zero.Sub(started)).String() + " before the detection."
	}
	p.to = p.to.Add(p.to.Sub(p.from) / 50)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// x is where a moment is, in percent of the width.
func (p picture) x(t time.Time) float64 {
	share := float64(t.Sub(p.from)) / float64(p.to.Sub(p.from))
	return math.Round(math.Max(0, math.Min(1, share))*10000) / 100
}

// bar is never so narrow that it cannot be seen.
func (p picture) bar(from, to time.Time) bar {
	b := bar{X: p.x(from)}
	b.Width = math.Round(math.Max(0.6, p.x(to)-b.X)*100) / 100
	b.X = math.Min(b.X, 100-b.Width)
	return b
}

// ticks are at round times from the detection on, five at most.
func (r *reader) ticks(p picture) []tick {
	step := time.Second
	for _, s := range []time.Duration{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400} {
		if step = s * time.Second; p.to.Sub(p.from) < 5*step {
			break
		}
	}
	for p.to.Sub(p.from) >= 5*step {
		step *= 2
	}
	var out []tick
	for at := r.zero.Add(-(r.zero.Sub(p.from) / step) * step); !at.After(p.to); at = at.Add(step) {
		t := tick{X: p.x(at), Label: r.after(at).signed(), Anchor: "middle"}
		if at.Equal(r.zero) {
			t.Label = "0"
		}
		switch {
		case t.X < 8:
			t.Anchor = "start"
		case t.X > 92:
			t.Anchor = "end"
		}
		out = append(out, t)
	}
	return out
}

// lanes say since when until when. What has not ended goes on to the end of the picture.
func (r *reader) lanes(p picture, d Document) []lane {
	var out []lane
	add := func(name, class string, spans ...[2]time.Time) {
		l := lane{Class: class}
		total, open := time.Duration(0), false
		for _, s := range spans {
			if s[0].IsZero() {
				continue
			}
			if open = s[1].IsZero(); open {
				s[1] = later(r.m.Last, s[0])
			}
			total += s[1].Sub(s[0])
			l.Bars = append(l.Bars, p.bar(s[0], s[1]))
		}
		if l.Label = name + ": " + Span(total).String(); open {
			l.Label += " so far"
		}
		if len(l.Bars) > 0 {
			out = append(out, l)
		}
	}
	at := r.m.At
	fires, recovered := "the alert fires", at[measure.Recovered]
	if recovered.IsZero() && !at[measure.Closed].IsZero() {
		fires, recovered = "the alert fires, at least", at[measure.Closed]
	}
	add(fires, "fault", [2]time.Time{at[measure.Started], recovered})
	decided := at[measure.Closed]
	if len(d.Changes) > 0 && len(d.Changes[0].Steps) > 0 {
		decided = d.Changes[0].Steps[0].At
	}
	add("looking and deciding", "think", [2]time.Time{at[measure.Detected], decided})
	add("waiting for people", "wait", r.waits...)
	var stood [][2]time.Time
	for i, c := range d.Changes {
		if c.bar[0] == c.bar[1] && c.Ended == 0 {
			continue
		}
		span := [2]time.Time{r.zero.Add(time.Duration(c.bar[0])), r.zero.Add(time.Duration(c.bar[1]))}
		if r.state.Fixes[i].Times.Applied.IsZero() {
			continue
		}
		if c.Ended == 0 {
			span[1] = time.Time{}
		}
		stood = append(stood, span)
	}
	add("a change stands", "change", stood...)
	answered := at[measure.Answered]
	if answered.IsZero() {
		answered = at[measure.Closed]
	}
	add("a person is called", "people", [2]time.Time{at[measure.Escalated], answered})
	return out
}

// plot draws one series between its least and its most; zero is at the bottom if nothing is below it.
func (r *reader) plot(p picture, d Document, s Series) plot {
	least, most := reach(s.Points)
	pl := plot{Series: s, Words: described(s, r)}
	if least > 0 {
		least = 0
	}
	if most <= least {
		most = least + 1
	}
	pl.Top, pl.Bottom = number(most, s.Unit), number(least, s.Unit)
	var line []string
	for _, pt := range s.Points {
		y := math.Round((1-(pt.Value/(most-least)-least/(most-least)))*10000) / 100
		line = append(line, fixed(p.x(pt.At)*10)+","+fixed(y))
		if len(s.Points) <= 60 {
			pl.Dots = append(pl.Dots, dot{X: p.x(pt.At), Y: y})
		}
	}
	pl.Line = strings.Join(line, " ")
	for _, l := range p.Lanes {
		if l.Class == "change" {
			pl.Shade = l.Bars
		}
	}
	for _, m := range []struct {
		m     measure.Moment
		class string
	}{{measure.Detected, "think"}, {measure.Verified, "change"}, {measure.Recovered, "fault"}} {
		if at := r.m.At[m.m]; !at.IsZero() {
			pl.Marks = append(pl.Marks, mark{X: p.x(at), Class: m.class})
		}
	}
	return pl
}

// described is a series in words, for those who do not see it.
func described(s Series, r *reader) string {
	first, last := s.Points[0], s.Points[len(s.Points)-1]
	least, most := reach(s.Points)
	return fmt.Sprintf("%s: %s at %s, %s at %s; least %s, most %s, in %d points.", s.Name, number(first.Value, s.Unit), r.after(first.At).signed(),
		number(last.Value, s.Unit), r.after(last.At).signed(), number(least, s.Unit), number(most, s.Unit), len(s.Points))
}

func fixed(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
