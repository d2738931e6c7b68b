// Package move moves the sessions of a store from its primary to a replica while they are used, and finds out whether all of them arrived.
//
// # What is compared, and when
//
// To read "before" and "after" at one moment on one server shows nothing. Here before is the old primary before it gives up its role, after
// is the new one once it has it, and each is compared besides with the server beside it at the same time, on one cut:
//
//	old primary --+-- same on one cut? -- replica          before
//	              |
//	              +-- snapshot: each session's owner, epoch, version, and a print of what it holds
//	              |
//	              move
//	              |
//	              +-- compare with the snapshot
//	              |
//	new primary --+-- same on one cut? -- the old one       after
//
// The application writes all the time, so two readings are never alike. What must hold is that each session of the snapshot is there, with
// the same version and the same contents, or with a version that dominates; that none is there twice; and that what differs between two
// servers was only on its way, which is found by reading it again (see Sides).
//
// A session that the application itself ended meanwhile looks like one that was lost. Nothing but the application can tell them apart.
//
// # Redis
//
// The server does it by itself (FAILOVER TO, 6.2 or newer, never FORCE), and this package asks for it and watches:
//
//	waiting-for-sync      writes are held up; the primary waits until the replica has everything. After TIMEOUT it gives up by itself.
//	failover-in-progress  the primary has given up its role, and tells the replica to take it.
//	no-failover           it is over: the roles are exchanged, or as before.
//
// Whoever dies who only watches changes nothing of this, and nothing is ended by hand: while the primary waits it ends by itself, at a moment
// that only the server can choose rightly. In failover-in-progress the replica has everything, and may be told at any moment to take the
// role: even one that says it has not taken it may have been told since. To end it then can make two primaries, whose sessions part, and to
// let it hang holds writes up. The second harm is the smaller one, and is over as soon as the one server reaches the other; so a person is
// told, who can make sure that the replica is down or kept away. See Abort.
//
// # PostgreSQL and HTTP
//
// Who is the primary is another program's decision there (Patroni's, the application's). Take a snapshot, let it move, and compare.
package move
