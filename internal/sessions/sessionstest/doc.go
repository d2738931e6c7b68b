// Package sessionstest holds every session store to the contract of package sessions: one suite, which runs against whatever there is, also
// against an application's own endpoint while it serves.
//
// It touches nothing but sessions that it made itself, whose ids begin with [Prefix], and removes them at its end. Their owner is a name
// that no node may have. It never changes the membership; what needs that is tried only where the bench is a [Partitioner]. What could not
// be tried is reported as skipped, with the reason, and is no pass.
//
// Memory is a store that keeps the contract in this process, and Server the endpoint before any store. They are for tests, and to be read by
// who writes an endpoint.
package sessionstest
