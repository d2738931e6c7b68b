package receiver

import (
	"fmt"
	"testing"
	"time"
)

// clock is moved by the test.
type clock struct{ at time.Time }

func newClock() *clock { return &clock{time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time { return c.at }

func (c *clock) pass(d time.Duration) { c.at = c.at.Add(d) }

// An address may be wrong ten times at once, and once more every six seconds; what is beyond spends nothing, and a rest gives all back.
func TestBudgetOfGuesses(t *testing.T) {
	t.Parallel()
	c := newClock()
	g := newGuesses(c.now)
	const someone = "192.0.2.1:1000"
	spend := func(n int) {
		t.Helper()
		for i := range n {
			if wait, _ := g.wrong(someone); wait != 0 {
				t.Fatalf("guess %d: got a wait of %s, want none", i+1, wait)
			}
		}
		if wait, _ := g.wrong(someone); wait != guessEvery {
			t.Fatalf("guess %d: got a wait of %s, want %s", n+1, wait, guessEvery)
		}
	}
	spend(guessesAtOnce)
	c.pass(guessEvery - time.Second)
	if wait, _ := g.wrong(someone); wait != time.Second {
		t.Errorf("a second too early: got a wait of %s, want 1s", wait)
	}
	c.pass(time.Second)
	spend(1)
	c.pass(3 * guessEvery)
	spend(3)
	c.pass(24 * time.Hour)
	spend(guessesAtOnce)
}

// Addresses have budgets of their own; one network of IPv6 is one address, and so is IPv4 in either notation, with any port.
func TestWhoGuesses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		first, second string
		same          bool
	}{
		"another port":            {"192.0.2.1:1", "192.0.2.1:2", true},
		"another address":         {"192.0.2.1:1", "192.0.2.2:1", false},
		"IPv4 written as IPv6":    {"192.0.2.1:1", "[::ffff:192.0.2.1]:1", true},
		"another of the same /64": {"[2001:db8:0:1::1]:1", "[2001:db8:0:1:ffff::2]:1", true},
		"another /64":             {"[2001:db8:0:1::1]:1", "[2001:db8:0:2::1]:1", false},
		"another zone":            {"[fe80::1%eth0]:1", "[fe80::1%eth1]:1", true},
		"no address":              {"@", "", true},
	} {
		g := newGuesses(newClock().now)
		for range guessesAtOnce {
			g.wrong(c.first)
		}
		if wait, _ := g.wrong(c.second); (wait > 0) != c.same {
			t.Errorf("%s: got a wait of %s, want one: %t", name, wait, c.same)
		}
	}
}

// One line a minute is logged of an address, whatever it does.
func TestGuessesAreSaidOnceAMinute(t *testing.T) {
	t.Parallel()
	c := newClock()
	g := newGuesses(c.now)
	for minute, want := range []int{1, 1, 0} {
		if minute == 2 {
			c.pass(-time.Minute + time.Second) // less than a minute after the last line
		}
		said := 0
		for range 1000 {
			if _, say := g.wrong("192.0.2.1:1"); say {
				said++
			}
		}
		if said != want {
			t.Errorf("round %d: got %d lines, want %d", minute, said, want)
		}
		c.pass(time.Minute)
	}
}

// However many addresses there are, the table does not grow; those beyond share a budget, and when the table has room again they have their own.
func TestGuessersAreBounded(t *testing.T) {
	t.Parallel()
	c := newClock()
	g := newGuesses(c.now)
	address := func(i int) string { return fmt.Sprintf("[2001:db8:%x:%x::1]:1", i>>16, i&0xffff) }
	for i := range guessers {
		if wait, _ := g.wrong(address(i)); wait != 0 {
			t.Fatalf("address %d: got a wait of %s", i, wait)
		}
	}
	within := 0
	for i := guessers; i < 3*guessers; i++ {
		if wait, _ := g.wrong(address(i)); wait == 0 {
			within++
		}
	}
	if within != guessesAtOnce {
		t.Errorf("beyond the table: got %d within the budget, want %d for all of them", within, guessesAtOnce)
	}
	if len(g.by) != guessers {
		t.Errorf("got %d addresses in the table, want %d", len(g.by), guessers)
	}
	c.pass(2 * sayAgain)
	if wait, _ := g.wrong(address(5 * guessers)); wait != 0 || len(g.by) != 1 {
		t.Errorf("after a rest: got a wait of %s and %d addresses, want none and 1", wait, len(g.by))
	}
}
