// Package pagerduty calls people over PagerDuty's Events API v2, and shows there what was changed.
//
// # What becomes what
//
//	event of the record                                                             at PagerDuty
//	verified no_effect or worse, regressed, gave_up, in_doubt for long,             trigger
//	revert_in_doubt, escalated, expired, refused for a storm, the blast
//	radius or an ineffective chain; the opening of one of our own incidents
//	a rung of the escalation ladder that names pagerduty                            trigger, again if it was triggered: a line in its log
//	acked, overridden, recalled, approved, each by a person                         acknowledge, if it was triggered
//	closed, with whatever outcome                                                   resolve, if it was triggered
//	applied, once for each change; reverted                                         change event
//
// Everything else is nothing: an incident that never needed a person is at most some change events.
//
// # Told once
//
// Nothing is remembered here. What an event becomes is decided by the record up to it, see [plan], so it is the same on every replica,
// after a crash, and when it is told an hour late. All events of an incident carry one dedup key, [DedupKey], so a trigger that is sent
// again adds a line to the incident and opens no other.
//
// The way is [notify.Teller]: events come in order, one at a time, and come again after an error. Nothing is lost while PagerDuty is
// down.
//
// # What is not promised
//
// Change events have no key of their own at PagerDuty. One whose answer was lost is sent again and may be shown twice, with the same
// time and the same id in its details. An incident that somebody resolved at PagerDuty in the seconds between a trigger and its lost
// answer is opened a second time.
//
// # Why not the client of go-pagerduty
//
// Its types are used. Its client drops PagerDuty's words from the errors of this API, and does not say how long to wait; its package
// functions know only one address and no timeout.
package pagerduty
