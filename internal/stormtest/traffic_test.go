package stormtest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/prometheus/common/model"
)

const (
	// livesEach is how often an alert of an edge fires and resolves in one storm, and tellings how often it is told of in them.
	livesEach = 2
	tellings  = 6
	// bodyMost is how many alerts one notification carries at most.
	bodyMost = 64
)

// news is one state of one alert.
type news struct {
	labels       model.LabelSet
	status       string
	starts, ends time.Time
}

func (n news) fingerprint() string { return n.labels.Fingerprint().String() }

// key is the identity of news in the history of alerts.
func (n news) key() string {
	if n.status == "firing" {
		return fmt.Sprintf("%s.firing.%d", n.fingerprint(), n.starts.UnixMilli())
	}
	return fmt.Sprintf("%s.resolved.%d.%d", n.fingerprint(), n.starts.UnixMilli(), n.ends.UnixMilli())
}

// target is the edge that the news are about, "" if none.
func (n news) target() string {
	if n.labels["alertname"] != "RetryStorm" {
		return ""
	}
	return string(n.labels["service"] + "/" + n.labels["edge"])
}

// ofEdge are the labels of one of an edge's alerts.
func ofEdge(e *edge, instance int) model.LabelSet {
	return model.LabelSet{"alertname": "RetryStorm", "service": model.LabelValue(e.service), "edge": model.LabelValue(e.name),
		"instance": model.LabelValue(fmt.Sprintf("10.0.0.%d:8080", instance)), "severity": "critical", "team": "shop"}
}

// ofNobody are the labels of an alert that is about nothing in the policy.
func ofNobody(i int) model.LabelSet {
	return model.LabelSet{"alertname": model.LabelValue(fmt.Sprintf("HostFault%d", i%40)), "severity": "warning",
		"instance": model.LabelValue(fmt.Sprintf("host-%d.example.com:9100", i)), "edge": "orders"}
}

// sending is news at their place in the storm, from 0 to 1.
type sending struct {
	at   float64
	news news
}

// storm is the traffic of one alert storm of about n alerts. The same seed gives the same storm, at another time.
type storm struct {
	rnd   *rand.Rand
	begun time.Time
	all   []sending
	known map[model.Fingerprint]model.LabelSet
}

// newStorm builds it: a fifth of the alerts' deliveries is about the edges, each of which has several alerts; the rest is of nobody.
// The lone edge's only alert fires in the storm's first half and resolves before its end.
func newStorm(n int, seed uint64, begun time.Time, edges []*edge, lone *edge) *storm {
	s := &storm{rnd: rand.New(rand.NewPCG(seed, seed)), begun: begun, known: map[model.Fingerprint]model.LabelSet{}}
	each := max(2, n/5/(len(edges)*livesEach*tellings))
	for _, e := range edges {
		for i := range each {
			// The first alert of the edges of zones a and b goes on until the end, so that they have one long incident; those of
			// zone c come and go.
			s.edge(ofEdge(e, i), i == 0 && e.zone != "c")
		}
	}
	s.add(0.3, news{labels: ofEdge(lone, 0), status: "firing", starts: begun})
	s.add(0.9, news{labels: ofEdge(lone, 0), status: "resolved", starts: begun, ends: begun.Add(20 * time.Millisecond)})
	hosts := n / 3
	for len(s.all) < n {
		s.add(s.rnd.Float64(), news{labels: ofNobody(s.rnd.IntN(hosts)), status: "firing", starts: begun})
	}
	slices.SortStableFunc(s.all, func(x, y sending) int { return cmp.Compare(x.at, y.at) })
	return s
}

func (s *storm) add(at float64, n news) {
	s.known[n.labels.Fingerprint()] = n.labels
	s.all = append(s.all, sending{at: at, news: n})
}

// edge tells of one alert of an edge as a pair of Alertmanagers does: each firing, with the startsAt of its own Prometheus; a
// repeat; each resolve; and here and there something comes behind what happened after it.
func (s *storm) edge(labels model.LabelSet, lasts bool) {
	for life := range livesEach {
		starts := s.begun.Add(time.Duration(life*20+s.rnd.IntN(3)) * time.Millisecond)
		peers := starts.Add(2 * time.Millisecond)
		ends := starts.Add(10 * time.Millisecond)
		at := (float64(life) + 0.4*s.rnd.Float64()) / livesEach
		if lasts {
			at = 0.2 * s.rnd.Float64()
		}
		later := func() float64 { return min(1, at+0.15*s.rnd.Float64()) }
		s.add(at, news{labels: labels, status: "firing", starts: starts})
		s.add(later(), news{labels: labels, status: "firing", starts: peers})
		s.add(later(), news{labels: labels, status: "firing", starts: starts})
		s.add(later(), news{labels: labels, status: "firing", starts: peers})
		if lasts {
			continue
		}
		s.add(later(), news{labels: labels, status: "resolved", starts: starts, ends: ends})
		s.add(later(), news{labels: labels, status: "resolved", starts: peers, ends: ends.Add(2 * time.Millisecond)})
	}
}

// bodies cuts the storm into notifications.
func (s *storm) bodies() [][]news {
	all := make([]news, len(s.all))
	for i, a := range s.all {
		all[i] = a.news
	}
	return s.cut(all)
}

// end resolves everything that was ever told of.
func (s *storm) end(now time.Time) [][]news {
	var all []news
	for _, labels := range s.known {
		all = append(all, news{labels: labels, status: "resolved", starts: s.begun, ends: now})
	}
	slices.SortFunc(all, func(x, y news) int { return cmp.Compare(x.fingerprint(), y.fingerprint()) })
	return s.cut(all)
}

func (s *storm) cut(all []news) [][]news {
	var bodies [][]news
	for len(all) > 0 {
		n := min(len(all), 1+s.rnd.IntN(bodyMost))
		bodies = append(bodies, all[:n])
		all = all[n:]
	}
	return bodies
}

// nonsense are bodies that nobody can read. They are answered with 400, and are not sent again.
func nonsense() []string {
	return []string{"", "{", "[]", `"alerts"`, `{"version":"4","alerts":{}}`, `{"version":"4","alerts":[{"status":"firing"}]}`,
		`{"version":"4","alerts":[{"status":"on fire","labels":{"alertname":"RetryStorm"},"startsAt":"2026-01-02T03:04:05Z"}]}`}
}
