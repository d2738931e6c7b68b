// Package pgbouncer makes a pool of PgBouncer larger for a time, ends a pause, and pauses a database for some seconds.
//
//	grow_pool   class A, at most 30 minutes    {"database":"app","from":20,"to":23,"usable":80}
//	resume      once; class A of our own       {"database":"app","ours":true}
//	            pause, P of somebody's
//	pause       class P, at most 15 seconds    {"database":"app"}
//
// PgBouncer keeps no owner of anything, and its console has no command with a condition. So whose a change is follows from its value, or
// from the dead-man; every command is sent right after a look on the same connection that found what the plan saw; and what was read
// back from SHOW DATABASES is what counts, not the answer.
//
// # grow_pool
//
// Only SET changes a pool without a change of the file, and SET is for the whole pooler. Which of two settings is the means, the plan says:
//
//	default_pool_size   (where "means" is empty) for databases without a pool_size of their own. All of them grow.
//	reserve_pool_size   for databases with one. It must be 0 before, and becomes to-from: clients that waited reserve_pool_timeout get that
//	                    many sessions more. All databases without a reserve of their own get it.
//
// "to" is at most a quarter more than "from", which must be what the pool has. Over all pools that exist by then, with what each of them
// may have after the change, no more than "usable" sessions come to be: the ceiling that the plan was given, with the share that the
// policy leaves free taken off. Pools to other servers are counted too.
//
//	both the setting and SHOW DATABASES say from          absent
//	both say to, and it was seen absent (o.Seen)           ours
//	the setting says to, SHOW DATABASES from, seen absent   ours, and without effect: the database has a size of its own. Apply takes it back
//	anything else                                         foreign
//
// A RELOAD or restart ends it; what is absent was reverted. Choose "to" so that no person would: 23, not 25. A person who sets just our
// value is taken for us. Between the look and the SET lies one exchange with the pooler. A value that a person sets in it is overwritten by
// ours, and goes back to "from", not to theirs; on the way back it is overwritten by "from".
//
// # resume
//
// It is sent only while SHOW DATABASES says that the database is paused and not disabled. What runs already is as it was wanted: satisfied.
// PgBouncer cannot say whose pause it is, nor whether it is still the same one: a pause that was ended and given again since the look is ended
// too. "ours" is the word of the plan, which has the record; without it a person approves. A PAUSE of everything is not seen and not ended.
//
// # pause
//
// PAUSE stays when who sent it goes away. So it is sent only after a dead-man beside the pooler, see the folder deadman, has promised to
// resume this database for this action, and only while that leaves enough time; and a pooler without a dead-man is never paused. It
// stands for at most 15 seconds, and for a quarter of query_wait_timeout at most, after which waiting clients would be sent away. A
// PAUSE that is not answered in time, because a transaction is open, is resumed at once.
//
//	runs                                      absent
//	paused, and armed by our action           ours
//	paused, and not                           foreign
//	paused, and the dead-man does not answer  ours if it was seen absent and its time is not over for longer than a minute, and presumed
//	                                          so; unknown after that
//
// After the PAUSE was answered the dead-man is asked whether it still holds it; if not, it is resumed at once.
//
// A person who pauses the same database between our look and our PAUSE, or ends ours and pauses again before its time is over, is taken
// for us. A PAUSE that a hung pooler carries out late is resumed by the dead-man, which asks until it is answered. What is left is a
// process of ours that is frozen for longer than the whole pause between its last look at the clock and the PAUSE, and is killed as soon
// as it has sent it.
package pgbouncer
