// Package incidentfile keeps one incident in one file that stands for itself: its messages as they were stored, without what must not leave
// the house. Such a file can be read by people, be replayed under any policy, and be kept beside a policy as a test of it.
//
//	stored messages ─▶ Make (secrets masked, with a list of what was) ─▶ Write ─▶ a file ─▶ Read (strict, bounded) ─▶ Records ─▶ a replay
//
// # What is masked
//
// User names and passwords in URLs, bearer and basic tokens, values that are called password, token, key or the like, tokens of Slack,
// PagerDuty, GitHub and AWS by their shape, private keys, and literals of SQL statements. Nothing else is: names of hosts, services and
// databases, labels and annotations stay, since an incident without them says nothing. A secret without a shape, standing alone in a text,
// is not found. So read a file before you give it away.
//
// Masking must not change what a decision rests on: [File.Check] derives the decisions from the file and compares.
package incidentfile
