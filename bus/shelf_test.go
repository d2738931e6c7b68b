package bus_test

import (
	"errors"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
)

// A document is changed only by who has seen its last state, and survives a restart.
func TestShelf(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, bus.Config{Dir: dir})
	s, err := b.Shelf(t.Context(), "things", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Get(t.Context(), "a"); !errors.Is(err, bus.ErrNotFound) {
		t.Errorf("got %v of nothing, want that it is not there", err)
	}
	first, err := s.Put(t.Context(), "a", []byte("1"), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), "a", []byte("x"), 0); !errors.Is(err, bus.ErrConflict) {
		t.Errorf("made twice: got %v, want a conflict", err)
	}
	if _, err := s.Put(t.Context(), "b", []byte("other"), 0); err != nil {
		t.Fatal(err)
	}
	second, err := s.Put(t.Context(), "a", []byte("2"), first)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), "a", []byte("x"), first); !errors.Is(err, bus.ErrConflict) {
		t.Errorf("replaced what was not seen: got %v, want a conflict", err)
	}
	b.Close()
	if s, err = open(t, bus.Config{Dir: dir}).Shelf(t.Context(), "things", time.Hour); err != nil {
		t.Fatal(err)
	}
	if doc, rev, err := s.Get(t.Context(), "a"); err != nil || string(doc) != "2" || rev != second {
		t.Errorf("got %q at %d, %v; want 2 at %d", doc, rev, err, second)
	}
}
