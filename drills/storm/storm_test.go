package storm

import (
	"context"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
)

// The system must storm for real, or nothing that is shown on it means anything: healthy at first, in a storm while payments is
// slow, and still in it when payments has long been fast again.
func TestStormOutlivesItsCause(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	b, err := bus.Open(ctx, bus.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0", Token: "a-token-for-this-test", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	nc, err := nats.Connect(b.ClientURL(), nats.Token("a-token-for-this-test"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	s, err := Start(ctx, Config{Conn: nc})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()

	healthy := awaitRates(t, ctx, s, "health", func(r Rates) bool { return r.Goodput > 40 && r.Ratio < 1.1 })
	s.Slow(10, 3*time.Second)
	slowed := time.Now()
	awaitRates(t, ctx, s, "a storm", func(r Rates) bool { return r.Ratio > 2 && r.Goodput < healthy.Goodput/4 })
	after := awaitRates(t, ctx, s, "the cause being long gone", func(Rates) bool { return time.Since(slowed) > 8*time.Second })
	if after.Ratio < 2 || after.Goodput > healthy.Goodput/4 {
		t.Errorf("5 s after payments is fast again: %.0f good of %.0f asked a second, %.1f attempts per call; want the storm to go on",
			after.Goodput, after.Offered, after.Ratio)
	}
	t.Logf("healthy %+v", healthy)
	t.Logf("after   %+v", after)
}

// awaitRates reads twice a second until the rates are as wanted.
func awaitRates(t *testing.T, ctx context.Context, s *System, what string, ok func(Rates) bool) Rates {
	t.Helper()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	last := s.Read()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("no %s before the test's end", what)
		}
		now := s.Read()
		r := now.Since(last)
		last = now
		if ok(r) {
			return r
		}
	}
}
