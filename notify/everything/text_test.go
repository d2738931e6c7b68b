package everything

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/notify"
)

func outcome(text string) notify.Outcome {
	return notify.Outcome{Incident: incidents.NewID("retrystorm", text, 1), Kind: incidents.Kind(text), At: time.Unix(0, 0), Handler: text, Target: text,
		Alert: text, Outcome: incidents.Outcome(text), Words: text}
}

// What services read as mentions, links and formats is not left in a text that strangers wrote.
func TestDefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"retry storm in pg_1: 12 % (was 3 %)": "retry storm in pg_1: 12 % (was 3 %)",
		"@everyone <!here> <@U1>":             "＠everyone ‹!here› ‹＠U1›",
		"[click](https://evil.example)":       "［click］(https：//evil.example)",
		"**bold** `code` ~x~ ||y||":           "∗∗bold∗∗ ˋcodeˋ ∼x∼ ¦¦y¦¦",
		"<a href=\"x\">&amp;</a>":             "‹a href=\"x\"›＆amp;‹/a›",
		" a\r\n\t b\x00\x1b[2J\u202ec ":       "a b\uFFFD［2J\uFFFDc",
		"\xff\xfe":                            "\uFFFD",
		"":                                    "",
	} {
		if got := defused(text, 100); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
	if got := defused(strings.Repeat("é", 11), 10); got != strings.Repeat("é", 9)+"…" {
		t.Errorf("got %q, want ten characters", got)
	}
	if got := defused(strings.Repeat("é", 10), 10); got != strings.Repeat("é", 10) {
		t.Errorf("got %q, want all of it", got)
	}
}

// No part of an address is left in an error, in whatever form the error has it.
func TestClean(t *testing.T) {
	t.Parallel()
	const address = "telegram://110201543:AAHdqTcvCH1vGW@telegram?chats=%40channel-one&p%61ss=s3cr%2Ft"
	hide := secrets(address)
	for _, text := range []string{address, "AAHdqTcvCH1vGW", "post https://api.telegram.org/bot110201543:AAHdqTcvCH1vGW/send: EOF", "@channel-one", "%40channel-one",
		"s3cr%2Ft and s3cr/t and s3cr%252Ft", "x://y.z/abc?d=e"} {
		got := clean("failed: "+text, hide)
		for _, secret := range []string{"AAHdqTcvCH1vGW", "110201543", "channel-one", "s3cr", "api.telegram", "abc"} {
			if strings.Contains(got, secret) {
				t.Errorf("%q became %q", text, got)
			}
		}
		if !strings.HasPrefix(got, "failed: ") {
			t.Errorf("%q became %q, want what is not secret left in it", text, got)
		}
	}
	if got := clean("dial tcp: connection refused", secrets("")); got != "dial tcp: connection refused" {
		t.Errorf("got %q", got)
	}
}

// A message is bounded, keeps its link, and holds nothing that cannot be seen, whatever is in the event.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "a", "@here", "\x00", strings.Repeat("w", 5000), "\xff", "<https://evil.example|x>"} {
		f.Add(s, 0)
	}
	f.Fuzz(func(t *testing.T, text string, more int) {
		c := Config{MaxRunes: leastMaxRunes + max(more, 0)%2000, Console: "https://f.example/{incident}"}
		got := c.Text(outcome(text))
		if n := utf8.RuneCountInString(got); n > c.MaxRunes || !utf8.ValidString(got) {
			t.Errorf("%d characters, at most %d: %q", n, c.MaxRunes, got)
		}
		lines := strings.Split(got, "\n")
		link := "https://f.example/" + outcome(text).Incident.String()
		if lines[len(lines)-1] != link || len(lines) > 4 {
			t.Errorf("got %q, want it to end with %s", got, link)
		}
		written := strings.TrimSuffix(got, link)
		if strings.Contains(written, "://") || strings.ContainsAny(written, "@<>`*&") {
			t.Errorf("%q can be read as markup", written)
		}
		if strings.ContainsFunc(strings.ReplaceAll(written, "\n", ""), func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) {
			t.Errorf("%q holds what cannot be seen", written)
		}
	})
}
