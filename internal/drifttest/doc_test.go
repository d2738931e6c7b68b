// Package drifttest holds the whole product against sessions that drift. It builds the real binary, runs it as a process of its own beside an
// application whose nodes share sessions in a real Redis, or a real PostgreSQL, with its replica; makes each fault of decision-table 2.4 for
// real; tells the binary by its webhook as Alertmanager would; and holds what it did against what the store holds and what the nodes know.
//
// The application's nodes are goroutines, each with a link of its own to the store and one to each other node, which can be cut. What they
// wrote is known, version by version, so that at the end of a run every session is compared with what it must be: one that was touched and
// should not have been is a wrong action, whatever the record says.
//
// Leases must be over for long before anything is an orphan. In most runs a node that has died is made to have died earlier, by putting back
// the times that it wrote last; in one it is waited for.
//
// It stands outside: it speaks HTTP, SQL and Redis' protocol, and imports nothing of the product.
package drifttest
