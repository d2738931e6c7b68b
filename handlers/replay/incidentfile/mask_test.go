package incidentfile_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/handlers/replay/incidentfile"
)

// maskedNote is what becomes of a text in a record, and what is said to have been taken out.
func maskedNote(t *testing.T, note string) (string, []incidentfile.Masked) {
	t.Helper()
	quoted, err := json.Marshal(note)
	if err != nil {
		t.Fatal(err)
	}
	f := made(t, opened(fmt.Sprintf(`,"note":%s`, quoted)))
	list, err := f.Records()
	if err != nil {
		t.Fatal(err)
	}
	return list[0].Events[0].Note, f.Masked
}

// What looks like a secret is taken out and listed, and what is around it stays.
func TestMasked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ note, want, what string }{
		{"get http://ann:hunter2@prom:9090/api: refused", "get http://[masked]@prom:9090/api: refused", "user info of a URL"},
		{"postgres://app:p%40ss@db/orders?sslmode=disable", "postgres://[masked]@db/orders?sslmode=disable", "user info of a URL"},
		{"sent Authorization: Bearer abc123.def-456", "sent Authorization: Bearer [masked]", "authorization"},
		{"Basic YW5uOmh1bnRlcjI=", "Basic [masked]", "authorization"},
		{"host=db user=app password=hunter2 dbname=x", "host=db user=app password=[masked] dbname=x", "named secret"},
		{"password='hun ter2' x", "password=[masked] x", "named secret"},
		{`{"api_key": "k-123", "n": 1}`, `{"api_key": [masked], "n": 1}`, "named secret"},
		{"?access_token=abc&x=1", "?access_token=[masked]&x=1", "named secret"},
		{"PGPASSWORD=hunter2 psql", "PGPASSWORD=[masked] psql", "named secret"},
		{"xoxb-123456789012-abcdef", "[masked]", "Slack token"},
		{"https://hooks.slack.com/services/T1/B2/xyz said no", "https://hooks.slack.com/services/[masked] said no", "Slack webhook"},
		{"R0ABCDEFGHIJKLMNOPQRSTUVWXYZ0123", "[masked]", "PagerDuty key"},
		{"routing_key: 0123456789abcdef0123456789abcdef", "routing_key: [masked]", "named secret"},
		{"ghp_0123456789abcdefghijABCDEFGHIJ012345", "[masked]", "GitHub token"},
		{"AKIAIOSFODNN7EXAMPLE", "[masked]", "AWS key"},
		{"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "[masked]", "JSON web token"},
		{"-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- left", "[masked] left", "private key"},
		{"-----BEGIN PRIVATE KEY-----\nMII cut off", "[masked]", "private key"},
		{"SELECT id FROM users WHERE mail = 'ann@example.com'", "SELECT id FROM users WHERE mail = ?", "SQL literal"},
		{"update users set name = 'O''Hara' where id = $1", "update users set name = ? where id = $1", "SQL literal"},
		{"insert into t values ($$secret$$, 'cut o", "insert into t values (?, ?", "SQL literal"},
		{"duplicate key: Key (email)=(ann@example.com) already exists.", "duplicate key: Key (email)=([masked]) already exists.", "key of a row"},
	} {
		got, masked := maskedNote(t, c.note)
		if got != c.want {
			t.Errorf("%q: got %q, want %q", c.note, got, c.want)
		}
		if len(masked) == 0 || masked[0].What != c.what || masked[0].Where != "messages[0].events[0].note" || masked[0].Times == 0 {
			t.Errorf("%q: listed %+v, want %s", c.note, masked, c.what)
		}
		if again, second := maskedNote(t, got); again != got || len(second) != 0 {
			t.Errorf("%q: masked twice it is %q, %+v", c.note, again, second)
		}
	}
}

// What people have to read stays as it is.
func TestNotMasked(t *testing.T) {
	t.Parallel()
	for _, note := range []string{
		"", "3.00 attempts per call, and 42 % of the calls end well", "basic authentication failed", "bearer of bad news",
		"http://prom:9090/api/v1/query?query=rate(x[1m])",
		"password = ?", "token: [redacted]", "traceparent 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"plan 1f0c9a52d7e3b846aa00, by action 0c6f4c80516de11d0967", "ann@example.com said 'no'", "the secret of it", "it's the last",
	} {
		got, masked := maskedNote(t, note)
		if got != note || len(masked) != 0 {
			t.Errorf("%q became %q, %+v", note, got, masked)
		}
	}
}

// A value whose name says what it is goes whole, wherever it lies, and keys stay.
func TestMaskedByName(t *testing.T) {
	t.Parallel()
	f := made(t, opened(`,"seen":{"nodes":[{"a":1,"db_password":"x y z","list":["http://u:p@h/"]},{"secret":7}]}`))
	text := string(f.Messages[0].Events)
	for _, want := range []string{`"db_password":"[masked]"`, `"list":["http://[masked]@h/"]`, `"secret":7`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
	var where []string
	for _, m := range f.Masked {
		where = append(where, m.Where)
	}
	if got := strings.Join(where, " "); got != "messages[0].events[0].seen.nodes[0].db_password messages[0].events[0].seen.nodes[0].list[0]" {
		t.Errorf("listed at %s", got)
	}
}

// The list of what was masked is bounded, and counts all.
func TestManyMasked(t *testing.T) {
	t.Parallel()
	var list []string
	for i := range 1200 {
		list = append(list, fmt.Sprintf(`"http://u:p%d@h/"`, i))
	}
	f := made(t, opened(`,"seen":[`+strings.Join(list, ",")+`]`))
	total := 0
	for _, m := range f.Masked {
		total += m.Times
	}
	if len(f.Masked) != 500 || total != 1200 || f.Masked[499].Where != "elsewhere" {
		t.Errorf("%d entries, %d in all, the last %+v", len(f.Masked), total, f.Masked[499])
	}
}
