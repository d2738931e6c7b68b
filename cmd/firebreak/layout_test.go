package main

import (
	"bytes"
	"testing"
	"time"
)

// Text is wrapped below its beginning, a long word stays whole, numbers keep their percent sign, and nothing steers the terminal.
func TestItem(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ prefix, text, want string }{
		{"  a: ", "", "  a:\n"},
		{"  a: ", "one\ntwo\x1b[2J", "  a: one two [2J\n"},
		{"", "12345678901234567890123456789012345678901234567890123456789012345678901234567 75 % of it",
			"12345678901234567890123456789012345678901234567890123456789012345678901234567\n75 % of it\n"},
		{"lifted by: ", "x 1234567890123456789012345678901234567890123456789012345678901234567890123456789012345 y",
			"lifted by: x\n           1234567890123456789012345678901234567890123456789012345678901234567890123456789012345\n           y\n"},
	} {
		var out bytes.Buffer
		item(&out, c.prefix, c.text)
		if out.String() != c.want {
			t.Errorf("%q: got\n%q, want\n%q", c.text, out.String(), c.want)
		}
	}
}

// A span is said in the two units that matter, and what was just begun is not a minute shorter.
func TestBrief(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", 40 * time.Second: "40s", -12 * time.Minute: "12m", 2*time.Hour - time.Millisecond: "2h", 90 * time.Minute: "1h30m",
		24 * time.Hour: "1d", 76*time.Hour + 20*time.Minute: "3d4h", 59*time.Minute + 59700*time.Millisecond: "1h",
	} {
		if got := brief(d); got != want {
			t.Errorf("%s: got %s, want %s", d, got, want)
		}
	}
}
