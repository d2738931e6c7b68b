package deadman

import (
	"strings"
	"testing"
	"time"
)

// Whatever is said, it is one request or an error, and no span is beyond the bounds.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{`{"do":"arm","action":"a1","database":"app","for_ms":5000}`, `{"do":"arm","for_ms":-1}`, `{"do":"arm","for_ms":15001}`,
		`{"do":"state"}`, `[]`, `{"do":1}`, "{", `{"for_ms":9223372036854775807}`} {
		f.Add(seed + "\n")
	}
	f.Fuzz(func(t *testing.T, line string) {
		var r request
		if err := readLine(strings.NewReader(line), &r); err != nil {
			return
		}
		if !strings.Contains(line, "\n") || strings.IndexByte(line, '\n') >= largestLine {
			t.Errorf("%q was read", line)
		}
		if span, err := r.span(); err == nil && (span < time.Millisecond || span > MaxFor) {
			t.Errorf("%q is for %s", line, span)
		}
	})
}

// What was written is read back whole, and what is gone is nothing.
func TestState(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/state"
	if _, found, err := load(path); found || err != nil {
		t.Errorf("got %t, %v", found, err)
	}
	want := Armed{Action: "a1", Database: `a "b"`, Until: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)}
	for range 2 {
		if err := save(path, want); err != nil {
			t.Fatal(err)
		}
		if got, found, err := load(path); got != want || !found || err != nil {
			t.Errorf("got %+v, %t, %v", got, found, err)
		}
	}
	for range 2 {
		if err := forget(path); err != nil {
			t.Error(err)
		}
	}
	if _, found, err := load(path); found || err != nil {
		t.Errorf("got %t, %v", found, err)
	}
}
