// Package pgbouncer speaks to the console of PgBouncer: it reads what the pooler shows, and can say three things to it, SET of a few
// settings, PAUSE and RESUME of one database. Nothing else can be said: there is no way to write KILL, SUSPEND, SHUTDOWN, DISABLE,
// RELOAD or WAIT_CLOSE here, nor PAUSE or RESUME of everything.
//
// # What a change can promise
//
// The console has no command with a condition. [Console.Change] looks, compares, sends and reads back on one connection, so that
// between the look and the command lies one exchange; whoever changes the same thing in that moment is overwritten. A command is sent at
// most once. What was not sent, or was refused in the pooler's own words, is [ErrNotSent] or [ErrSaid]; any other error of a change
// leaves it in doubt.
//
// A command that was sent and not answered may be carried out late, by a pooler that hung. When it is given up, its connection is
// reset, so that at least nothing more of it is sent.
//
// # What was tried on 1.18, and shapes this package
//
//	the extended protocol       08P01: simple queries only
//	a cancel request            ends a PAUSE or SUSPEND of everything, whoever gave it, on whichever console the request was meant for. A
//	                            driver sends one when a context ends, so no connection here can
//	PAUSE of an unknown name    answers PAUSE, and makes a database of it where there is a "*": names are looked up before they are sent
//	names                       [0-9a-z_A-Z] bare, anything else in double quotes with "" for one; in single quotes they are refused. The
//	                            quoted name has at most 63 bytes
//	PAUSE with a transaction    does not answer until it is over; the database is paused at once, and stays so when the client goes away
//	RESUME while PAUSE waits    the database goes on at once; the PAUSE is never answered
//	the answer PAUSE            may be that of another database's: it proves nothing, SHOW DATABASES does
//	RESUME of what runs         ERROR: database … is not paused
//	PAUSE (of everything)       SHOW DATABASES does not show it
//	SET default_pool_size       acts at once on databases without a pool_size of their own, and on no others; a pool that is too large
//	                            then closes sessions as they become idle
//	SET reserve_pool_size       acts on databases without a reserve of their own, for clients that waited reserve_pool_timeout
//	RELOAD                      ends every SET
//	SHOW CLIENTS                request_time of our own line is the pooler's clock, in whole seconds
//
// Columns are found by their names: they differ between versions, see the tests.
package pgbouncer
