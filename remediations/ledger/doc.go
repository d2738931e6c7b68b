// Package ledger is what no fix can pass, whichever handler asks for it and on whichever replica. All limits are in one document,
// the [Book], which is changed by one compare-and-set, so they are checked and taken together. A crash after a grant costs budget; it never
// gives budget back.
//
// [Book] is pure: it knows no bus, no clock and no network, so the past can be run through it again. [Ledger] keeps it where all
// replicas see it.
//
// # The order
//
// [Book.Reserve] asks in this order, and the first no is the answer:
//
//	not_allowed        the ask does not say what it is for
//	ledger_unread      the clocks of those who wrote the book are too far apart to count in it
//	target_busy        another incident has a fix in the failure domain
//	frozen             a fix of the domain ended in doubt, and nobody has acknowledged it
//	unacknowledged     a fix of class P or above ended there, and nobody has acknowledged it: time never lifts this
//	cooldown           a fix ended there a moment ago
//	concurrent         too many fixes stand at once, of this action, then of all
//	budget_spent       too many were granted in the hour or the day, in the domain, then of this action, then in all
//	ineffective_chain  the same action was granted on the same target again and again since a person last looked
//	blast_radius       too many targets of the zone are sick now
//	storm              too many were a moment ago, or too many alerts came
//
// A person's override passes all of them but the first and target_busy. It is spent from every budget all the same.
//
// Too many sick targets mark a storm whatever the answer is, so asking can change the book although the answer is no.
//
// # Clocks
//
// The time of every call is the caller's, and the callers are several machines. Counting never falls short because of it:
//
//   - What is written is never earlier than what was written before: a clock that is behind, or that was set back, cannot file a fix
//     under an hour that the others count no more.
//   - What lies in the caller's future counts.
//   - What no limit asks for any more is kept for another day, so that a clock that is up to a day ahead takes nothing from the others.
//   - Whoever is more than a day behind the book gets no grant: one of the clocks is wrong, and nobody can say which. A person's
//     override settles it in favour of the replica that carries it out.
//
// In the book's own time no window ever holds more than its limit. What is not promised: a clock that is ahead by a minute sees a
// window that is a minute shorter.
package ledger
