// Package backup takes a backup of a running bus into one file, and makes the streams of such a file again on a bus that has none.
//
// # What is in it
//
//	ALERTS        what Alertmanager sent, and how far each handler has read
//	KV_slack      which message in a chat belongs to which incident
//	INCIDENTS     the records, and how far each place was told of them
//	KV_ledger     locks, budgets, cooldowns, what waits for a person, and the fence
//	KV_agenda     what is open, and when it is looked at again
//	KV_ladder     who is called next, and when
//	KV_breakers   the leases by which edges are held
//	KV_switch     pauses and the kill switch
//
// Left out is what lives in memory: who works on what right now, and what instances of services last reported. Secrets are in no stream,
// and the policy is a file of its own: keep it beside the backup.
//
// # The order
//
// Nothing is stopped for a backup, so each part is of its own moment, and what happens in between is in the later parts and not in the
// earlier ones. A server writes in an order:
//
//	alert stored ─▶ incident opened ─▶ in the agenda ─▶ alert acknowledged
//	granted by the ledger ─▶ intended, issued, applied, ended: in the record ─▶ given back to the ledger ─▶ out of the agenda
//
// The parts are taken in an order too, and for each pair the reason is what a restore must not do:
//
//   - Alerts before records. What a handler has acknowledged by the first moment is in the records of the second. The other way round an alert
//     could be acknowledged, and its incident be nowhere. What was entered in between comes again, and the record knows it.
//   - Chat references before records. They say up to which event a thread was told. Were they younger, events that come after the restore would
//     count as told; so they are older, and some are told twice.
//   - The ledger behind the records. Every change of which a record knows was granted before, so the ledger of the later moment has counted it,
//     and has its lock unless the change has ended since. The other way round a change would stand that no limit knows.
//   - The agenda and the ladder behind the records. What a reader of the alerts or of the records has acknowledged is entered. An incident
//     that ended in between is out of the agenda and open in its record; so whoever restores enters every open record again.
//   - Leases behind the records. A lease is in force by its own time, and ends by it. One that was taken back in between is gone, and the
//     record's owner finds it absent; one that was made in between is found by its action, or ends by itself.
//   - The switch last: a pause that somebody ordered while the backup was taken is in it.
//
// So the restored limits are never looser than the restored records. The ledger can hold the lock of an incident that the records do not
// have, since it was opened in between; whoever restores lets go of it, and its tokens stay spent.
//
// # One part
//
// A part is the snapshot that JetStream makes itself: messages with their sequences, times and headers. It is taken while the stream goes
// on; of the two streams nothing is ever removed but by age, so it is whole. A key-value bucket forgets a value when its key is written
// again, out of a snapshot too, and the new value is behind the snapshot's end. So behind a bucket's snapshot stands a tail: all that was
// written since. A key is in one of them or in both. For the ledger, the switch and the leases that is not good enough, since a document
// must be one value of one moment and a lease must not begin to live anew: they are taken again until nothing was written meanwhile. They
// are small, and seldom written.
//
// # The file
//
// A tar, compressed with gzip: firebreak-backup.json says what it is, parts/NN-STREAM/NNNNNN are the pieces of the parts, and
// manifest.json at the end says what there must be, with a SHA-256 of each part. A file that was cut off has no end.
//
// # Restoring
//
// The whole file is verified before anything is written. Then the bus is marked (the stream [bus.Unfinished], with which no server
// starts), the streams are made, with as many copies as the policy says, what the parts disagree on is settled by the caller, and the
// mark is taken away. So half a restore is never served: one that fails is taken away at once, one that was killed by the next try.
//
// Sequences go on with a step of [Ahead]: what happened between the backup and the loss had sequences as well, which are in ids that were
// told to others, and they must not come again for something else.
//
// # What is not promised
//
// What happened behind the backup is not in it: alerts, decisions, changes, answers of people. A change that was begun behind it stands
// at its target and is nobody's; it ends by itself where targets do that, and is seen as somebody else's where not. That is why whoever
// restores pauses everything until a person has looked. A lease that was taken back behind the backup is in force again, until its owner
// takes it back or its time is over.
//
// One restore at a time: a second one takes a first that is under way for broken off. The first notices, and says so.
package backup
