package params_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	store "github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/remediations/sessions/params"
)

// session is one whose version names nodes as nodes may be named.
func session() store.Session {
	return store.Session{Key: store.Key{ID: "u1", Copy: "Node-B.2"}, Owner: "Node-B.2", Epoch: 6,
		Version: store.Version{"Node-B.2": 3, "node_a": 1}, LeaseUntil: time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC), Priority: store.High}
}

// What is written as the types say is read as the same.
func TestWrittenIsRead(t *testing.T) {
	t.Parallel()
	list := []store.Session{session()}
	for name, same := range map[string]bool{
		"sync":       reads(t, params.ReadSync, params.Sync{Epoch: 7, IDs: []string{"u1", "u2"}}),
		"quarantine": reads(t, params.ReadQuarantine, params.Quarantine{Epoch: 7, Total: 4200, Sessions: list}),
		"reconcile":  reads(t, params.ReadReconcile, params.Reconcile{Epoch: 7, Sessions: list}),
		"recover":    reads(t, params.ReadRecover, params.Recover{Epoch: 7, To: "node-b", Sessions: list}),
	} {
		if !same {
			t.Errorf("%s is read as something else", name)
		}
	}
}

func reads[T any](t *testing.T, read func(json.RawMessage) (T, error), written T) bool {
	t.Helper()
	text, err := json.Marshal(written)
	if err != nil {
		t.Fatal(err)
	}
	got, err := read(text)
	if err != nil {
		t.Errorf("%s: %v", text, err)
	}
	return reflect.DeepEqual(got, written)
}

// The shapes are those that are documented, to the letter.
func TestDocumented(t *testing.T) {
	t.Parallel()
	const s = `{"id":"u1","copy":"node-a","owner":"node-a","epoch":6,"version":3,"lease_until":"2026-01-02T03:04:05.678Z","priority":"normal"}`
	if p, err := params.ReadSync([]byte(`{"epoch":7,"ids":["u1","u2"]}`)); err != nil || len(p.IDs) != 2 || p.Epoch != 7 {
		t.Errorf("sync: %+v, %v", p, err)
	}
	p, err := params.ReadQuarantine([]byte(`{"epoch":7,"total":4200,"sessions":[` + s + `]}`))
	if err != nil || p.Total != 4200 || p.Sessions[0].Check() != nil {
		t.Errorf("quarantine: %+v, %v", p, err)
	}
	if p, err := params.ReadReconcile([]byte(`{"epoch":7,"sessions":[` + s + `]}`)); err != nil || p.Sessions[0].Copy != "node-a" {
		t.Errorf("reconcile: %+v, %v", p, err)
	}
	if p, err := params.ReadRecover([]byte(`{"epoch":7,"to":"node-b","sessions":[` + s + `]}`)); err != nil || p.To != "node-b" {
		t.Errorf("recover: %+v, %v", p, err)
	}
}

// As many sessions as may be named fit, with long names, and nothing much longer is read at all.
func TestSize(t *testing.T) {
	t.Parallel()
	var list []store.Session
	for i := range params.MostRecovered {
		s := session()
		s.ID = strings.Repeat("u", 197) + string(rune('a'+i/26)) + string(rune('a'+i%26))
		list = append(list, s)
	}
	if !reads(t, params.ReadRecover, params.Recover{Epoch: 7, To: "node-b", Sessions: list}) {
		t.Error("they do not fit")
	}
	if _, err := params.ReadSync([]byte(`{"epoch":7,"ids":["u"]` + strings.Repeat(" ", 1<<20) + `}`)); err == nil {
		t.Error("a megabyte is read")
	}
}

// Whatever strangers send is refused or read as what could be written again.
func FuzzRead(f *testing.F) {
	f.Add(`{"epoch":7,"total":4200,"sessions":[{"id":"u","owner":"a","epoch":6,"version":{"a":1},
		"lease_until":"2026-01-02T03:04:05Z","priority":"low"}]}`)
	f.Add(`{"epoch":null,"total":1e2,"sessions":[null]}`)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := params.ReadQuarantine([]byte(text))
		if err != nil {
			return
		}
		again, err := json.Marshal(p)
		if err != nil {
			t.Fatalf("%q is read, and cannot be written: %v", text, err)
		}
		if _, err := params.ReadQuarantine(again); err != nil {
			t.Fatalf("%q is read, and as %s it is not: %v", text, again, err)
		}
	})
}
