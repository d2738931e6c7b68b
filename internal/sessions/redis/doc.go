// Package redis keeps the contract of package sessions on a Redis primary with its replicas. Redis 7.0 or newer, one shard: the scripts
// make names of keys from a prefix, which Redis Cluster does not allow.
//
// # What is where
//
//	<prefix>s:<id>                    a session: a hash
//	<prefix>s:<id>@<node>             the copy of a session that a node keeps
//	<prefix>nodes                     the registered nodes: a hash, name -> JSON
//	<prefix>q:<action>@<id>[@<node>]  a session in quarantine, as it was; it expires after sessions.QuarantineFor
//	<prefix>a:<action>                what became of an action; it expires after sessions.RememberFor
//
// The application writes the first three. A session has the fields owner, epoch (digits), version (as sessions.Version writes it),
// lease_until (milliseconds since 1970, digits), and may have priority and updated_at (like lease_until). All others are its own. A session
// whose fields cannot be read like this is never touched. A node's JSON is
//
//	{"epoch": 7, "since": <ms>, "lease_until": <ms>, "sees": ["b", "c"]}
//
// and it writes it again before its lease ends. One node that cannot be read makes the membership unreadable, and nothing is done.
//
// # How it acts
//
// Each order is one script, which Redis runs alone: it looks for the action, reads the time of Redis, judges the membership and every
// session, and only then writes. Its work is bounded by the order and by at most 256 nodes. Whoever dies while it waits for the answer
// finds it under the action. Nothing is sent twice by the client.
//
// A script that Redis ends in its middle, for instance because the login may not use one of its commands, is not taken back by Redis. So a
// script writes its record first, with all that it is about to take, and says at its end that it is done. An action that began and did
// not end is an error for ever, never an answer, and can be restored.
//
// The login needs, on keys of the prefix: SCAN, HGETALL, HKEYS, HMGET, HGET, HSET, HSETNX, HEXISTS, EXISTS, PEXPIRE, PEXPIREAT, PEXPIRETIME,
// PERSIST, RENAME, DUMP, RESTORE; and TIME, INFO, WAIT, EVAL, EVALSHA. At replicas the reading ones.
//
// To read contents it needs HGETALL, which is among these. To move the role of the primary (package move) it needs at all servers also
// FAILOVER and PUBSUB NUMSUB; who has no need of that gets neither. The servers themselves must be able to log in at each other, as
// masteruser and masterauth say, in both directions.
//
// A script is atomic at the primary. It is durable as far as Redis is: what a primary had not sent to a replica before it was lost is lost,
// the quarantine and the record of it alike, in the order in which they were written.
//
// Quarantine renames the key, so contents and fields stay as they are. Its own expiry is kept in the record, and set again by a restore;
// one that has passed meanwhile is answered as expired. A quarantine that nobody undoes ends after a day: then Redis deletes it.
//
// Sync writes each session over itself (DUMP, RESTORE REPLACE), which changes nothing at the primary and sends it whole to the replicas. WAIT
// is the barrier. That it returns fewer replicas than there are is no error, nor a proof of anything, so each replica's own
// position is read afterwards.
//
// Copies of one session are found by the names of the registered nodes. A copy in another name is found only by listing everything.
package redis
