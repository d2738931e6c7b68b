package postgres

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/remediations"
)

const (
	someEnds = `{"system_identifier":"7300000000000000001","sessions":[{"pid":42,"backend_start":"2026-11-01T10:00:00.123456Z",` +
		`"xact_start":"2026-11-01T10:05:00Z","user":"app"}],"roles":["app"],"max":3}`
	someStream = `{"system_identifier":"7300000000000000001","pid":42,"backend_start":"2026-11-01T10:00:00.123456Z",` +
		`"application_name":"pg2","standby":"pg2"}`
	someReplay = `{"system_identifier":"7300000000000000001","replay_lsn":"16/B374D848","settings":{"max_connections":100,` +
		`"max_locks_per_transaction":64,"max_prepared_transactions":0,"max_wal_senders":10,"max_worker_processes":8}}`
)

func fixes() []string {
	return []string{FixEndConflict, FixEndLeaked, FixEndBlocker, FixRestartStream, FixResumeReplay}
}

func stepOf(fix, params string) remediations.Step {
	return remediations.Step{Remediation: Name, Cluster: "orders", Node: "pg1", Fix: fix, Params: json.RawMessage(params), Once: true}
}

// What is whole is read; what lacks a word, has one too many, or passes a bound is not, whichever it is.
func TestParams(t *testing.T) {
	t.Parallel()
	for fix, text := range map[string]string{FixEndConflict: someEnds, FixEndLeaked: someEnds, FixEndBlocker: someEnds,
		FixRestartStream: someStream, FixResumeReplay: someReplay} {
		if _, err := decode(stepOf(fix, text)); err != nil {
			t.Errorf("%s: %v", fix, err)
		}
		for _, wrong := range []string{"", "{}", "null", "[]", text + text, text + "x", strings.Replace(text, "{", `{"query":"",`, 1),
			strings.Replace(text, `"system_identifier"`, `"System_Identifier"`, 1),
			strings.Replace(text, "{", `{"system_identifier":"1",`, 1), strings.Replace(text, "{", `{"system_identifier":null,`, 1)} {
			if _, err := decode(stepOf(fix, wrong)); err == nil {
				t.Errorf("%s: %.80q was read", fix, wrong)
			}
		}
		var words map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text), &words); err != nil {
			t.Fatal(err)
		}
		for left := range words {
			rest := map[string]json.RawMessage{}
			for word, v := range words {
				if word != left {
					rest[word] = v
				}
			}
			lacks, err := json.Marshal(rest)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := decode(stepOf(fix, string(lacks))); err == nil {
				t.Errorf("%s: params without %s were read", fix, left)
			}
		}
	}
	for _, c := range []struct{ fix, old, now string }{
		{FixEndLeaked, `"max":3`, `"max":0`}, {FixEndLeaked, `"max":3`, `"max":4`}, {FixEndLeaked, `"max":3`, `"max":-1`},
		{FixEndLeaked, `["app"]`, `[]`}, {FixEndLeaked, `["app"]`, `[""]`}, {FixEndLeaked, `["app"]`, "[\"a\\u0000\"]"},
		{FixEndLeaked, `"pid":42`, `"pid":0`}, {FixEndLeaked, `"pid":42`, `"pid":-1`}, {FixEndLeaked, `"pid":42`, `"pid":4294967338`},
		{FixEndLeaked, `.123456Z`, `.1234567Z`}, {FixEndLeaked, `"xact_start":"2026-11-01T10:05:00Z",`, ``},
		{FixEndLeaked, `"7300000000000000001"`, `"' or true --"`}, {FixEndLeaked, `"7300000000000000001"`, `"07"`},
		{FixEndLeaked, `"max":3`, `"max":3,"cancel_first":true`}, {FixEndConflict, `"max":3`, `"max":3,"standby":false`},
		{FixRestartStream, `"pg2","standby"`, `"","standby"`}, {FixRestartStream, `"standby":"pg2"`, `"standby":""`},
		{FixResumeReplay, `16/B374D848`, `16/b374d848`}, {FixResumeReplay, `16/B374D848`, `0`}, {FixResumeReplay, `16/B374D848`, `1/2'`},
		{FixResumeReplay, `"max_connections":100`, `"max_connections":-1`}, {FixResumeReplay, `"max_connections"`, `"shared_buffers"`},
		{FixResumeReplay, `"max_connections":100`, `"max_connections":100,"wal_level":1`},
	} {
		text := map[string]string{FixEndLeaked: someEnds, FixEndConflict: someEnds, FixRestartStream: someStream,
			FixResumeReplay: someReplay}[c.fix]
		if !strings.Contains(text, c.old) {
			t.Fatalf("%s has no %s", c.fix, c.old)
		}
		if _, err := decode(stepOf(c.fix, strings.Replace(text, c.old, c.now, 1))); err == nil {
			t.Errorf("%s with %s was read", c.fix, c.now)
		}
	}
	for _, place := range []remediations.Step{{Fix: FixEndLeaked}, {Fix: FixEndLeaked, Cluster: "orders"}, {Fix: FixEndLeaked, Service: "a", Edge: "b"}} {
		place.Params = json.RawMessage(someEnds)
		if _, err := decode(place); err == nil {
			t.Errorf("a step at %q was read", place.Place())
		}
	}
}

// Every fix has its class and says what it never does; what is no fix is never made.
func TestBounds(t *testing.T) {
	t.Parallel()
	s := &Sessions{}
	want := map[string]remediations.Class{FixEndConflict: remediations.ClassA, FixEndLeaked: remediations.ClassA, FixEndBlocker: remediations.ClassA,
		FixRestartStream: remediations.ClassP, FixResumeReplay: remediations.ClassP, "promote": remediations.ClassN}
	for fix, class := range want {
		b := s.Bounds(remediations.Step{Fix: fix})
		if b.Class != class || !b.Once || b.Adjusts || b.ExpiresItself || b.MaxLimit != MaxLimit || (len(b.Never) == 0) == slices.Contains(fixes(), fix) {
			t.Errorf("%s: got %+v, want class %s", fix, b, class)
		}
	}
	if _, err := New(Config{}); err == nil {
		t.Error("it works without servers")
	}
}

// Whatever strangers write, what is read is inside the bounds, and means the same when it is written again.
func FuzzParams(f *testing.F) {
	for _, fix := range fixes() {
		for _, text := range []string{someEnds, someStream, someReplay, `{}`, `{"max":1e9}`} {
			f.Add(fix, text)
		}
	}
	f.Fuzz(func(t *testing.T, fix, text string) {
		w, err := decode(stepOf(fix, text))
		if err != nil {
			return
		}
		var again []byte
		switch w := w.(type) {
		case ending:
			if len(w.Sessions) < 1 || len(w.Sessions) > w.Max || w.Max > MaxSessions || len(w.Roles) == 0 {
				t.Errorf("out of bounds: %+v", w)
			}
			again, err = json.Marshal(w.endParams)
		case restarting:
			again, err = json.Marshal(w.streamParams)
		case resuming:
			again, err = json.Marshal(w.replayParams)
		}
		if err != nil {
			t.Fatal(err)
		}
		same, err := decode(stepOf(fix, string(again)))
		if err != nil {
			t.Fatalf("%s is read, and written as %s it is not: %v", text, again, err)
		}
		if rewritten := reflect.DeepEqual(same, w); !rewritten && !sameTimes(w, same) {
			t.Errorf("%s is read as %+v, and written again as %+v", text, w, same)
		}
	})
}

// sameTimes compares texts: a time in another zone is the same, and is written the same way.
func sameTimes(a, b work) bool {
	one, errA := json.Marshal(a)
	two, errB := json.Marshal(b)
	return errA == nil && errB == nil && string(one) == string(two)
}
