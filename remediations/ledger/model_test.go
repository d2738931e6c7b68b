package ledger_test

import (
	"time"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/ledger"
)

// granted is one grant as the model remembers it, for ever.
type granted struct {
	ledger.Ask
	at time.Time
}

// ended is one end as the model remembers it, for ever.
type ended struct {
	risky bool
	at    time.Time
}

// model is the slow and simple idea of the limits: it forgets nothing, stores nothing, and shares no code with the book.
type model struct {
	limits  policy.Limits
	grants  []granted
	holder  map[string]granted
	ends    map[string][]ended
	frozen  map[string][]string
	unacked map[string][]string
	acked   map[string]int // by target: how many grants there had been
	surged  map[string]time.Time
}

func newModel(l policy.Limits) *model {
	return &model{limits: l, holder: map[string]granted{}, ends: map[string][]ended{}, frozen: map[string][]string{},
		unacked: map[string][]string{}, acked: map[string]int{}, surged: map[string]time.Time{}}
}

// count is how many grants that fit lie in the span before now, and not after it.
func (m *model) count(span time.Duration, now time.Time, fits func(granted) bool) int {
	n := 0
	for i := len(m.grants) - 1; i >= 0 && m.grants[i].at.Add(span).After(now); i-- {
		if fits(m.grants[i]) {
			n++
		}
	}
	return n
}

// spent says whether a window of a budget is full.
func (m *model) spent(limit policy.Budget, now time.Time, fits func(granted) bool) bool {
	return m.count(time.Hour, now, fits) >= limit.Hour || m.count(24*time.Hour, now, fits) >= limit.Day
}

func (m *model) overspent(a ledger.Ask, now time.Time) bool {
	return m.spent(m.limits.PerDomain, now, func(g granted) bool { return g.Domain == a.Domain }) ||
		m.spent(m.limits.PerAction, now, func(g granted) bool { return g.Action == a.Action }) ||
		m.spent(m.limits.Global, now, func(granted) bool { return true })
}

func (m *model) crowded(a ledger.Ask) bool {
	all, same := 0, 0
	for domain, g := range m.holder {
		if domain == a.Domain {
			continue
		}
		all++
		if g.Action == a.Action {
			same++
		}
	}
	return all >= m.limits.Global.Concurrent || same >= m.limits.PerAction.Concurrent
}

func (m *model) cooling(domain string, now time.Time) bool {
	for _, e := range m.ends[domain] {
		pause := m.limits.Cooldown
		if e.risky {
			pause = m.limits.CooldownRisky
		}
		if now.Before(e.at.Add(pause.D())) {
			return true
		}
	}
	return false
}

func (m *model) chained(a ledger.Ask, now time.Time) bool {
	n := 0
	for i := len(m.grants) - 1; i >= m.acked[a.Target]; i-- {
		g := m.grants[i]
		if g.Target == a.Target && g.Action == a.Action && g.at.Add(m.limits.Chain.Window.D()).After(now) {
			n++
		}
	}
	return n >= m.limits.Chain.Fixes
}

// storming says whether one of the zone's marks is surely on, and whether one may be.
func (m *model) storming(zone string, now time.Time) (surely, maybe bool) {
	for _, z := range []string{zone, ""} {
		last, ok := m.surged[z]
		end := last.Add(m.limits.BlastRadius.Calm.D())
		surely = surely || ok && now.Before(end)
		maybe = maybe || ok && now.Before(end.Add(5*time.Second))
	}
	return surely, maybe
}

// answers are the reasons that are right for an ask, "" for a grant. There are two only in the seconds in which a storm may end.
func (m *model) answers(a ledger.Ask, now time.Time) []remediations.Reason {
	one := func(r remediations.Reason) []remediations.Reason { return []remediations.Reason{r} }
	surely, maybe := m.storming(a.Zone, now)
	held, ok := m.holder[a.Domain]
	switch {
	case ok && held.Incident == a.Incident && held.Action == a.Action && held.Target == a.Target:
		return one("")
	case ok && held.Incident != a.Incident:
		return one(remediations.ReasonTargetBusy)
	case a.Override:
		return one("")
	case len(m.frozen[a.Domain]) > 0:
		return one(remediations.ReasonFrozen)
	case len(m.unacked[a.Domain]) > 0:
		return one(remediations.ReasonUnacknowledged)
	case m.cooling(a.Domain, now):
		return one(remediations.ReasonCooldown)
	case m.crowded(a):
		return one(remediations.ReasonConcurrent)
	case m.overspent(a, now):
		return one(remediations.ReasonBudgetSpent)
	case m.chained(a, now):
		return one(remediations.ReasonChain)
	case m.sick(a):
		return one(remediations.ReasonBlastRadius)
	case surely:
		return one(remediations.ReasonStorm)
	case maybe:
		return []remediations.Reason{remediations.ReasonStorm, ""}
	}
	return one("")
}

func (m *model) sick(a ledger.Ask) bool {
	return a.Sick > 1 && (a.Sick > m.limits.BlastRadius.Targets || 100*a.Sick > m.limits.BlastRadius.SharePercent*a.Known)
}

// asked remembers what an ask does besides its answer.
func (m *model) asked(a ledger.Ask, now time.Time, got remediations.Reason) {
	held, ok := m.holder[a.Domain]
	if ok && held.Incident == a.Incident && held.Action == a.Action && held.Target == a.Target {
		return
	}
	if m.sick(a) {
		m.surged[a.Zone] = now
	}
	if got == "" {
		g := granted{Ask: a, at: now}
		m.grants, m.holder[a.Domain] = append(m.grants, g), g
	}
}

func (m *model) released(e ledger.End, now time.Time) {
	held, ok := m.holder[e.Domain]
	if !ok || held.Incident != e.Incident {
		return
	}
	delete(m.holder, e.Domain)
	risky := held.Class != remediations.ClassA || (e.Class != "" && e.Class != remediations.ClassA)
	m.ends[e.Domain] = append(m.ends[e.Domain], ended{risky: risky, at: now})
	if n := len(m.ends[e.Domain]); n > 200 { // older than any pause: a domain gets few a day
		m.ends[e.Domain] = m.ends[e.Domain][n-100:]
	}
	if e.Doubt {
		m.frozen[e.Domain] = append(m.frozen[e.Domain], e.Incident)
	}
	if risky {
		m.unacked[e.Domain] = append(m.unacked[e.Domain], e.Incident)
	}
}

// ack says whether an acknowledgement is taken.
func (m *model) ack(incident, domain, target string) bool {
	if held, ok := m.holder[domain]; ok && held.Incident == incident {
		return false
	}
	for _, waits := range []map[string][]string{m.frozen, m.unacked} {
		var rest []string
		for _, i := range waits[domain] {
			if i != incident {
				rest = append(rest, i)
			}
		}
		waits[domain] = rest
	}
	if target != "" {
		m.acked[target] = len(m.grants)
	}
	return true
}
