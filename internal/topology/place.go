package topology

import (
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/firebreak-sre/firebreak/policy"
)

// place is a node or a pooler, as an alert may name it.
type place struct {
	cluster, name, host string
	port                int
	match               map[string]string
	// labels that may name it, apart from match.
	labels []string
	// application and slot are a node's own on its primary; empty where there are none.
	application, slot string
}

// id and ofCluster say what two places have in common: that they are the same, or of the same cluster.
func (p place) id() string        { return p.cluster + "/" + p.name }
func (p place) ofCluster() string { return p.cluster }

// nodes are the servers of a cluster.
func nodes(c policy.PostgresCluster) []place {
	var all []place
	for _, n := range c.Nodes {
		all = append(all, place{cluster: c.Cluster, name: n.Node, host: n.Host, port: n.Port, match: n.Match,
			labels: nodeLabels(), application: n.ApplicationName, slot: n.Slot})
	}
	return all
}

// poolers are the poolers of a cluster.
func poolers(c policy.PostgresCluster) []place {
	var all []place
	for _, b := range c.PgBouncers {
		all = append(all, place{cluster: c.Cluster, name: b.PgBouncer, host: b.Host, port: b.Port, match: b.Match,
			labels: append([]string{poolerLabel}, nodeLabels()...)})
	}
	return all
}

// nodeLabels are those by which exporters and rules say where something is.
func nodeLabels() []string { return []string{"node", "instance", "server", "pod", "host"} }

// applicationLabels hold an application_name: as the exporter's pg_stat_replication has it, and as our own rules do.
func applicationLabels() []string { return []string{"application_name", "standby"} }

const (
	slotLabel   = "slot_name"
	poolerLabel = "pgbouncer"
)

// named finds places by the labels that the policy says.
func named(labels map[string]string) func(place) bool {
	return func(p place) bool { return carries(labels, p.match) }
}

// namesReplication says that the labels are about somebody who replicates.
func namesReplication(labels map[string]string) bool {
	return labels[slotLabel] != "" || slices.ContainsFunc(applicationLabels(), func(l string) bool { return labels[l] != "" })
}

// replicating is what all labels about replication agree on. One of them that fits nobody, or several, spoils it.
func replicating(all []place, labels map[string]string, same func(place) string) (place, bool) {
	var found []place
	hold := func(value string, fits func(place) bool) bool {
		if value == "" {
			return true
		}
		one, ok := only(keep(all, fits), same)
		found = append(found, one)
		return ok
	}
	for _, l := range applicationLabels() {
		if !hold(labels[l], func(p place) bool { return p.application == labels[l] }) {
			return place{}, false
		}
	}
	if !hold(labels[slotLabel], func(p place) bool { return p.slot == labels[slotLabel] }) {
		return place{}, false
	}
	return only(found, same)
}

// located is what the labels about where something is agree on. What they say as a whole counts before what is only a host, as an
// exporter has a port of its own, or stands on a machine of its own. A label that fits several says nothing.
func located(all []place, labels map[string]string, same func(place) string) (place, bool) {
	for _, fits := range []func(p place, value string) bool{place.isWhole, place.isHost} {
		var found []place
		for _, l := range append([]string{poolerLabel}, nodeLabels()...) {
			is := func(p place) bool { return len(p.match) == 0 && slices.Contains(p.labels, l) && fits(p, labels[l]) }
			if one, ok := only(keep(all, is), same); ok && labels[l] != "" {
				found = append(found, one)
			}
		}
		if len(found) > 0 {
			return only(found, same)
		}
	}
	return place{}, false
}

// only is the first of a list of which all are the same.
func only(found []place, same func(place) string) (place, bool) {
	if len(found) == 0 || slices.ContainsFunc(found, func(p place) bool { return same(p) != same(found[0]) }) {
		return place{}, false
	}
	return found[0], true
}

// isWhole says that a value is the place's name, its host or its host and port. What a standby calls itself is a name too: our own rules
// make the label node of it.
func (p place) isWhole(value string) bool {
	return value == p.name || value == p.application || strings.EqualFold(value, p.host) ||
		strings.EqualFold(value, net.JoinHostPort(strings.Trim(p.host, "[]"), strconv.Itoa(p.port)))
}

// isHost says that a value is the place's name or host with some other port.
func (p place) isHost(value string) bool {
	host, _, err := net.SplitHostPort(value)
	return err == nil && (host == p.name || strings.EqualFold(host, strings.Trim(p.host, "[]")))
}
