// Package postgres keeps the contract of package sessions on a table in PostgreSQL, 12 or newer, with its standbys.
//
// # What is where
//
// The application has a table of sessions, with a row for each, or for each copy. The policy says what the columns are called (see Columns);
// quarantine needs two of its own, quarantined_at and quarantined_by, and the application must not see rows in which they are set. Two
// more tables have fixed columns: the registered nodes, which the application's nodes write, and the actions, which only this package
// writes. deploy/sessions/postgres.sql makes all three.
//
// # How it acts
//
// Each order is one transaction at the primary, which is asked for, not named:
//
//	insert the action                      a repeat finds it here, and waits for one that is under way
//	lock the rows, FOR UPDATE SKIP LOCKED  what somebody else is writing is left alone
//	read the clock and the nodes           after the locks: the sessions cannot change any more
//	judge                                  by sessions.Judge, Orphan and Resolve themselves
//	write, if the clock is not past        the deadline, or a second after the nodes were read
//	write the answer, commit
//
// Whoever dies in it leaves nothing. The nodes are not locked, since that would hold up their heartbeats: an owner that comes back within
// the last step, at most a second, is still judged by what was read. Its session is then in quarantine, and can be restored.
//
// Commits are on the primary's disk and do not wait for standbys. A quarantined row stays until the application removes it.
//
// # Standbys
//
// A physical standby holds what the primary holds, sooner or later: it can be behind, never different. So Sync writes nothing but its own
// record. It waits until the standbys have replayed what was there. A digest at a cut is one snapshot, whose position is at or after the cut.
package postgres
