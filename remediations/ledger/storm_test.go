package ledger_test

import (
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
)

// grain is how much longer than its calm a storm of the default calm is held.
const grain = 5.0 / 60

// Too many sick targets stop their zone, until it has been calm for long enough; too many alerts stop all of them.
func TestStorm(t *testing.T) {
	t.Parallel()
	inUS := func(a ledger.Ask) ledger.Ask { a.Zone = "us"; return a }
	l := limits(nil)
	b := emptyBook(t)
	for i, c := range []struct {
		at     float64
		zone   string
		sick   int
		want   remediations.Reason
		until  float64
		change bool
		surge  bool
	}{
		{at: 0, zone: "eu", sick: 2},
		{at: 1, zone: "eu", sick: 3, want: remediations.ReasonBlastRadius, change: true},
		{at: 1.05, zone: "eu", sick: 4, want: remediations.ReasonBlastRadius},              // 3 s later: not written again
		{at: 1.1, zone: "eu", sick: 3, want: remediations.ReasonBlastRadius, change: true}, // 6 s later: written
		{at: 2, zone: "eu", sick: 1, want: remediations.ReasonStorm, until: 11.1 + grain},  // asking does not extend it
		{at: 2, zone: "us", sick: 1},
		{at: 9, zone: "eu", sick: 3, want: remediations.ReasonBlastRadius, change: true}, // it goes on
		{at: 18.9, zone: "eu", sick: 2, want: remediations.ReasonStorm, until: 19 + grain},
		{at: 19 + grain, zone: "eu", sick: 2},
		{at: 20, surge: true, change: true},
		{at: 20.05, surge: true},
		{at: 29, surge: true, change: true},
		{at: 30, zone: "eu", sick: 1, want: remediations.ReasonStorm, until: 39 + grain},
		{at: 38.9, zone: "us", sick: 1, want: remediations.ReasonStorm, until: 39 + grain},
		{at: 39 + grain, zone: "us", sick: 1},
		{at: 40, zone: "us", surge: true, change: true},
		{at: 41, zone: "us", sick: 1, want: remediations.ReasonStorm, until: 50 + grain},
		{at: 41, zone: "eu", sick: 1},
	} {
		if c.surge {
			if got := b.Surge(l, c.zone, after(c.at)); got != c.change {
				t.Errorf("step %d: got changed %t, want %t", i, got, c.change)
			}
			b = through(t, b)
			continue
		}
		a := ask("i1", "pay", func(a *ledger.Ask) { a.Sick = c.sick })
		if c.zone == "us" {
			a = inUS(a)
		}
		grant, no, changed := b.Reserve(l, a, after(c.at))
		s := step{want: c.want}
		if c.until != 0 {
			s.until = after(c.until)
		}
		s.judge(t, a.Zone, grant, no)
		if c.want != "" && changed != c.change {
			t.Errorf("step %d: got changed %t, want %t", i, changed, c.change)
		}
		b.Release(l, ledger.End{Incident: "i1", Domain: "pay"}, after(c.at))
		b = through(t, b)
	}
}

// How many may be sick is a number and a share, and one alone is never too many.
func TestBlastRadius(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		radius      policy.BlastRadius
		sick, known int
		want        bool
	}{
		{policy.BlastRadius{}, 0, 0, true},
		{policy.BlastRadius{}, 1, 1, true},
		{policy.BlastRadius{}, 1, 0, true},
		{policy.BlastRadius{}, 2, 7, true},
		{policy.BlastRadius{}, 2, 6, false}, // 33.3 of 33 percent
		{policy.BlastRadius{}, 2, 0, false}, // nobody knows how many there are
		{policy.BlastRadius{}, 3, 1000, false},
		{policy.BlastRadius{Targets: 5, SharePercent: 50}, 5, 10, true},
		{policy.BlastRadius{Targets: 5, SharePercent: 50}, 5, 9, false},
		{policy.BlastRadius{Targets: 5, SharePercent: 50}, 6, 100, false},
		{policy.BlastRadius{Targets: 1, SharePercent: 100}, 2, 100, false},
		{policy.BlastRadius{Targets: 100, SharePercent: 100}, 100, 100, true},
	} {
		l := limits(func(l *policy.Limits) { l.BlastRadius = c.radius })
		_, no, _ := emptyBook(t).Reserve(l, ask("i1", "pay", func(a *ledger.Ask) { a.Sick, a.Known = c.sick, c.known }), noon())
		if (no == nil) != c.want || (no != nil && no.Reason != remediations.ReasonBlastRadius) {
			t.Errorf("%+v with %d of %d: got %v, want %t", c.radius, c.sick, c.known, no, c.want)
		}
	}
}

// A zone that is too sick is marked whatever else is in the way, and also if a person overrides.
func TestSickZoneIsMarkedWhateverTheAnswer(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*ledger.Ask){
		"another limit": func(*ledger.Ask) {}, "override": func(a *ledger.Ask) { a.Override, a.Domain = true, "stock" },
	} {
		b, l := emptyBook(t), limits(nil)
		b.Reserve(l, ask("i1", "pay", nil), noon())
		b.Reserve(l, ask("i2", "pay", func(a *ledger.Ask) { a.Sick = 8; change(a) }), noon())
		if _, no, _ := b.Reserve(l, ask("i3", "search", nil), after(1)); no == nil || no.Reason != remediations.ReasonStorm {
			t.Errorf("%s: got %v, want a storm", name, no)
		}
	}
}

// A short calm is held for a tenth longer at most, and a storm that goes on ends after the last report, however often it is reported.
func TestStormOfAShortCalm(t *testing.T) {
	t.Parallel()
	l := limits(func(l *policy.Limits) { l.BlastRadius.Calm = policy.Duration(10 * time.Second) })
	b, writes := emptyBook(t), 0
	last := noon().Add(time.Hour)
	for now := noon(); !now.After(last); now = now.Add(100 * time.Millisecond) {
		if b.Surge(l, "eu", now) {
			writes++
		}
	}
	if writes != 3601 {
		t.Errorf("got %d writes in an hour, want one a second", writes)
	}
	for late, want := range map[time.Duration]bool{9999 * time.Millisecond: false, 11 * time.Second: true} {
		blocks := b.Blocks(l, last.Add(late))
		if (len(blocks) == 0) != want {
			t.Errorf("%s after the last report: got %+v", late, blocks)
		}
	}
}
