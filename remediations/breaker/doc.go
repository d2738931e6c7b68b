// Package breaker holds an edge of a service from outside: "edge X of service S is open, until T, by action A". It does so
// by a lease in a key-value bucket that the service watches through the package client.
//
//	Firebreak                      NATS key-value                              service, each instance
//	─────────                      ──────────────                              ──────────────────────
//	Check   ◀── last of subject ── bucket breakers
//	Apply   ── compare, TTL ─────▶ key <service>.<edge> ──── watch ──────────▶ hold, until receipt + min(ttl, MaxTTL)
//	Adjust  ── compare, TTL ─────▶   a new revision     ──── watch ──────────▶ the same, with more calls released
//	Revert  ── compare, marker ──▶   a delete marker    ──── watch ──────────▶ let go
//	                                 or the TTL passes ───── watch ──────────▶ let go
//	                                                    (nothing is heard) ──▶ let go at the local deadline
//	Check   ◀── k of n ─────────── bucket breaker_instances
//	                               key <service>.<instance> ◀── what I hold ── on change, and every 5 s
//
// # The lease
//
// Bucket breakers, key <service>.<edge>, both [A-Za-z0-9_-]+. History is 1, since the server raises a TTL to that of its
// markers where more is kept; storage is file. The value is a [lease.Lease]:
//
//	{"v":1,"fix":"open","params":{},"released":0,"until":"2026-11-02T03:04:05Z","ttl_ms":60000,
//	 "action":"…","incident":"…","fence":7,"reason":"…"}
//
//	fix           params                  what it does to a call
//	open          {}                      fails fast
//	retry_budget  {"budget_percent":10}   first attempts pass, retries only up to 10 per hundred calls
//	shed          {"shed_percent":50}     fails fast for 50 of hundred calls
//
// released is the share of calls, 0 to 100, that the fix leaves alone. It is drawn for each call, and all attempts of a
// call share the draw.
//
// # Compare-and-act
//
// Every write names the last revision of its subject (Nats-Expected-Last-Subject-Sequence), so NATS itself refuses a
// second, a late and a blind one. The revision counts markers too: what Check saw as absent is compared as well as what
// it saw as present, and a create over a tombstone does not conflict for no reason (nats-server #5162). Every lease
// carries a TTL of whole seconds; a renewal is a raw publish with a new one, because Update of a key-value drops it and
// the lease would never end. Check reads from the stream's leader, since a direct read may come from a replica that is
// behind.
//
// After an order's deadline Apply and Adjust send nothing; Revert is bound by no deadline, since an undo is never too late.
// Nothing is handed to a connection that is down, which would keep it and send it later.
//
// A command that was sent and not answered may lie in a buffer and arrive late. Fence writes a marker in its place, by
// the same compare: one of the two loses, and Fence says which. A marker of Fence or Revert stays for ever; that of
// an expired lease stays for [MarkerTTL], so that a late command which expects a subject without history does not find
// one.
//
// # What is over
//
// The server deletes a lease on time. One that is stored although both its until and its TTL have passed (a stranger
// wrote it without a TTL) holds nothing at any client any more: Check calls it absent, with the revision that it has, so
// that the next Apply replaces it by compare. It is not enough that until has passed by our clock: the clock of who
// wrote it may be behind.
//
// # What is not promised
//
// Between Until and the end at a client lies at most the time that the lease took to be stored and delivered, plus up to
// one second of rounding; a client counts from its receipt and compares no clocks. A lease stops the
// calls of services that import the client, and of no others.
package breaker
