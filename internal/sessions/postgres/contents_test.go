package postgres_test

import (
	"testing"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

// prints are those of all sessions of a node, in pages of 100.
func prints(t *testing.T, r sessions.Reader, node string, cut sessions.Cut) map[string]string {
	t.Helper()
	all := map[string]string{}
	for q := (sessions.Query{Node: node, Cut: cut, Limit: 100}); ; {
		page, err := r.Contents(t.Context(), q)
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

// A print is the same at both nodes, though their time zones differ, and after a lease was renewed; it is another one if anything else is.
func TestContents(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	b.fill(t, 250)
	b.Standbys[0].Exec(t, "alter system set timezone = 'Asia/Tokyo'")
	b.Standbys[0].Exec(t, "select pg_reload_conf()")
	before := prints(t, b.store, sessions.Primary, sessions.Cut{})
	b.Primary.Exec(t, `update sessions set lease_expires_at = now(), updated_at = now() where session_id = 'user-1';
		update sessions set data = '{"a": 1}' where session_id = 'user-2'; update sessions set priority = 'low' where session_id = 'user-3'`)
	cut, err := b.store.Cut(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	after := prints(t, b.store, "pg2", cut)
	if len(before) != 250 || len(after) != 250 {
		t.Fatalf("there are %d and %d prints", len(before), len(after))
	}
	for key, print := range before {
		if changed, want := after[key] != print, key == "user-2" || key == "user-3"; changed != want {
			t.Errorf("the print of %s changed: %t, want %t", key, changed, want)
		}
	}
}
