// Package modeltest holds the kernel against a simulated world: the loop, the records, the ledger, the guard and the desk as they are,
// with targets, clocks, stores and a network that fail in every way that a seed can think of. There is no NATS, no real clock and
// nothing that depends on how the machine schedules: replicas are coroutines that stand still at every interaction, and the seed says who goes on.
//
// A step is one decision of that scheduler: to let somebody go on to the next interaction, to kill a replica or to stop it for an
// hour, to lose an answer, to let a person change a target. After each step the world is what the invariants say, or the
// episode ends with the seed, the shortest schedule that was found to fail, and the record.
//
//	FIREBREAK_SEED=7    runs one episode
//	FIREBREAK_STEPS=812 ends its schedule there (then everything is healed)
//	FIREBREAK_LONG=1    runs ten times as many steps, and harms at each interaction with every seed
//
// # The targets
//
//	a  fences, compares, looks at the deadline, ends the change by itself; can be renewed and given back by shares
//	b  compares and looks at the deadline; the change stands until it is taken back
//	c  carries an owner and ends the change by itself; neither compares nor looks at the deadline
//	d  a plain level: no owner, no compare, no deadline, no end
//	e  as b, and ends the change by itself; often it cannot tell
//	f  its changes happen once: it ends the one that it is told, by identity and by its own clock; that one may also end by itself or by
//	   another hand, which cannot be told apart, and another one may come
//
// Some changes on a to e are kept until the fault itself is gone.
//
// # What remains
//
// On c and d a command that is held up behind the last gate for longer than its deadline takes effect late: nothing at the target
// refuses it. Whoever held it finds out when it wakes, and takes it back; if it never wakes, on c the change ends by itself and on d it stands
// until a person looks. On d a revert that is held up for as long can also take a later change of ours away too early, since a level does not
// say whose it is. These, and a person's edit in the moment between our reading and our writing of a target that cannot compare, are
// counted, and are failures anywhere else.
package modeltest
