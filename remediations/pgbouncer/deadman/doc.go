// Package deadman ends a PAUSE of PgBouncer on time when who gave it cannot: a small process beside the pooler, which is told before the
// PAUSE is sent, and which says RESUME when the time is over, by its own clock.
//
//	         arm                      renew
//	free ──────────▶ armed(until) ◀──────────┐
//	  ▲                │   │  └──────────────┘
//	  │    disarm      │   │ until comes, or it is being stopped
//	  ├────────────────┘   ▼
//	  │                 ending ── RESUME until PgBouncer answers that it runs
//	  └────────────────────┘
//	start ─▶ free, or ending if the state file says that something was armed
//
// # The protocol
//
// One connection is one request and one answer, each one line of JSON of at most 4 kB:
//
//	{"token":"…","do":"arm","action":"a1","database":"app","for_ms":5000}
//	{"ok":true,"armed":{"action":"a1","database":"app","until":"2026-01-02T03:04:05.000000006Z"},"now":"2026-01-02T03:04:00Z"}
//
//	arm     refused unless free, or armed with just this action; unless the database is listed, and neither paused nor disabled;
//	        unless this process may say RESUME at all; and unless for_ms is 1 to 15000. Repeating it does not prolong it.
//	renew   from now on for_ms more, never beyond 15 s after it was armed.
//	disarm  by the same action only. What is free is disarmed.
//	state   what is armed, if anything is.
//
// A refusal is {"ok":false,"error":"…"}. The answer to arm and renew comes after the state file was flushed to the disk.
//
// # What holds
//
// Whatever dies after the PAUSE was sent, it ends at until, as long as this process runs or is started again: keep it under a
// supervisor. When it starts and finds something armed, it resumes that first, whether its time has come or not, and answers nobody
// before that is done; since nobody who is not answered may send a PAUSE, none is sent meanwhile. When it is stopped in order it resumes
// what is armed. A pooler that does not answer is asked again until it does; one that was restarted runs, and says so.
//
// It never resumes a database that was not armed, and a database is not armed while it is paused: nobody's earlier pause is ended. It
// cannot tell two pauses of one database apart: one that a person gives while ours is armed, after having ended ours, ends at until.
//
// # What does not
//
// The time is counted while this process runs: one that is frozen resumes when it goes on. A PAUSE that the network keeps longer than it
// was armed for takes effect after its RESUME; who sends one gives it less time than that, and resets its connection after it, but
// nothing can be reset any more by a process that was killed, if in the same moment the network was cut.
package deadman
