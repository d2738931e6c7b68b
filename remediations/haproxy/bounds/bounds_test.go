package bounds_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/firebreak-sre/firebreak/policy"
	"github.com/firebreak-sre/firebreak/remediations"
	"github.com/firebreak-sre/firebreak/remediations/haproxy/bounds"
)

// places are those of one cluster behind HAProxy, one behind something else and one without a pool.
func places() bounds.Places {
	nodes := []policy.PostgresNode{{Node: "pg1"}, {Node: "pg2"}}
	return bounds.PlacesOf(policy.Policy{Postgres: []policy.PostgresCluster{
		{Cluster: "orders", Nodes: nodes, Reads: &policy.ReadPool{HAProxy: &policy.HAProxyPool{Servers: map[string]string{"pg2": "replica-a"}}}},
		{Cluster: "billing", Nodes: nodes, Reads: &policy.ReadPool{HTTP: &policy.HTTPPool{}}},
		{Cluster: "users", Nodes: nodes},
	}})
}

// A node's server has the node's name unless the policy says another one.
func TestPlacesOf(t *testing.T) {
	t.Parallel()
	want := bounds.Places{"orders": {"pg1": "pg1", "pg2": "replica-a"}}
	if got := places(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Only a node of a pool has bounds, and only for a drain; why another step has none is said.
func TestOf(t *testing.T) {
	t.Parallel()
	const noPool = "there is no read pool for node"
	for _, c := range []struct {
		step   remediations.Step
		server string
		no     string
	}{
		{remediations.Step{Cluster: "orders", Node: "pg2", Fix: "drain"}, "replica-a", ""},
		{remediations.Step{Cluster: "orders", Node: "pg2", Fix: "maint"}, "", `there is no fix "maint" here`},
		{remediations.Step{Cluster: "orders", Node: "replica-a", Fix: "drain"}, "", noPool},
		{remediations.Step{Cluster: "orders", Node: "pg2", Service: "orders", Edge: "pg2", Fix: "drain"}, "", noPool},
		{remediations.Step{Service: "orders", Edge: "pg2", Fix: "drain"}, "", noPool},
		{remediations.Step{Cluster: "billing", Node: "pg2", Fix: "drain"}, "", noPool},
		{remediations.Step{Cluster: "nowhere", Node: "pg2", Fix: "drain"}, "", noPool},
		{remediations.Step{}, "", noPool},
	} {
		server, err := places().Find(c.step)
		if server != c.server || (err == nil) != (c.no == "") || err != nil && (!errors.Is(err, remediations.ErrRefused) || !strings.Contains(err.Error(), c.no)) {
			t.Errorf("%+v: got %q, %v, want %q, %q", c.step, server, err, c.server, c.no)
		}
		got := places().Of(c.step)
		if got.Class == remediations.ClassA != (c.no == "") || got.Class == remediations.ClassN && !reflect.DeepEqual(got, remediations.Bounds{Class: remediations.ClassN}) {
			t.Errorf("%+v: got %+v", c.step, got)
		}
		if got := (bounds.Places)(nil).Of(c.step); got.Class != remediations.ClassN {
			t.Errorf("without places, %+v: got %+v", c.step, got)
		}
	}
}
