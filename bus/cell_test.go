package bus_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/nats-io/nats.go/jetstream"
)

func cell(t *testing.T, b *bus.Bus) *bus.Cell {
	t.Helper()
	c, err := b.Cell(within(t), "cells", "doc")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func put(ctx context.Context, c *bus.Cell, doc string) error {
	return c.Change(ctx, func([]byte) ([]byte, error) { return []byte(doc), nil })
}

// Sixteen writers increment one document, and no increment is lost.
func TestCellContended(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{})
	const writers, each = 16, 10
	var wg sync.WaitGroup
	for range writers {
		c := cell(t, b)
		wg.Go(func() {
			for range each {
				err := c.Change(within(t), func(doc []byte) ([]byte, error) {
					n, _ := strconv.Atoi(string(doc)) // absent is 0
					return []byte(strconv.Itoa(n + 1)), nil
				})
				if err != nil {
					t.Errorf("change: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if got, err := cell(t, b).Get(within(t)); err != nil || string(got) != strconv.Itoa(writers*each) {
		t.Errorf("got %s, %v, want %d", got, err, writers*each)
	}
}

// An error of the function is returned as it is and changes nothing.
func TestCellRefuses(t *testing.T) {
	t.Parallel()
	c := cell(t, open(t, bus.Config{}))
	ctx := within(t)
	no := errors.New("no")
	refuse := func([]byte) ([]byte, error) { return []byte("changed"), no }
	if err := c.Change(ctx, refuse); !errors.Is(err, no) {
		t.Errorf("got %v, want %v", err, no)
	}
	if got, err := c.Get(ctx); got != nil || err != nil {
		t.Errorf("got %q, %v, want an absent document", got, err)
	}
	if err := put(ctx, c, "kept"); err != nil {
		t.Fatal(err)
	}
	if err := c.Change(ctx, refuse); !errors.Is(err, no) {
		t.Errorf("got %v, want %v", err, no)
	}
	if got, err := c.Get(ctx); string(got) != "kept" || err != nil {
		t.Errorf("got %q, %v, want kept", got, err)
	}
}

// An empty document is not an absent one, and a deleted one is absent again.
func TestCellEmpty(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{})
	c := cell(t, b)
	ctx := within(t)
	if err := put(ctx, c, ""); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Get(ctx); got == nil || len(got) != 0 || err != nil {
		t.Errorf("got %v, %v, want an empty document", got, err)
	}
	kv, err := b.JetStream().KeyValue(ctx, "cells")
	if err != nil {
		t.Fatal(err)
	}
	if err := kv.Delete(ctx, "doc"); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Get(ctx); got != nil || err != nil {
		t.Errorf("got %q, %v, want an absent document", got, err)
	}
	if err := put(ctx, c, "again"); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Get(ctx); string(got) != "again" || err != nil {
		t.Errorf("got %q, %v, want again", got, err)
	}
}

// A document that cannot be read is an error, for whoever reads and for whoever changes.
func TestCellUnreadable(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{})
	c := cell(t, b)
	b.Close()
	if _, err := c.Get(within(t)); err == nil || errors.Is(err, jetstream.ErrKeyNotFound) {
		t.Errorf("got %v, want that it cannot be read", err)
	}
	if err := put(within(t), c, "x"); err == nil {
		t.Error("got a change on a closed bus, want an error")
	}
}

// Old values are dropped, however often the document is changed, and the newest is kept.
func TestCellDropsOldValues(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{})
	c := cell(t, b)
	ctx := within(t)
	const changes = 600
	for i := range changes {
		if err := put(ctx, c, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := c.Get(ctx); string(got) != fmt.Sprint(changes-1) || err != nil {
		t.Errorf("got %q, %v, want the last value", got, err)
	}
	s, err := b.JetStream().Stream(ctx, "KV_cells")
	if err != nil {
		t.Fatal(err)
	}
	if n := s.CachedInfo().State.Msgs; n > 257 {
		t.Errorf("%d values are kept, want at most 257", n)
	}
}
