// Package slack tells people in Slack what happened, and takes their answer to what they are asked.
//
// # One message for each incident
//
//	event of the record ─▶ [Sink.Send] ─▶ the newest state of the incident, rendered ─▶ same as shown? nothing to do
//	                                                                                └▶ else: post it once, then only edit it
//
// A post cannot be repeated safely: Slack has no key for it. So it goes in three steps, with a document of the incident that every
// replica sees and that is changed by compare-and-set:
//
//	intent ─▶ post, with the incident in the message's metadata ─▶ the message's timestamp
//
// Whoever finds an intent without an end waits until the post can no longer be under way, looks for its metadata in the channel, and
// posts only if it is not there. Where the channel cannot be read, it is posted once more and says so. Replies in the thread go the same
// way. An edit that fails never becomes a post.
//
// What is sent is always the newest state, so an hour without Slack ends with one message for each incident, not with its history.
//
// # One answer for each asking
//
//	press ─▶ signed request, or envelope of a socket ─▶ who is it, really ─▶ desk: compare-and-append ─▶ message edited at once
//
// A button carries the incident, the asking and the hash of the plan that was shown: an answer is for exactly that plan. Nothing here
// remembers who pressed what. Of two presses, the record takes one.
//
// # What is not promised
//
// Slack can be down, and then nobody can answer there: every asking can be answered elsewhere too, and ends by its time.
// Where somebody deleted the message of an incident, no rung of the escalation ladder calls anybody for it there.
package slack
