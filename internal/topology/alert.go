package topology

import (
	"slices"

	"github.com/firebreak-sre/firebreak/policy"
)

// Cluster says which cluster an alert with these labels is about, if it is about exactly one.
func (m Map) Cluster(labels map[string]string) (policy.PostgresCluster, bool) {
	for _, fits := range []func(policy.PostgresCluster) bool{
		func(c policy.PostgresCluster) bool { return carries(labels, c.Match) },
		func(c policy.PostgresCluster) bool {
			return slices.ContainsFunc(nodes(c), named(labels)) || slices.ContainsFunc(poolers(c), named(labels))
		},
	} {
		switch found := keep(m.clusters, fits); len(found) {
		case 0:
		case 1:
			return found[0], true
		default:
			return policy.PostgresCluster{}, false
		}
	}
	return m.byPlace(labels)
}

// byPlace finds the cluster by what the labels say about its nodes and poolers. A cluster whose own label is there and says something
// else is out: the same host names may well exist in another environment.
func (m Map) byPlace(labels map[string]string) (policy.PostgresCluster, bool) {
	var all []place
	for _, c := range m.clusters {
		if !contradicts(labels, c.Match) {
			all = append(append(all, nodes(c)...), poolers(c)...)
		}
	}
	replica, replicates := replicating(all, labels, place.ofCluster)
	where, stands := located(all, labels, place.ofCluster)
	switch {
	case replicates && stands && replica.cluster != where.cluster:
		return policy.PostgresCluster{}, false
	case replicates:
		return m.Find(replica.cluster)
	case stands:
		return m.Find(where.cluster)
	}
	return policy.PostgresCluster{}, false
}

// Node says which node of a cluster an alert about the cluster is about, if it is about exactly one. An alert that names somebody who
// replicates is about that one, not about the primary that raised it, and about nobody if the cluster does not know the name.
func Node(c policy.PostgresCluster, labels map[string]string) (string, bool) {
	if namesReplication(labels) {
		found, ok := replicating(nodes(c), labels, place.id)
		return found.name, ok
	}
	return stands(nodes(c), labels)
}

// Pooler says which pooler of a cluster an alert about the cluster's poolers is about, if it is about exactly one.
func Pooler(c policy.PostgresCluster, labels map[string]string) (string, bool) {
	return stands(poolers(c), labels)
}

// stands is the name of the one place that the labels fit: those in its match before all others.
func stands(all []place, labels map[string]string) (string, bool) {
	if explicit := keep(all, named(labels)); len(explicit) > 0 {
		found, ok := only(explicit, place.id)
		return found.name, ok
	}
	found, ok := located(all, labels, place.id)
	return found.name, ok
}

func keep[T any](all []T, fits func(T) bool) []T {
	var kept []T
	for _, one := range all {
		if fits(one) {
			kept = append(kept, one)
		}
	}
	return kept
}

// carries says that labels hold every one of want, and that there is one to hold.
func carries(labels, want map[string]string) bool {
	for k, v := range want {
		if got, ok := labels[k]; !ok || got != v {
			return false
		}
	}
	return len(want) > 0
}

// contradicts says that labels hold one of want with another value.
func contradicts(labels, want map[string]string) bool {
	for k, v := range want {
		if got, ok := labels[k]; ok && got != v {
			return true
		}
	}
	return false
}
