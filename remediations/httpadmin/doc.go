// Package httpadmin changes services over their own HTTP admin endpoints, which the policy describes by templates. It is
// the same contract as a lease of the package breaker, as far as the endpoints can keep it.
//
//	Check    GET  read.path   from every instance ─▶ off, ours, somebody else's, or unreadable
//	Apply    look again; all off? ─▶ POST apply.path   to every instance
//	Adjust   look; ours?          ─▶ POST adjust.path  to those that are ours
//	Revert   look; ours?          ─▶ POST revert.path  to those that are ours ─▶ look: off?
//
// All instances are asked at the same time, each command is sent once, and Go's own repetition of requests is kept from
// happening. Redirects are not followed. The header Idempotency-Key is the action for Apply, and the action with a suffix for
// what follows, so that a service which remembers keys does not take a revert for a repetition.
//
// # Templates
//
// Path and body are text/template with .Service .Edge .Cluster .Node .Action .TTLSeconds .Until .Released .Held .Params; an unknown name is
// an error. Released is the share of calls in percent that the change leaves alone, Held is the rest to hundred. In a body
// every value is written as JSON, quotes included, and the body must be JSON; in a path every value is escaped.
//
// # What a command came to
//
//	every instance answered 2xx                              done
//	every instance answered 4xx, or could not be dialled     refused: nothing was changed
//	anything else: a timeout, 3xx, 5xx, some of each         in doubt: Check says
//
// # Whose change it is
//
// HTTP endpoints compare nothing for us, so Apply looks again right before it sends. Between that look and the command
// somebody may come first: only an endpoint that refuses (409, 412) when it holds another action closes that gap, and the
// action is in the body for it.
//
// If the service keeps the action and read.action says where, a change is ours exactly if it carries our action. If it does
// not, nobody can tell, and the following is presumed: what stands now is ours if the edge was seen absent when the order was
// made (o.Seen), since the order is what happened to it since; otherwise it is somebody's. This is wrong if a person sets the
// same switch between the look and the command, or later in its place: Revert then takes their change away. Detail says
// "presumed" wherever that is so. Apply itself presumes nothing: if the switch is on already it sends nothing and reports doubt, because
// an earlier command of the same order may have done it.
//
// # Several instances
//
// One of ours makes the whole Ours, with k of n, so that it will be reverted; else one of somebody else's makes it Foreign;
// else one that cannot be read makes it Unknown; only if all are off is it Absent. Revert and Adjust go to the instances
// that are ours and to no others. An instance that restarted has forgotten the change and counts as off; it is not told
// again.
//
// A late command cannot be fenced off here: this is no [remediations.Fencer].
package httpadmin
