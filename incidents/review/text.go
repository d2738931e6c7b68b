package review

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Span is a time span. As JSON it is seconds.
type Span time.Duration

// MarshalJSON writes seconds.
func (s Span) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, time.Duration(s).Seconds(), 'f', -1, 64), nil
}

// String is the span as people read it: 850ms, 12.3s, 4m10s, 2h5m.
func (s Span) String() string {
	d := time.Duration(s)
	switch a := d.Abs(); {
	case a < time.Second:
		d = d.Round(time.Millisecond)
	case a < time.Minute:
		d = d.Round(100 * time.Millisecond)
	case a < time.Hour:
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

// signed is the span with its sign, as in a timeline.
func (s Span) signed() string {
	if s < 0 {
		return "−" + (-s).String()
	}
	return "+" + s.String()
}

// The longest texts that are shown whole, in runes. Whoever writes a longer one does not mean to be read here.
const (
	longest    = 1500
	longestTag = 300
)

// plain makes text one line without anything that steers a terminal or turns the direction of what follows.
func plain(s string) string { return cut(s, longest) }

// tag is plain for labels and names.
func tag(s string) string { return cut(s, longestTag) }

func cut(s string, limit int) string {
	whole := len(s) <= 16*limit
	if !whole { // enough for what is shown, whatever is left out of it
		s = s[:16*limit]
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		s = strings.Map(visible, strings.ToValidUTF8(s, "\ufffd"))
	}
	s = strings.TrimSpace(s)
	if runes := []rune(s); len(runes) > limit || !whole {
		return string(runes[:min(len(runes), limit-1)]) + "…"
	}
	return s
}

// visible replaces what would end a line or steer a terminal, and drops marks that are not seen: they turn text around, and hide words
// in it.
func visible(r rune) rune {
	switch {
	case unicode.IsControl(r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r):
		return ' '
	case unicode.Is(unicode.Cf, r):
		return -1
	}
	return r
}

// stamp is a moment as documents write it.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "unknown"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// number is a value with its unit, short.
func number(v float64, unit string) string {
	if unit == "B" || unit == "B/s" {
		for _, size := range []struct {
			least float64
			name  string
		}{{1 << 40, "TiB"}, {1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
			if math.Abs(v) >= size.least {
				return strconv.FormatFloat(v/size.least, 'f', 1, 64) + " " + size.name + strings.TrimPrefix(unit, "B")
			}
		}
	}
	digits := 0
	switch a := math.Abs(v); {
	case a == math.Trunc(a):
	case a < 1:
		digits = 3
	case a < 10:
		digits = 2
	case a < 1000:
		digits = 1
	}
	text := strconv.FormatFloat(v, 'f', digits, 64)
	switch unit {
	case "":
		return text
	case "1/s":
		return text + "/s"
	}
	return text + " " + unit
}

// counted is a number of things.
func counted(n int, one string) string {
	if n == 1 {
		return "one " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// and is a list as people say it.
func and(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}

// sentence ends a text with a full stop, if it has no end of its own, and begins it large.
func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s == "" || strings.HasSuffix(s, ".") {
		return s
	}
	return s + "."
}
