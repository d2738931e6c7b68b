// Package postgres makes the few changes to a PostgreSQL server that help and are over when they are made: it ends sessions, lets a
// standby connect again, and lets a paused replay go on.
//
//	fix             node       what happens                                          class
//	end_conflict    a standby  sessions that hold replay up are ended                A
//	end_leaked      either     sessions that sit idle in a transaction are ended     A
//	end_blocker     either     the session that others wait for is ended             A
//	restart_stream  the primary  the walsender of one standby is ended               P
//	resume_replay   a standby  pg_wal_replay_resume()                                P
//
// Each goes the same way:
//
//	Check    read whether what the plan saw is there        ─▶ absent, satisfied, foreign, or unreadable
//	Apply    one statement that compares and acts           ─▶ rows: read back what became of it
//	                                                        ─▶ no rows: read why ─▶ refused
//
// # Compare and act
//
// A backend is named by its pid and its start, its transaction by its start, the server by its system identifier, and the order ends
// by the server's clock. All of that is in the condition of the statement that acts, together with everything that is never touched;
// see rules.go. So a late or repeated command does nothing, and Check after the deadline is enough: this is no [remediations.Fencer]. The
// same conditions, in their order, give the words of a refusal: what refuses is what explains.
//
// What an action may end is bounded in the statement too: at most max sessions, and at most a tenth of the client backends, but one.
// Those of the order that have gone already count as ended by it, so that a repetition cannot use the bound a second time.
// One action at a time acts in a database: the statement takes an advisory lock, and gives up at once if it is taken.
//
// A session that runs a statement is never ended by end_blocker before its statement was cancelled, and only if the plan says so.
//
// # What is not promised
//
// A session that has gone may have ended by itself: Check says satisfied, not by whom. PostgreSQL looks at a backend a moment before it
// signals it: a session that begins to commit in that moment, and waits for a synchronous standby, is hit. A signal that was sent to a
// backend that hangs is not seen from outside: it is still there, and Check says absent. A statement that was cancelled in a
// transaction with savepoints may have left that transaction as it was.
package postgres
