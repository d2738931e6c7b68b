// Package sessions mends drift in session stores, by the few acts of their contract (internal/sessions): it sends sessions to replicas
// again, takes orphans out of sight, sets copies aside, and gives orphans to a living member. A step names a store as its cluster and
// "sessions" as its node; [remediations.Step.Once] is always set.
//
//	fix         Undo  what happens                                                                class
//	sync        no    up to 100 sessions are sent to the replicas again, which are waited for     A
//	quarantine  yes   orphans are taken out of sight: 1 in 100, at least 1, at most 50            A
//	reconcile   yes   copies that another one dominates are set aside: at most 50, 1 in 100       A
//	set_aside   yes   the same, and all copies of a session of which none dominates               P
//	recover     yes   up to 200 orphans are given to a living member, in stages                   P
//
// # Settings
//
// Params have exactly these keys, and no others. A session is a sessions.Session of the contract in its own JSON, as it was listed; a version
// is a number, or an object of numbers by node. It may not be in quarantine; updated_at may be left out.
//
//	sync                  {"epoch":7,"ids":["u1","u2"]}
//	quarantine            {"epoch":7,"total":4200,"sessions":[S, …]}
//	reconcile, set_aside  {"epoch":7,"sessions":[S, …]}               all copies of each session, at most 200
//	recover               {"epoch":7,"to":"node-b","sessions":[S, …]} of all priorities
//	S                     {"id":"u1","copy":"node-a","owner":"node-a","epoch":6,"version":3,
//	                       "lease_until":"2026-01-02T03:04:05.678Z","priority":"normal"}       copy is left out where there are none
//
// # How it goes
//
//	Check   membership (quorum, epoch, stable), the named sessions  ─▶ absent: some are as they were seen, and it can be done
//	                                                                ─▶ satisfied: none is
//	                                                                ─▶ unknown: nothing may be done now, and the detail says why
//	Apply   one order: the store compares and acts, each session by itself ─▶ what was done, or refused if nothing was
//	Fence   ask for the action with a deadline long past            ─▶ not known, and its own deadline is past: absent
//	                                                                ─▶ known: ours, with the answer that is kept
//	Revert  restore what the action took
//
// A membership without a quorum, of another epoch than the plan's, or that changed a short time ago (for orphans) is unknown. It is not
// foreign, since nobody's change stands there, nor satisfied, since what was wanted may still be wanted. Check never says ours: that
// sessions are gone does not say who took them, and only the store's record of the action does. That is Fence's business, which therefore is
// what a crash is resolved by. Sync leaves no trace but that record, so Check says absent of it before and after.
//
// # Deadlines
//
// The store's deadline is counted from its own clock, as Check read it, plus the timeout: it is a part of the order that is in the record,
// so the same order is the same order after a crash, whatever the two clocks say. It is never later than the order's own.
//
// To ask is to order the action once more with a deadline in 1970, which no store can carry out: one that knows the action says that it was
// used for another order, one that does not says that the deadline has passed. Nothing can come after that if the store's clock is
// past the order's deadline. A store that knows the action but cannot give its answer has ours: it is undone by what the store kept.
//
// # Stages
//
// A recovery is one order for at most 50 sessions of one priority: critical ones at once, high ones a second after the first, normal ones
// after five, low ones after ten. Its parts are actions of their own, the action with -0, -1 and so on. Before each further one the last is
// looked at: if more than one in ten of its sessions is not with the new owner, or none was given, it stops. So it does if a part is
// refused, or if the deadline comes first. What was not reached is not done, and the note says so.
//
// # Undoing
//
// The undo of an action is the action with -undo, and with the epoch too if that is another one by then, so that it can be repeated until
// it is answered. It needs no quorum. What somebody has made anew or written since is left alone. It gives back what the store's record
// says, so it needs no receipt; the receipt tells an action that the store forgot from one that never was.
//
// # What is not promised
//
// A store that loses what it had answered, such as a Redis replica that is promoted too early, loses the change and the record of it alike.
// A store that is no longer known to the policy cannot be undone here.
package sessions
