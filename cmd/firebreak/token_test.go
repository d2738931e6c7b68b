package main

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/policy"
)

// Each call makes another long random token, with the hash that a policy takes for it.
func TestToken(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 3 {
		code, stdout, stderr := firebreak(t, nil, "token")
		lines := strings.Split(stdout, "\n")
		if code != 0 || len(lines) != 3 || !strings.Contains(stderr, "once") {
			t.Fatalf("got exit %d, %q, %q", code, stdout, stderr)
		}
		token := lines[0]
		raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(token, "fb_"))
		if err != nil || len(raw) != 32 || len(token) != 46 || seen[token] {
			t.Errorf("got %q (%d bytes, %v), want fb_ and 43 characters, never the same", token, len(raw), err)
		}
		seen[token] = true
		if want := "token_sha256: " + policy.DigestOf(token).String(); lines[1] != want {
			t.Errorf("got %q, want %q", lines[1], want)
		}
		if strings.Contains(stderr, token) {
			t.Error("the token is on stderr too")
		}
	}
}

// A token from elsewhere is hashed without its line end; a short one is refused, and nothing of it is said.
func TestTokenFromElsewhere(t *testing.T) {
	t.Parallel()
	const long = "a-token-of-more-than-32-characters-from-elsewhere"
	for _, c := range []struct {
		name, in, want, refused string
	}{
		{"a line", long + "\n", policy.DigestOf(long).String(), ""},
		{"no line end", long, policy.DigestOf(long).String(), ""},
		{"another system's line end", long + "\r\nmore", policy.DigestOf(long).String(), ""},
		{"short", "hunter2-hunter2-hunter2-hunter2\n", "", "32 characters"},
		{"nothing", "", "", "32 characters"},
		{"words", "hunter2 hunter2 hunter2 hunter2 hunter2\n", "", "space"},
		{"endless", strings.Repeat("hunter2", 1000), "", "4 KiB"},
	} {
		var out, errs bytes.Buffer
		err := (&tokenCmd{Stdin: true}).Run(&app{stdin: strings.NewReader(c.in), stdout: &out, stderr: &errs})
		switch {
		case c.refused != "":
			if err == nil || !strings.Contains(err.Error(), c.refused) || strings.Contains(err.Error(), "hunter") || out.Len() > 0 {
				t.Errorf("%s: got %v, %q, want a refusal with %q", c.name, err, &out, c.refused)
			}
		case err != nil || out.String() != "token_sha256: "+c.want+"\n":
			t.Errorf("%s: got %q, %v, want the hash", c.name, &out, err)
		}
	}
}
