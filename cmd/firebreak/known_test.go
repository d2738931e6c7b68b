package main

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/rs/zerolog"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/breaker"
	"github.com/firebreak-sre/firebreak/remediations/haproxy"
	"github.com/firebreak-sre/firebreak/remediations/httpadmin"
	"github.com/firebreak-sre/firebreak/remediations/known"
	"github.com/firebreak-sre/firebreak/remediations/pgbouncer"
	"github.com/firebreak-sre/firebreak/remediations/postgres"
	"github.com/firebreak-sre/firebreak/remediations/sessions"
)

// examplePolicy is the example with every variable set, and a pooler besides that nobody may change.
func examplePolicy(t *testing.T) policy.Policy {
	t.Helper()
	p, err := policy.Parse("example.yaml", policy.Example(), func(name string) (string, bool) {
		switch name {
		case "FIREBREAK_SLACK_BOT_TOKEN":
			return "xoxb-of-the-test", true
		case "FIREBREAK_SLACK_APP_TOKEN":
			return "xapp-of-the-test", true
		case "FIREBREAK_PAGERDUTY_KEY":
			return "0123456789abcdef0123456789abcdef", true
		}
		return name + "-of-more-than-24-bytes", true
	})
	if err != nil {
		t.Fatal(err)
	}
	looked := p.Postgres[0].PgBouncers[0]
	looked.PgBouncer, looked.Admin = "lookedat", nil
	p.Postgres[0].PgBouncers = append(p.Postgres[0].PgBouncers, looked)
	return p
}

// stepsOf are steps at all places of a policy and at some that do not exist, with every fix and some that there are not.
func stepsOf(p policy.Policy) []remediations.Step {
	places := []remediations.Step{{}, {Cluster: "orders"}, {Node: "pg1"}, {Service: "orders"}, {Edge: "pg1"},
		{Cluster: "orders", Node: "pg1", Service: "orders", Edge: "pg1"}, {Cluster: "nowhere", Node: "pg1"}, {Cluster: "orders", Node: "nobody"},
		{Cluster: "orders/pg1", Node: "pg1"}, {Service: "nobody", Edge: "payments"}}
	add := func(group, one string) {
		places = append(places, remediations.Step{Cluster: group, Node: one}, remediations.Step{Service: group, Edge: one})
	}
	for _, c := range p.Postgres {
		for _, n := range c.Nodes {
			add(c.Cluster, n.Node)
		}
		for _, b := range c.PgBouncers {
			add(c.Cluster, b.PgBouncer)
		}
	}
	for _, c := range p.Handlers.PoolExhaustion.Clusters {
		for _, a := range c.Apps {
			add(c.Cluster, a.App)
		}
	}
	for _, e := range p.Handlers.RetryStorm.Edges {
		add(e.Service, e.Edge)
	}
	for _, s := range p.Sessions {
		add(s.Store, "sessions")
		add(s.Store, "else")
	}
	var steps []remediations.Step
	for _, s := range places {
		for _, fix := range []string{"open", "retry_budget", "shed", "drain", "grow_pool", "end_conflict", "end_leaked", "end_blocker",
			"restart_stream", "resume_replay", "resume", "pause", "sync", "quarantine", "reconcile", "set_aside", "recover", "promote", ""} {
			for _, params := range []string{"", `{"database":"app"}`, `{"database":"app","ours":true}`, `{}`, `{"min_ready":2}`,
				`{"database":"app","from":20,"to":23,"usable":60}`, `{"database":"app","from":20,"to":40,"usable":60}`} {
				s.Fix, s.Params = fix, json.RawMessage(params)
				steps = append(steps, s)
			}
		}
	}
	return steps
}

// TestKnownBounds holds what is known of the remediations without having them against what they say themselves, as they are put together
// here.
func TestKnownBounds(t *testing.T) {
	t.Parallel()
	p := examplePolicy(t)
	db, err := openDatabases(p, nil, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	admin, err := httpadmin.New(adminConfig(p, nil))
	if err != nil {
		t.Fatal(err)
	}
	catalog, steps := known.New(p), stepsOf(p)
	for name, rem := range map[string]remediations.Remediation{breaker.Name: &breaker.Breaker{}, httpadmin.Name: admin, haproxy.Name: db.reads,
		postgres.Name: db.sessions, pgbouncer.Name: db.changing, sessions.Name: db.stores.fixes} {
		within, none := 0, 0
		for _, s := range steps {
			s.Remediation = name
			want := rem.Bounds(s)
			if got, ok := catalog.Bounds(s); !ok || !reflect.DeepEqual(got, want) {
				t.Errorf("%s, %s on %q with %s: got %+v, %t, want %+v", name, s.Fix, s.Place(), s.Params, got, ok, want)
			}
			if want.Class == remediations.ClassN {
				none++
			} else {
				within++
			}
		}
		if within == 0 || none == 0 && name != breaker.Name {
			t.Errorf("%s: %d steps are within bounds and %d are not, which shows nothing", name, within, none)
		}
	}
}
