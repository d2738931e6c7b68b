package incidentfile_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/replay/incidentfile"
	"github.com/firebreak-sre/firebreak/incidents"
)

const target = "checkout/payments"

func id() incidents.ID { return incidents.NewID("retrystorm", target, 3) }

func at(seconds int) time.Time { return time.Date(2026, 11, 23, 3, 0, seconds, 0, time.UTC) }

// opened is the first message of a record, with what else it says in it.
func opened(more string) incidentfile.Message {
	return incidentfile.Message{Seq: 10, At: at(0), Events: fmt.Appendf(nil,
		`[{"v":1,"kind":"opened","at":"2026-11-23T03:00:00Z","opening":{"id":"%s","handler":"retrystorm","target":"%s","domain":"checkout","alert":{"fingerprint":"f","status":"firing","labels":{"alertname":"A"},"startsAt":"2026-11-23T03:00:00Z"}}%s}]`,
		id(), target, more)}
}

func noted(seq uint64, events string) incidentfile.Message {
	return incidentfile.Message{Seq: seq, At: at(int(seq)), Events: []byte(events)}
}

func made(t *testing.T, messages ...incidentfile.Message) incidentfile.File {
	t.Helper()
	f, err := incidentfile.Make(id(), "v1", at(99), messages)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func written(t *testing.T, f incidentfile.File) string {
	t.Helper()
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// What was stored comes back byte for byte, with what this build does not know, and numbers as they were written.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	const strange = `[{"v":9,"kind":"from_tomorrow","at":"2026-11-23T03:00:11.000000001Z","new":{"big":12345678901234567890,"exact":1.10,"html":"<b>&"}}]`
	f := made(t, opened(""), noted(11, strange))
	text := written(t, f)
	back, err := incidentfile.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(back.Messages[1].Events); got != strange {
		t.Errorf("got\n%s\nwant\n%s", got, strange)
	}
	if again := written(t, back); again != text {
		t.Errorf("written again it is another file:\n%s\n%s", again, text)
	}
	if back.Target != target || back.Handler != "retrystorm" || back.ID != id() || !back.ExportedAt.Equal(at(99)) || back.Build != "v1" {
		t.Errorf("got %+v", back)
	}
	records, err := back.Records()
	if err != nil || len(records) != 2 || records[1].Seq != 11 || records[1].Events[0].Kind != "from_tomorrow" {
		t.Errorf("records: %+v, %v", records, err)
	}
	if n := strings.Count(text, "\n{\"seq\":"); n != 2 {
		t.Errorf("%d messages on lines of their own, want 2:\n%s", n, text)
	}
}

// A record without its beginning makes no file.
func TestPartial(t *testing.T) {
	t.Parallel()
	for name, list := range map[string][]incidentfile.Message{
		"nothing": nil, "no opening": {noted(11, `[{"v":1,"kind":"reverted","at":"2026-11-23T03:00:00Z"}]`)},
	} {
		if _, err := incidentfile.Make(id(), "v1", at(0), list); !errors.Is(err, incidentfile.ErrPartial) {
			t.Errorf("%s: got %v, want that it is partial", name, err)
		}
	}
}

// A file that is not as it should be is refused, and the error says where.
func TestStrict(t *testing.T) {
	t.Parallel()
	good := written(t, made(t, opened(""), noted(11, `[{"v":1,"kind":"reverted","at":"2026-11-23T03:00:11Z"}]`)))
	if _, err := incidentfile.Read(strings.NewReader(good)); err != nil {
		t.Fatal(err)
	}
	change := func(from, to string) string {
		if !strings.Contains(good, from) {
			t.Fatalf("%q is not in the file:\n%s", from, good)
		}
		return strings.Replace(good, from, to, 1)
	}
	for name, c := range map[string]struct{ text, want string }{
		"empty":                 {"", "unexpected end"},
		"cut off":               {good[:len(good)-40], "unexpected end"},
		"something behind it":   {good + "{}", "after top-level value"},
		"not UTF-8":             {change("v1", "\xff"), "UTF-8"},
		"another format":        {change("firebreak-incident", "something"), `format is "something"`},
		"a newer version":       {change(`"version": 1`, `"version": 2`), "newer firebreak"},
		"no version":            {change(`"version": 1`, `"version": 0`), "the first one is 1"},
		"an unknown key":        {change(`"build"`, `"bulid"`), `unknown field "bulid"`},
		"a number as a word":    {change(`"seq":10`, `"seq":"10"`), "seq"},
		"no line, but a place":  {change(`"version": 1`, `"version": "1"`), "line 3"},
		"a bad id":              {change(string(id()), "nothing"), "id"},
		"another target":        {change(`"target": "`+target, `"target": "other`), "target"},
		"another handler":       {change(`"handler": "retrystorm"`, `"handler": "x"`), "id"},
		"the order":             {change(`"seq":11`, `"seq":10`), "messages[1].seq: 10 does not come after 10"},
		"no time":               {change(`"at":"2026-11-23T03:00:11Z","events"`, `"at":"0001-01-01T00:00:00Z","events"`), "messages[1].at"},
		"no events":             {change(`[{"v":1,"kind":"reverted","at":"2026-11-23T03:00:11Z"}]`, `[]`), "messages[1].events"},
		"events of no kind":     {change(`"kind":"reverted"`, `"kind":""`), "messages[1].events[0]"},
		"a second opening":      {change(`"kind":"reverted"`, `"kind":"opened"`), "messages[1].events[0]"},
		"opening of another":    {change(`"domain"`, `"handler":"y","domain"`), "messages[0].events[0].opening"},
		"expecting nonsense":    {change(`"messages"`, `"expect":{"deeds":[{"kind":"nonsense"}]},"messages"`), "expect.deeds[0].kind"},
		"expecting no list":     {change(`"messages"`, `"expect":{},"messages"`), "expect.deeds"},
		"expecting a wrong key": {change(`"messages"`, `"expect":{"deeds":[{"kind":"acted","verdict":"x"}]},"messages"`), "verdict"},
	} {
		if _, err := incidentfile.Read(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want that it says %q", name, err, c.want)
		}
	}
}

// Whatever is read is written and read again as the same, and nothing makes it panic.
func FuzzRead(f *testing.F) {
	file, err := incidentfile.Make(id(), "v1", at(99), []incidentfile.Message{opened(`,"note":"password=hunter2"`)})
	if err != nil {
		f.Fatal(err)
	}
	var b bytes.Buffer
	if err := file.Write(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte(`{"format":"firebreak-incident","version":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := incidentfile.Read(bytes.NewReader(text))
		if err != nil {
			return
		}
		var first, second bytes.Buffer
		if err := got.Write(&first); err != nil {
			t.Fatal(err)
		}
		again, err := incidentfile.Read(bytes.NewReader(first.Bytes()))
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, first.String())
		}
		if err := again.Write(&second); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Fatalf("%v\n%s\n%s", err, first.String(), second.String())
		}
		if !json.Valid(first.Bytes()) {
			t.Fatal("not JSON")
		}
	})
}
