package topology_test

import (
	"testing"
	"time"

	"github.com/firebreak-sre/firebreak/internal/topology"
	"github.com/firebreak-sre/firebreak/policy"
)

// clusters are three: two whose nodes have the same names, and one with all servers on one host and labels of its own.
func clusters() []policy.PostgresCluster {
	return []policy.PostgresCluster{
		{
			Cluster: "orders",
			Nodes: []policy.PostgresNode{
				{Node: "pg1", Host: "10.0.0.11", Slot: "slot_pg1"},
				{Node: "pg2", Host: "10.0.0.12", ApplicationName: "orders_pg2", Slot: "slot_pg2"},
				{Node: "pg3", Host: "orders-3.example.org", Port: 5433, Slot: "orders_slot_3"},
				{Node: "pg4", Host: "10.0.0.14"},
			},
			PgBouncers: []policy.PgBouncer{{PgBouncer: "bouncer1", Host: "10.0.0.21"}, {PgBouncer: "bouncer2", Host: "10.0.0.14"}},
		},
		{
			Cluster: "billing",
			Nodes: []policy.PostgresNode{
				{Node: "pg1", Host: "10.0.1.11", Slot: "slot_pg1"},
				{Node: "pg2", Host: "10.0.1.12", Slot: "slot_pg2"},
				{Node: "db7", Host: "2001:db8::7"},
			},
		},
		{
			Cluster: "audit", Match: map[string]string{"job": "postgres", "env": "audit"},
			Nodes: []policy.PostgresNode{
				{Node: "a1", Host: "10.0.2.10", Port: 5432, Match: map[string]string{"instance": "exporter:9187", "server": "one"}},
				{Node: "a2", Host: "10.0.2.10", Port: 5433},
				{Node: "a3", Host: "10.0.2.10", Port: 5434},
			},
		},
	}
}

// TestAlert holds alerts as exporters and rules label them against the clusters: what fits two fits none.
func TestAlert(t *testing.T) {
	t.Parallel()
	type labels = map[string]string
	m := topology.New(clusters())
	for _, c := range []struct {
		name                  string
		labels                labels
		cluster, node, pooler string
	}{
		{"our rules, about a cluster", labels{"cluster": "orders", "severity": "warning"}, "orders", "", ""},
		{"our rules, about a standby", labels{"cluster": "orders", "standby": "orders_pg2", "instance": "10.0.0.11:9187"}, "orders", "pg2", ""},
		{"our rules, a standby by its own name", labels{"cluster": "orders", "node": "orders_pg2"}, "orders", "pg2", ""},
		{"a standby by its own name alone", labels{"node": "orders_pg2"}, "orders", "pg2", ""},
		{"community exporter at the primary", labels{"cluster": "orders", "application_name": "orders_pg2", "client_addr": "10.0.0.12",
			"instance": "10.0.0.11:9187", "slot_name": "slot_pg2", "state": "streaming"}, "orders", "pg2", ""},
		{"slots of the primary", labels{"cluster": "billing", "server": "10.0.1.11:5432", "slot_name": "slot_pg2"}, "billing", "pg2", ""},
		{"a consumer's slot is nobody's", labels{"cluster": "billing", "server": "10.0.1.11:5432", "slot_name": "debezium"}, "billing", "", ""},
		{"who replicates is not known", labels{"cluster": "orders", "application_name": "walreceiver", "instance": "10.0.0.11:9187"}, "orders", "", ""},
		{"name and slot do not agree", labels{"cluster": "orders", "application_name": "orders_pg2", "slot_name": "orders_slot_3"}, "orders", "", ""},
		{"exporter beside each server", labels{"instance": "10.0.0.12:9187", "job": "postgres"}, "orders", "pg2", ""},
		{"exporter for many servers", labels{"instance": "exporter:9187", "server": "10.0.1.12:5432"}, "billing", "pg2", ""},
		{"its exporter is elsewhere in the cluster", labels{"cluster": "orders", "instance": "10.0.0.11:9187", "server": "10.0.0.12:5432"}, "orders", "pg2", ""},
		{"host and port as a whole", labels{"server": "orders-3.example.org:5433"}, "orders", "pg3", ""},
		{"hosts have no case", labels{"host": "Orders-3.Example.org"}, "orders", "pg3", ""},
		{"a short name is not guessed at", labels{"host": "orders-3"}, "", "", ""},
		{"an IPv6 host", labels{"instance": "[2001:db8::7]:9187"}, "billing", "db7", ""},
		{"an IPv6 host and port", labels{"server": "[2001:DB8::7]:5432"}, "billing", "db7", ""},
		{"a pod", labels{"namespace": "db", "pod": "db7"}, "billing", "db7", ""},
		{"a name in two clusters", labels{"node": "pg1"}, "", "", ""},
		{"a name in two clusters, by another port", labels{"instance": "pg2:9187"}, "", "", ""},
		{"a name in two clusters, and which", labels{"node": "pg1", "cluster": "billing"}, "billing", "pg1", ""},
		{"a name in two clusters says nothing, its host does", labels{"node": "pg1", "instance": "10.0.1.11:9187"}, "billing", "pg1", ""},
		{"a slot in two clusters", labels{"slot_name": "slot_pg2"}, "", "", ""},
		{"a slot in two clusters, seen by a primary", labels{"slot_name": "slot_pg2", "instance": "10.0.0.11:9187"}, "orders", "pg2", ""},
		{"a slot in one cluster", labels{"slot_name": "orders_slot_3"}, "orders", "pg3", ""},
		{"two labels, two clusters", labels{"instance": "10.0.0.12:9187", "server": "10.0.1.12:5432"}, "billing", "pg2", ""},
		{"two labels that say as much, two clusters", labels{"host": "10.0.0.12", "server": "10.0.1.12:5432"}, "", "", ""},
		{"who replicates and where, two clusters", labels{"application_name": "orders_pg2", "instance": "10.0.1.11:9187"}, "", "", ""},
		{"another cluster of that name says so", labels{"cluster": "staging", "instance": "10.0.0.12:9187"}, "", "", ""},
		{"many servers on one host", labels{"job": "postgres", "env": "audit", "instance": "10.0.2.10:9187"}, "audit", "", ""},
		{"many servers on one host, and which", labels{"server": "10.0.2.10:5434"}, "audit", "a3", ""},
		{"a node's own labels", labels{"instance": "exporter:9187", "server": "one", "cluster": "k8s-prod"}, "audit", "a1", ""},
		{"only some of a node's own labels", labels{"instance": "exporter:9187"}, "", "", ""},
		{"a node with labels of its own is known by no others", labels{"node": "a1"}, "", "", ""},
		{"only some of the cluster's labels", labels{"job": "postgres"}, "", "", ""},
		{"the matches of two clusters", labels{"cluster": "orders", "job": "postgres", "env": "audit"}, "", "", ""},
		{"a pooler", labels{"pgbouncer": "bouncer1"}, "orders", "", "bouncer1"},
		{"a pooler's host and port", labels{"instance": "10.0.0.21:6432"}, "orders", "", "bouncer1"},
		{"a pooler on a node's host", labels{"server": "10.0.0.14:6432"}, "orders", "pg4", "bouncer2"},
		{"a node's host that a pooler shares", labels{"server": "10.0.0.14:5432"}, "orders", "pg4", "bouncer2"},
		{"an exporter on a host of two", labels{"instance": "10.0.0.14:9187"}, "orders", "pg4", "bouncer2"},
		{"empty labels", labels{"cluster": "", "node": "", "application_name": "", "slot_name": ""}, "", "", ""},
		{"no labels", nil, "", "", ""},
	} {
		found, ok := m.Cluster(c.labels)
		if found.Cluster != c.cluster || ok != (c.cluster != "") {
			t.Errorf("%s: got cluster %q, %t, want %q", c.name, found.Cluster, ok, c.cluster)
		}
		if !ok {
			continue
		}
		if got, ok := topology.Pooler(found, c.labels); got != c.pooler || ok != (c.pooler != "") {
			t.Errorf("%s: got pooler %q, %t, want %q", c.name, got, ok, c.pooler)
		}
		if got, ok := topology.Node(found, c.labels); got != c.node || ok != (c.node != "") {
			t.Errorf("%s: got node %q, %t, want %q", c.name, got, ok, c.node)
		}
	}
}

// TestDefaults holds what is filled in, and that the policy itself is left as it is.
func TestDefaults(t *testing.T) {
	t.Parallel()
	given := []policy.PostgresCluster{{
		Cluster: "orders", Nodes: []policy.PostgresNode{{Node: "pg1", Host: "h"}}, PgBouncers: []policy.PgBouncer{{PgBouncer: "b", Host: "h"}},
		Patroni: &policy.Patroni{}, Reads: &policy.ReadPool{},
	}}
	c, ok := topology.New(given).Find("orders")
	if !ok {
		t.Fatal("the cluster is not there")
	}
	if c.Domain != "orders" || c.Zone != "all" || c.Match["cluster"] != "orders" || c.Connect.Database != "postgres" ||
		c.Connect.SSLMode != "verify-full" || c.Connect.Timeout.D() != 5*time.Second || c.Nodes[0].Port != 5432 ||
		c.Nodes[0].ApplicationName != "pg1" || c.PgBouncers[0].Port != 6432 || c.Patroni.Timeout.D() != 3*time.Second || c.Reads.MinReady != 1 {
		t.Errorf("got %+v", c)
	}
	if g := given[0]; g.Domain != "" || g.Match != nil || g.Nodes[0].Port != 0 || g.PgBouncers[0].Port != 0 || g.Patroni.Timeout != 0 || g.Reads.MinReady != 0 {
		t.Errorf("the policy was changed: %+v", g)
	}
	if _, ok := topology.New(given).Find("other"); ok {
		t.Error("a cluster is there that nobody named")
	}
}
