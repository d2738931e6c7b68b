package handlers

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// stormBook is a ledger in memory. While it is deaf nothing can be written to it.
type stormBook struct {
	Ledger
	book   *ledger.Book
	limits policy.Limits
	deaf   bool
	writes int
	reg    *prometheus.Registry
}

// counted is how many storms the metric tells of.
func (b *stormBook) counted(t *testing.T) float64 {
	t.Helper()
	families, err := b.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "firebreak_alert_storms_total" {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatal("there is no metric of storms")
	return 0
}

func (b *stormBook) Surge(_ context.Context, zone string, now time.Time) error {
	if b.deaf {
		return errors.New("the bus does not answer")
	}
	if b.book.Surge(b.limits, zone, now) {
		b.writes++
	}
	return nil
}

// stormOf is a loop that counts alerts, and nothing else, against those limits.
func stormOf(t *testing.T, blast policy.BlastRadius) (*Loop, *stormBook, *time.Time) {
	t.Helper()
	limits := policy.Limits{BlastRadius: blast, Global: policy.Budget{Hour: 1, Day: 1, Concurrent: 1}}
	doc, err := ledger.ReadBook(nil)
	if err != nil {
		t.Fatal(err)
	}
	book, now := &stormBook{book: doc, limits: limits, reg: prometheus.NewRegistry()}, time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	l := NewLoop(Config{Ledger: book, Limits: limits,
		Metrics: NewMetrics(book.reg), Log: zerolog.Nop(), Now: func() time.Time { return now }}, "replica", nil, nil)
	return l, book, &now
}

// While too many alerts keep coming the storm has no break, however short the calm is that ends it; it is one storm, it ends when it is
// calm, and writing it down costs little.
func TestAStormOfAlertsHasNoBreak(t *testing.T) {
	t.Parallel()
	const step, lasts = 100 * time.Millisecond, 30 * time.Second
	for _, calm := range []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Minute} {
		t.Run(calm.String(), func(t *testing.T) {
			t.Parallel()
			l, book, now := stormOf(t, policy.BlastRadius{AlertsPerMinute: 1000, Calm: policy.Duration(calm)})
			l.countAlerts(t.Context(), *now, 1000)
			if blocks := book.book.Blocks(book.limits, *now); len(blocks) != 0 {
				t.Fatalf("the limit itself is a storm: %v", blocks)
			}
			for end := now.Add(lasts); now.Before(end); *now = now.Add(step) {
				l.countAlerts(t.Context(), *now, 100)
				if blocks := book.book.Blocks(book.limits, *now); len(blocks) != 1 {
					t.Fatalf("the storm had a break %s before its end", end.Sub(*now))
				}
			}
			if got := book.counted(t); got != 1 {
				t.Errorf("it was counted as %v storms, want one", got)
			}
			if most := int(lasts/min(calm/4, 5*time.Second)) + 1; book.writes > most {
				t.Errorf("the ledger was written %d times, want at most %d", book.writes, most)
			}
			*now = now.Add(calm + calm/4)
			if blocks := book.book.Blocks(book.limits, *now); len(blocks) != 0 {
				t.Errorf("it did not end in calm: %v", blocks)
			}
			*now = now.Add(time.Hour)
			l.countAlerts(t.Context(), *now, 1001)
			if got := book.counted(t); got != 2 {
				t.Errorf("with the next one there were %v storms, want two", got)
			}
		})
	}
}

// A storm that could not be entered in the ledger is entered with the next alert, not some seconds later.
func TestAStormThatCouldNotBeEnteredIsEnteredNext(t *testing.T) {
	t.Parallel()
	l, book, now := stormOf(t, policy.BlastRadius{AlertsPerMinute: 10, Calm: policy.Duration(time.Minute)})
	book.deaf = true
	l.countAlerts(t.Context(), *now, 11)
	book.deaf = false
	*now = now.Add(10 * time.Millisecond)
	l.countAlerts(t.Context(), *now, 1)
	if blocks := book.book.Blocks(book.limits, *now); len(blocks) != 1 {
		t.Fatalf("blocks: %v, want the storm", blocks)
	}
	if got := book.counted(t); got != 1 {
		t.Errorf("it was counted as %v storms, want one", got)
	}
}

// While a handler reads the alerts of a storm it goes on, though no more come; a minute after them it is over whatever is still to be read.
func TestAStormLastsWhileItsAlertsAreRead(t *testing.T) {
	t.Parallel()
	l, book, now := stormOf(t, policy.BlastRadius{AlertsPerMinute: 1000, Calm: policy.Duration(time.Second)})
	begun := *now
	l.countAlerts(t.Context(), *now, 1001)
	for ; now.Sub(begun) < 2*surgeWindow; *now = now.Add(100 * time.Millisecond) {
		l.countAlerts(t.Context(), time.Time{}, 0)
		on, since := len(book.book.Blocks(book.limits, *now)) == 1, now.Sub(begun)
		if !on && since < surgeWindow-surgeSlot || on && since > surgeWindow+2*time.Second {
			t.Fatalf("after %s of reading it is a storm: %t", since, on)
		}
	}
}
