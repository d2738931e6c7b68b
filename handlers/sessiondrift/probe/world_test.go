package probe_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/handlers/sessiondrift"
	"github.com/firebreak-sre/firebreak/handlers/sessiondrift/probe"
	"github.com/firebreak-sre/firebreak/internal/sessions"
	"github.com/firebreak-sre/firebreak/policy"
)

const (
	patience = 30 * time.Second
	ttl      = time.Minute
	name     = "webshop"
)

// policyOf names one store; metrics may be nil.
func policyOf(metrics *policy.DriftMetrics) policy.Policy {
	p := policy.Default()
	p.Sessions = []policy.SessionStore{{Store: name, TTL: policy.Duration(ttl)}}
	p.Handlers.SessionDrift.Stores = []policy.DriftStore{{Store: name, Prometheus: metrics}}
	return p
}

// prober looks at one store.
func prober(t *testing.T, l sessions.Looker, metrics *policy.DriftMetrics) *probe.Prober {
	t.Helper()
	p, err := probe.New(policyOf(metrics), map[string]sessions.Looker{name: l}, &http.Client{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// look is one look that must read something.
func look(t *testing.T, p *probe.Prober) sessiondrift.Observation {
	t.Helper()
	o, err := p.Observe(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// problems are all that an observation says.
func problems(o sessiondrift.Observation) string {
	var list []string
	add := func(part, problem string) {
		if problem != "" {
			list = append(list, part+": "+problem)
		}
	}
	add("all", o.Problem)
	add("members", o.Members.Problem)
	add("replicas", o.Replicas.Problem)
	add("orphans", o.Orphans.Problem)
	add("contents", o.Contents.Problem)
	for _, r := range o.Contents.Replicas {
		add(r.Name, r.Problem)
	}
	add("copies", o.Copies.Problem)
	add("partition", o.Around.PartitionProblem)
	add("deploying", o.Around.DeployingProblem)
	add("not found", o.Around.NotFoundProblem)
	add("orphans before", o.Around.OrphansBeforeProblem)
	return strings.Join(list, "\n")
}

// isWell fails the test if a part could not be read.
func isWell(t *testing.T, o sessiondrift.Observation) {
	t.Helper()
	if said := problems(o); said != "" {
		t.Fatalf("problems:\n%s", said)
	}
}

// ids are those of some sessions.
func ids(list []sessions.Session) []string {
	var names []string
	for _, s := range list {
		names = append(names, s.Key.String())
	}
	return names
}

// drifts are the differences of the first replica, in words.
func drifts(o sessiondrift.Observation) []string {
	var list []string
	for _, r := range o.Contents.Replicas {
		for _, d := range r.Differences {
			list = append(list, fmt.Sprintf("%s %s: %s", r.Name, d.Key, d.Drift))
		}
	}
	return list
}

// same fails the test if two lists differ.
func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\ngot  %q\nwant %q", what, got, want)
	}
}

// made is a session of a test: who owns it, and when its lease ends, from now.
type made struct {
	id, owner, version string
	epoch              int
	lease              time.Duration
	priority           string
}

// some are sessions with numbered ids.
func some(n int, prefix, owner string, lease time.Duration) []made {
	list := make([]made, n)
	for i := range list {
		list[i] = made{id: fmt.Sprintf("%s-%05d", prefix, i), owner: owner, version: "1", epoch: 7, lease: lease, priority: "normal"}
	}
	return list
}

// member is a registered node: when its lease ends, from now, and whom it hears.
type member struct {
	name  string
	epoch int
	lease time.Duration
	sees  []string
}

// whole are three members that all hear each other.
func whole() []member {
	return []member{{"a", 7, time.Hour, []string{"b", "c"}}, {"b", 7, time.Hour, []string{"a", "c"}}, {"c", 7, time.Hour, []string{"a", "b"}}}
}
