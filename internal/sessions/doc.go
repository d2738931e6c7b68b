// Package sessions is the contract of a session store: what Firebreak may see of the sessions that an application keeps, and the few
// bounded things that it may do about those that have drifted. It reaches no store itself; the folders below do, each with the same
// meaning, which one suite holds them to (see sessionstest).
//
// # The difficulty
//
// A partition looks exactly like orphans: sessions whose owner has not renewed them and does not answer. So nothing here believes one
// node's view. An owner is gone only when a majority of the registered nodes answers and none of them vouches for it, and a session is an
// orphan only when, besides, its lease is long over:
//
//	orphan = the membership has a quorum
//	     and the session's epoch is not newer than the membership's
//	     and its lease ended more than 2 x TTL ago, by the store's clock
//	     and its owner is no member: not registered, or gone (see State)
//
// Whoever decides sees it first by [Orphan] on what was listed. The store then checks the same again on what it holds, in the same atomic
// step that acts. What was seen only says which sessions are meant, and what they looked like.
//
// # The protocol
//
//	Membership, List  ->  decide  ->  order{action, epoch, max, deadline} + the sessions as seen
//	                                    |
//	   refused, nothing was changed  <--+--  is the action known?     yes: the same answer again, nothing is done twice
//	   (a name of its own for each)     |    is the deadline past?    ErrDeadline
//	                                    |    another epoch?           ErrEpoch
//	                                    |    no quorum?               ErrQuorum (but to restore, which a partition may call for)
//	                                    v
//	                           each session by itself: as it was seen? still an orphan? -> done, or why not
//	                                    |
//	                                    v
//	                           the answer is kept with the action, in the same step
//
// A session that is not as it was seen is left alone; the others of the order are not held up by it. Which were done, and why the others
// were not, is in the answer.
//
// # Acts
//
//   - Quarantine takes orphans out of the application's sight without losing anything. It is undone by Restore with the same contents for
//     at least [QuarantineFor]. Nothing here deletes a session: when a quarantine is over is the store's matter, and said there.
//   - Restore gives back what one action took. What somebody made anew meanwhile under the same name is left alone.
//   - Sync sends a bounded set to the replicas again, waits for them, and says from their own positions how far they are. Being behind
//     when the wait is over is an answer, not an error.
//   - Reconcile looks at all copies of a session. If one dominates all others, those are quarantined, and only those. If two are concurrent
//     nobody can tell which is right: nothing happens, or all copies are quarantined if the order says so. No clock ever decides.
//   - Recover gives orphans of one stage (see Stages) to a living member. Restore undoes it for those that the member has not written yet.
//
// # What is promised, and what is not
//
// An action is done once at most. For one session it is done wholly or not at all, whatever dies meanwhile. An error that is [ErrRefused]
// is a proof that nothing was changed; after any other, order the same action again, or read. A deadline is by the store's clock (At of what
// was read), so the caller's own does not matter. Every order is bounded by its Max and by the store's own cap, whichever is less.
//
// It is not promised that an owner is dead, only that a majority has given it up. A list is no snapshot unless its store says so. A
// digest that differs does not say that something is wrong: something may be on its way. [Examine] tells the two apart.
package sessions
