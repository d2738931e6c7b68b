// Package replay runs recorded incidents through the rules again: under the policy of then, to show that every decision can be derived
// from its record, bit for bit; or under another policy, to show what that would have done.
//
//	record ─▶ Engine.Next ─▶ each recorded look ─▶ Decide (package think) ─▶ what the policy refuses by itself
//	                                                                     ─▶ windows and a simulated ledger, in the time of the record
//	                              differences  ◀── what was done then  ◀── what would have been done
//
// It cannot act: nothing that it imports can reach a system, which a test holds.
//
// # What can be known
//
// The record holds what was looked at, not what would have been seen in another course of things. So an incident is followed for as long as
// both courses are the same: once one of them makes a change that the other does not, asks people what the other does not, or makes it
// differently, nothing that was seen after it says anything about the other course, and the result says from when on it is unknown. A
// decision that would have needed a look that nobody made is said to be missing, never guessed.
//
// What no policy decides is taken from the record where it was asked: silences, the kill switch, pauses, who holds a target. Where the
// recorded course never came to ask, the answer is assumed to be yes, and the result says so ([Deed.Assumed]). Storms of alerts that became
// no incident are in no record; a recorded refusal for one counts in both courses.
//
// The ledger begins empty: limits that were used up before the first message of a replay are not known.
package replay
