package replay

import (
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/remediations"
)

// Totals compare the two courses over everything that was replayed.
type Totals struct {
	Messages  int `json:"messages"`
	Events    int `json:"events"`
	Incidents int `json:"incidents"`
	// Partial are incidents whose beginning is no longer kept; nothing was derived for them.
	Partial int `json:"partial,omitempty"`
	// Differ are the incidents that came out differently; Unknown those of which the other course is not known to its end.
	Differ  int `json:"differ"`
	Unknown int `json:"unknown"`
	// Moves counts incidents by what was done and what would have been, each by the weightiest deed.
	Moves map[Kind]map[Kind]int `json:"moves"`
	// Refusals counts incidents by the reasons of their refusals, then and now.
	Refusals map[remediations.Reason]Pair `json:"refusals,omitempty"`
	// Fixes counts incidents by the changes that were made, or asked for.
	Fixes map[string]Pair `json:"fixes,omitempty"`
	// PerHour is the most changes within any hour, Standing the most that stood at once. Changes of the other course stand until
	// their limit, or until the incident ended.
	PerHour  Pair `json:"per_hour"`
	Standing Pair `json:"standing"`
	// NewRisky are incidents in which a change of class P or P2 would have been made or asked for, and was not.
	NewRisky int `json:"new_risky"`
	// Assumed are incidents in which a change rests on a yes that nobody gave at the time.
	Assumed int `json:"assumed"`

	hours [2][]time.Time
	up    [2]map[incidents.ID]time.Time
}

// Pair is a count in both courses.
type Pair struct {
	Then int `json:"then"`
	Now  int `json:"now"`
}

func newTotals() Totals {
	return Totals{Moves: map[Kind]map[Kind]int{}, Refusals: map[remediations.Reason]Pair{}, Fixes: map[string]Pair{},
		up: [2]map[incidents.ID]time.Time{{}, {}}}
}

func (p *Pair) add(course int) {
	if course == then {
		p.Then++
	} else {
		p.Now++
	}
}

func (p *Pair) raise(course, n int) {
	if course == then {
		p.Then = max(p.Then, n)
	} else {
		p.Now = max(p.Now, n)
	}
}

// seen follows how many changes are made, and stand.
func (t *Totals) seen(inc *incident, ev incidents.Event) {
	for course, list := range inc.deeds {
		d := lastDeed(list)
		if d.Kind == Acted && ev.Kind == incidents.Decided && d.At.Equal(ev.At) {
			t.made(course, inc.id, d)
		}
	}
	if f := inc.then.Fix(); f != nil && !f.Times.Ended.IsZero() {
		delete(t.up[then], inc.id)
		if inc.unknown.IsZero() {
			delete(t.up[now], inc.id)
		}
	}
}

func (t *Totals) made(course int, id incidents.ID, d Deed) {
	hour := append(t.hours[course], d.At)
	for len(hour) > 0 && d.At.Sub(hour[0]) >= time.Hour {
		hour = hour[1:]
	}
	t.hours[course] = hour
	t.PerHour.raise(course, len(hour))
	for other, until := range t.up[course] {
		if !until.After(d.At) {
			delete(t.up[course], other)
		}
	}
	t.up[course][id] = d.At.Add(d.step.Limit.D())
	t.Standing.raise(course, len(t.up[course]))
}

// add counts an incident that has ended.
func (t *Totals) add(r Result) {
	delete(t.up[then], r.ID)
	delete(t.up[now], r.ID)
	if r.Partial {
		return
	}
	if r.Differs {
		t.Differ++
	}
	if !r.Unknown.IsZero() {
		t.Unknown++
	}
	was, is := Weightiest(r.Then), Weightiest(r.Now)
	if t.Moves[was.Kind] == nil {
		t.Moves[was.Kind] = map[Kind]int{}
	}
	t.Moves[was.Kind][is.Kind]++
	for course, list := range [2][]Deed{r.Then, r.Now} {
		t.count(course, list)
	}
	if risky(r.Now) && !risky(r.Then) {
		t.NewRisky++
	}
	for _, d := range r.Now {
		if d.Assumed && heavy(d) {
			t.Assumed++
			break
		}
	}
}

// count counts each reason and each fix of an incident once.
func (t *Totals) count(course int, list []Deed) {
	reasons, fixes := map[remediations.Reason]bool{}, map[string]bool{}
	for _, d := range list {
		if d.Kind == Refused && !reasons[d.Reason] {
			reasons[d.Reason] = true
			p := t.Refusals[d.Reason]
			p.add(course)
			t.Refusals[d.Reason] = p
		}
		if key := string(d.Kind) + " " + d.Fix; heavy(d) && !fixes[key] {
			fixes[key] = true
			p := t.Fixes[key]
			p.add(course)
			t.Fixes[key] = p
		}
	}
}

func risky(list []Deed) bool {
	for _, d := range list {
		if heavy(d) && (d.Class == remediations.ClassP || d.Class == remediations.ClassP2) {
			return true
		}
	}
	return false
}

// Acted is how many incidents had a change in them.
func (t Totals) Acted() Pair {
	var p Pair
	for was, row := range t.Moves {
		for is, n := range row {
			if was == Acted {
				p.Then += n
			}
			if is == Acted {
				p.Now += n
			}
		}
	}
	return p
}
