package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// columns is how wide text for people is at most: a terminal that nobody has made larger.
const columns = 80

// item prints text that follows a prefix, wrapped so that its lines stand below each other. What it prints cannot steer a terminal. A
// word that is longer than a line stays whole, so that it can be copied.
func item(w io.Writer, prefix, text string) {
	indent := utf8.RuneCountInString(prefix)
	line, used := prefix, indent
	for i, word := range unbroken(clean(text, 0)) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case used+1+n > columns:
			fmt.Fprintln(w, line)
			line, used = strings.Repeat(" ", indent), indent
		default:
			line, used = line+" ", used+1
		}
		line, used = line+word, used+n
	}
	fmt.Fprintln(w, strings.TrimRight(line, " "))
}

// unbroken are the words of a text; a number stays with its percent sign.
func unbroken(text string) []string {
	var out []string
	for _, word := range strings.Fields(text) {
		if n := len(out); n > 0 && strings.HasPrefix(word, "%") {
			out[n-1] += " " + word
			continue
		}
		out = append(out, word)
	}
	return out
}

// command prints what somebody can copy and run, on a line of its own, however long it is.
func command(w io.Writer, text string) { fmt.Fprintf(w, "  %s\n", clean(text, 0)) }

// heading begins a part of a longer answer.
func heading(w io.Writer, text string) { fmt.Fprintf(w, "\n%s\n", text) }

// brief is a span as people say it: 3d4h, 2h, 12m, 40s.
func brief(d time.Duration) string {
	d = d.Abs().Round(time.Second)
	if d >= time.Hour {
		d = d.Round(time.Minute)
	}
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 24*time.Hour:
		return twoUnits(int(d.Hours()), "h", int(d.Minutes())%60, "m")
	}
	return twoUnits(int(d.Hours())/24, "d", int(d.Hours())%24, "h")
}

func twoUnits(n int, unit string, rest int, smaller string) string {
	if rest == 0 {
		return fmt.Sprintf("%d%s", n, unit)
	}
	return fmt.Sprintf("%d%s%d%s", n, unit, rest, smaller)
}

// moment is a time with how far away it is.
func moment(t, now time.Time) string {
	switch {
	case t.IsZero():
		return "-"
	case t.After(now):
		return fmt.Sprintf("%s (in %s)", stamp(t), brief(t.Sub(now)))
	}
	return fmt.Sprintf("%s (%s ago)", stamp(t), brief(now.Sub(t)))
}
