package fieldtest

import (
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/firebreak-sre/firebreak/drills/storm"
	"github.com/firebreak-sre/firebreak/internal/blackbox"
	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// storming is two real services, one of which can be made slow for a while, until the other's retries are all that it serves.
type storming struct {
	system *storm.System
	last   storm.Reading
	good   bool // in the last whole second
	breaks *trail
}

func startStorm(t *testing.T, a addresses) scene {
	t.Helper()
	nc, err := nats.Connect("nats://"+a.bus, nats.Token(busToken), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	s := &storming{}
	if s.system, err = storm.Start(t.Context(), storm.Config{Conn: nc}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.system.Close)
	s.last = s.system.Read()
	return s
}

func (s *storming) targets() []testbed.ScrapeTarget {
	at, err := url.Parse(s.system.MetricsURL())
	if err != nil {
		panic(err) // it was made from an address
	}
	return []testbed.ScrapeTarget{{Job: "checkout", Addr: at.Host}}
}

func (s *storming) policy(prometheus string) string {
	rate := func(metric string) string {
		return fmt.Sprintf(`'sum(rate(edge_%s_total{service="checkout",edge="payments"}[5s]))'`, metric)
	}
	return fmt.Sprintf(`handlers:
  retrystorm:
    mode: auto
    thresholds: {sample_every: 1s, verify_within: 20s, hold_for: 2s, ramp_every: 5s}
    edges:
      - service: checkout
        edge: payments
        probe: {prometheus: {url: %q, calls: %s, attempts: %s, successes: %s, failures: %s}}
        fix: {breaker: {}, allow: [open], ttl: 10s, limit: 60s, ramp: [50]}
`, prometheus, rate("calls"), rate("attempts"), rate("successes"), rate("failures"))
}

// rates are those of the last second or more; false before it is over.
func (s *storming) rates() (storm.Rates, bool) {
	now := s.system.Read()
	if now.At.Sub(s.last.At) < time.Second {
		return storm.Rates{}, false
	}
	r := now.Since(s.last)
	s.last = now
	return r, true
}

func (s *storming) well() bool {
	if r, whole := s.rates(); whole {
		s.good = r.Goodput > 40 && r.Goodput >= 0.8*r.Offered && r.Ratio < 1.2
	}
	return s.good
}

func (s *storming) begin(t *testing.T) time.Time {
	t.Helper()
	s.breaks = follow(t, func() (string, error) {
		if s.system.Read().Held {
			return "open", nil
		}
		return "closed", nil
	})
	began := time.Now()
	s.system.Slow(10, 3*time.Second)
	// Whether it would outlive its cause is not waited for: the change may come before that.
	testbed.Await(t, blackbox.Within, "a storm", func() bool {
		r, whole := s.rates()
		return whole && r.Ratio > 1.3 && r.Goodput < 0.5*r.Offered
	})
	s.good = false
	return began
}

func (s *storming) mend(*testing.T) {}

func (s *storming) judge(*testing.T) (wrongs []string) {
	been, err := s.breaks.end()
	if want := []string{"closed", "open", "closed"}; err != nil || !slices.Equal(been, want) {
		wrongs = append(wrongs, fmt.Sprintf("the breaker was %q (%v), want %q", been, err, want))
	}
	return wrongs
}
