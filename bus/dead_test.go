package bus_test

import (
	"context"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
)

// What was in a dead worker's hand is handed out again soon, and does not keep what is behind it waiting for long.
func TestWorkOfTheDead(t *testing.T) {
	t.Parallel()
	b := open(t, bus.Config{})
	fill(t, b, 2)
	first := make(chan string, 10)
	stop := work(t, b, "mortal", func(_ context.Context, m bus.Msg) error {
		first <- string(m.Data)
		return nil
	})
	<-first
	<-first
	stop()
	if _, err := b.AppendIf(within(t), "incidents.last", 0, []byte("in hand")); err != nil {
		t.Fatal(err)
	}
	// The dead worker: it takes the message and is never heard of again.
	c, err := b.JetStream().Consumer(within(t), bus.Incidents, "mortal")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Next(); err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 10)
	work(t, b, "mortal", func(_ context.Context, m bus.Msg) error {
		got <- string(m.Data)
		return nil
	})
	timeout := time.After(15 * time.Second)
	for {
		select {
		case text := <-got:
			if text == "in hand" {
				return
			}
		case <-timeout:
			t.Fatal("got nothing for 15 s, want what the dead worker had in hand")
		}
	}
}
