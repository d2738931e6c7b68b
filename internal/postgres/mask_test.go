package postgres_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/firebreak-sre/firebreak/internal/postgres"
)

// A statement keeps its shape and its names, and loses all values.
func TestMask(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ in, want string }{
		{"", ""},
		{"  SELECT\n\t1 ;\r\n", "SELECT ? ;"},
		{"SELECT * FROM items WHERE name = 'O''Neil' AND id = 42", "SELECT * FROM items WHERE name = ? AND id = ?"},
		{`SELECT E'it\'s', e'\\', 'x'`, "SELECT ?, ?, ?"},
		{`SELECT fee'x', e 'x'`, "SELECT fee?, e ?"},
		{`SELECT U&'d\0061t', B'101', x'1F', N'n'`, "SELECT U&?, B?, x?, N?"},
		{"DO $$ BEGIN secret; END $$", "DO ?"},
		{"SELECT $a$ it's $$ in here $a$, $ä_1$x$ä_1$, $1, $22", "SELECT ?, ?, $1, $22"},
		{"SELECT a$b$c, $ FROM t", "SELECT a$b$c, $ FROM t"},
		{"SELECT 1.5e-10, .5, 0x1F, 1_000, -7, 5-3, t1.c2", "SELECT ?, ?, ?, ?, -?, ?-?, t1.c2"},
		{"SELECT 1 -- the card is 4711\n, 2 /* and /* nested */ 4712 */ , 3", "SELECT ? , ? , ?"},
		{"SELECT 1 -- to a carriage return\r, 'x'", "SELECT ? , ?"},
		{"SELECT 'a'\n  'b'", "SELECT ? ?"},
		{`SELECT "Weird ""name"" 7" FROM t`, `SELECT "Weird ""name"" 7" FROM t`},
		{"SELECT 'cut off in the midd", "SELECT ?"},
		{`SELECT E'cut off \`, "SELECT ?"},
		{"SELECT $t$ cut off $t", "SELECT ?"},
		{"SELECT 1 /* cut off", "SELECT ?"},
		{`SELECT "cut off`, "SELECT ?"},
		// Whether the second quote ends the literal depends on a setting that we do not know.
		{`SELECT 'a\', secret, 'b'`, "SELECT ?"},
		{`SELECT 'a\b', name`, "SELECT ?, name"},
		{"SELECT\u00a0\u202e'x'\x00\x07", "SELECT ?"},
		{"SELECT 'x\xff' \xff", "SELECT ? ?"},
	} {
		if got := postgres.Mask(tc.in, 1000); got != tc.want {
			t.Errorf("%q: got %q, want %q", tc.in, got, tc.want)
		}
	}
}

// What is too long is cut by characters, not in the middle of one, and says so.
func TestMaskCuts(t *testing.T) {
	t.Parallel()
	for max, want := range map[int]string{-1: "", 0: "", 1: "…", 8: "SELECT …", 13: "SELECT größe", 12: "SELECT größe", 11: "SELECT grö…"} {
		if got := postgres.Mask("SELECT größe", max); got != want {
			t.Errorf("cut at %d: got %q, want %q", max, got, want)
		}
	}
}

// No character of a literal survives, however it is quoted: a statement reads the same whatever the literal says. Where Mask gives up, it
// reads the same up to there. And no statement at all makes it panic, or give something that cannot be shown.
func FuzzMask(f *testing.F) {
	for _, secret := range []string{"", "4711", "it's", `a\`, `\'`, `'`, "''", "$$", "$t$", "--", "/*", "*/", "\n", `"`, "E'", "\xff", "ä\u202e", "1e-5",
		"x' OR 'y", "$t", "é$", "t$"} {
		f.Add(secret, "SELECT "+secret+" FROM t")
	}
	f.Fuzz(func(t *testing.T, secret, query string) {
		double := strings.NewReplacer("'", "''")
		escape := strings.NewReplacer("'", "''", `\`, `\\`)
		backslash := strings.NewReplacer("'", `\'`, `\`, `\\`)
		inDollars, inTag := secret, secret
		if strings.Contains(secret+"$", "$$") {
			inDollars = ""
		}
		if strings.Contains(secret+"$tag$", "$tag$") && strings.Index(secret+"$tag$", "$tag$") < len(secret) {
			inTag = ""
		}
		const want = "SELECT a, ? FROM items WHERE b"
		for _, literal := range []string{
			"'" + double.Replace(secret) + "'", "E'" + escape.Replace(secret) + "'", "e'" + backslash.Replace(secret) + "'",
			"$$" + inDollars + "$$", "$tag$" + inTag + "$tag$",
		} {
			got := postgres.Mask("SELECT a, "+literal+" FROM items WHERE b", 1000)
			gaveUp := got == "SELECT a, ?" && literal[0] == '\'' && strings.Contains(literal, `\'`)
			if got != want && !gaveUp {
				t.Errorf("%q: got %q, want %q", literal, got, want)
			}
		}
		shown(t, query)
	})
}

// shown checks what holds for every statement.
func shown(t *testing.T, query string) {
	t.Helper()
	got := postgres.Mask(query, 40)
	if n := utf8.RuneCountInString(got); n > 40 || !utf8.ValidString(got) {
		t.Errorf("%q: %q has %d characters, or not only those", query, got, n)
	}
	if strings.ContainsFunc(got, func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r != ' ' && unicode.IsSpace(r)
	}) {
		t.Errorf("%q: %q has characters that cannot be seen", query, got)
	}
	if strings.Contains(got, "  ") || strings.TrimSpace(got) != got {
		t.Errorf("%q: %q has blanks that say nothing", query, got)
	}
	whole := postgres.Mask(query, 1<<20)
	if !strings.Contains(whole, `"`) && (strings.Contains(whole, "'") || strings.Contains(whole, "--") || strings.Contains(whole, "/*")) {
		t.Errorf("%q: %q has a quote or a comment", query, whole)
	}
}
