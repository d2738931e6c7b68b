// Package haproxy takes one standby out of the read pool that HAProxy spreads over them, and puts it back.
//
//	Check    look                                               ─▶ absent, ours, foreign, or unreadable
//	Apply    look; ready? enough others?
//	         claim, and look; still ready? enough others, those that are claimed by others not counted?
//	         mark and drain, and look                           ─▶ ours? still enough others?
//	Revert   look; ours? ─▶ set ready, take the mark away, and look
//
// Each of these is one line of the runtime API, see the package internal/haproxy. Draining gives the server no new
// connections; those that are open go on until they end by themselves. HAProxy ends nothing on time by itself: whoever
// applied a change takes it back.
//
// # Whose change it is
//
// HAProxy keeps no owner of a server's state, so the action is kept beside it in a variable of the process. What it shows
// comes to:
//
//	ready                                        absent
//	ready at weight 0                            foreign: somebody took it out by its weight
//	drained, and our action is its mark          ours
//	drained, and another action is its mark      foreign
//	drained without a mark                       foreign: a person, or another tool
//	in maintenance, disabled, anything else      foreign, with our mark or without
//
// A restart forgets state and mark: the server is ready, and what is absent was reverted. A reload with a state file keeps
// the state and forgets the mark. A server that is drained without a mark, since longer than the process lives, is presumed
// ours if it was seen absent when the order was made (o.Seen): the order is what happened to it since. Detail says
// "presumed" then. A drain that is less than three seconds older than the reload, or of a server whose health changed since
// the reload, cannot be told from a person's and is left alone: a person has to put it back.
//
// # How many readers stay
//
// Only nodes of the pool count, which take connections: ready, up by a health check, with a weight, and no backup. At least
// MinReady of them must stay beside the one that is taken out, read in the moment of the change.
//
// Two actions that race for the last readers never take both. Each writes its claim before it looks at the others' claims,
// and drains after it; so of those that drain, the one that claimed last has seen all others. Both may be refused instead.
// This holds for all who claim, and while a claim lives: until the order's deadline and [claimGrace] more, by the clock of
// who reads it. It does not hold for who was frozen for longer than that between its last look at the clock and its
// command, nor where a third action races for one of the same servers, which has one claim. Against that, and against
// people and tools that claim nothing, what was read back counts: if too few readers are left, the change is taken back at
// once.
//
// # What is not promised
//
// The runtime API has no command with a condition. Between a look and the command that follows lies the time of one
// connection. A person who drains the same server in it finds it put back when ours ends, and one who sets it to
// maintenance while we put it back finds it ready. A person who sets it to ready and drains it again while ours is on
// record, between two looks of ours, is taken for us. Whoever wants to keep a server out beyond that sets it to maint: that
// is never touched.
//
// A command that was sent and not answered may be carried out late, by a HAProxy that hung. It cannot be fenced off: this
// is no [remediations.Fencer]. The mark tells whose it was.
package haproxy
