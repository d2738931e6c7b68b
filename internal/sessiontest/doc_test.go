// Package sessiontest moves the sessions of a real Redis from its primary to its replica and back while an application writes them, as
// the runbook of sessions wants it before anybody relies on it: 10,000 sessions, ten failovers, none lost. It holds that every write that
// was acknowledged is there on both servers afterwards, that no session is there twice, and that what each holds belongs to its version.
//
// How long writes were held up, as the application saw it, and how far the replica was behind is printed beside the targets and not judged: it
// says as much about the machine.
//
// FIREBREAK_LONG=1 runs all of it; otherwise it is 1,000 sessions and two failovers.
package sessiontest
