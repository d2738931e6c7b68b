package backup

import (
	"strings"

	"github.com/firebreak-sre/firebreak/bus"
)

// carried is one stream that a backup holds.
type carried struct {
	stream string
	// always: without it there is no backup.
	always bool
	// readers: the readers of the stream go along, each at what it has acknowledged.
	readers bool
	// exact: nothing may be written between the moment of the part and its end, or it is taken again. It is for what cannot be told
	// twice: the document of a limit, and leases, whose time to live would begin anew.
	exact bool
}

// order is what a backup holds, in the order in which it is taken. The package's comment says why this one.
func order() []carried {
	return []carried{
		{stream: bus.Alerts, always: true, readers: true},
		{stream: "KV_slack"},
		{stream: bus.Incidents, always: true, readers: true},
		{stream: "KV_ledger", exact: true},
		{stream: "KV_agenda"},
		{stream: "KV_ladder"},
		{stream: "KV_breakers", exact: true},
		{stream: "KV_switch", exact: true},
	}
}

// Streams are the streams that a backup holds, as far as they are there.
func Streams() []string {
	var names []string
	for _, c := range order() {
		names = append(names, c.stream)
	}
	return names
}

// Passing are the streams that a backup leaves out: they live in memory, and are made anew by who needs them. Who works on what right now
// says nothing about a bus that nobody works on yet, and instances of services report again within seconds.
func Passing() []string { return []string{"KV_claims", "KV_breaker_instances"} }

// ours says whether a stream is one that this product makes.
func ours(stream string) bool {
	for _, name := range append(Streams(), append(Passing(), bus.Unfinished)...) {
		if name == stream {
			return true
		}
	}
	return false
}

// isBucket says whether a stream is a key-value bucket, and gives its subjects.
func isBucket(stream string) (subjects string, ok bool) {
	name, ok := strings.CutPrefix(stream, "KV_")
	return "$KV." + name + ".>", ok
}
