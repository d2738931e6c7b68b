package redis_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// prints are those of all sessions of a node.
func prints(t *testing.T, r sessions.Reader, node string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for q := (sessions.Query{Node: node}); ; {
		page, err := r.Contents(context.Background(), q)
		if err != nil || len(page.Prints) != len(page.Sessions) {
			t.Fatalf("read contents: %d prints of %d sessions, %v", len(page.Prints), len(page.Sessions), err)
		}
		for i, s := range page.Sessions {
			all[s.Key.String()] = page.Prints[i]
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return all
		}
	}
}

// A print is the same at both nodes and after a lease was renewed, and another one if anything else of a session is: a value, a
// name, or where one ends and the next begins.
func TestContents(t *testing.T) {
	t.Parallel()
	b := newBench(t, testbed.RedisOptions{Args: []string{"--replica-read-only", "no"}})
	b.fill(t, 450)
	same(t, b)
	before := prints(t, b.store, sessions.Primary)
	if len(before) != 450 {
		t.Fatalf("there are %d prints", len(before))
	}
	for i, words := range [][]string{
		{"HSET", "lease_until", "1999999999999", "updated_at", "7"},
		{"HSET", "data", "contents of " + id(1) + "."},
		{"HDEL", "data"},
		{"HSET", "dat", "a"},
		{"HSET", "version", "2"},
		{"HSET", "priority", "low"},
	} {
		if _, err := b.Replicas[0].Do(append([]string{words[0], prefix + "s:" + id(i)}, words[1:]...)...); err != nil {
			t.Fatal(err)
		}
	}
	after := prints(t, b.store, "redis2")
	var changed []string
	for key, print := range before {
		if after[key] != print {
			changed = append(changed, key)
		}
	}
	slices.Sort(changed)
	if got, want := strings.Join(changed, " "), "user-1 user-2 user-3 user-4 user-5"; got != want {
		t.Errorf("the prints of %s changed, want %s", got, want)
	}
	page, err := b.store.Contents(t.Context(), sessions.Query{IDs: []string{id(7), "nobody"}})
	if err != nil || len(page.Sessions) != 1 || page.Prints[0] != before[id(7)] || page.Cut.IsZero() {
		t.Errorf("by id: %+v, %v", page, err)
	}
	if _, err := b.store.Contents(t.Context(), sessions.Query{Quarantined: true}); sessions.Code(err) != "request" {
		t.Errorf("of quarantined sessions: %v", err)
	}
}

// Two sessions that are written one after the other without a border between their fields would have one print.
func TestContentsTellsBorders(t *testing.T) {
	t.Parallel()
	b := newBench(t, testbed.RedisOptions{Replicas: -1})
	b.fill(t, 2)
	for i, words := range [][]string{{"data", "x", "ab", "c"}, {"data", "x", "a", "bc"}} {
		if _, err := b.Primary.Do(append([]string{"HSET", prefix + "s:" + id(i)}, words...)...); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Primary.Do("SET", prefix+"s:text", "no session"); err != nil {
		t.Fatal(err)
	}
	got := prints(t, b.store, sessions.Primary)
	if len(got) != 2 || got[id(0)] == got[id(1)] {
		t.Errorf("got %v", got)
	}
}
