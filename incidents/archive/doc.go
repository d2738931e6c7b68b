// Package archive keeps incidents in PostgreSQL, for longer than the bus does, and for people who ask in SQL. Nothing else needs it: no
// decision waits for it, and a database that is down only makes it fall behind, which it says.
//
// # The protocol
//
// The bus holds the record as a stream of messages; each holds the events of one append. One round of the archive is
//
//	look at the stream ─▶ read the messages behind the position ─▶ one transaction: lock the position, compare it with what it was
//	when they were read, write their rows, move it ─▶ again
//
// The position is in the database and moves with the rows, so neither a crash nor an answer that was lost can part the two: after any
// error the position is read again. Of several replicas that read the same messages one commits, and the others find that the position
// has moved. No consumer of the bus and no acknowledgement is part of this.
//
// A row's identity is when the bus stored its message, the message's sequence and the event's number in it. So a message that comes again,
// even by way of a restored bus that is read from its beginning, changes nothing. What the bus had forgotten before it was read here is a
// gap, which is written down with the first rows behind it.
//
// What is derived (incidents, fixes) is a fold over the record, made again whenever an incident's record grows.
package archive
