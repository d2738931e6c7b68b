// Package history makes a past: years of incidents that the real loop, the real family of retry storms and the real ledger go through in
// simulated time, among services that exist only as numbers. Nothing is reached and nothing waits, so that a year is made in minutes.
//
//	faults (by a seed) ─▶ alerts ─▶ handlers.Loop ─▶ records ─▶ who wanted them
//	        ▲                          │
//	        └── numbers, changes ◀─────┘
//
// It is for measuring what reads the past, and for trying replays against a past of which it is known how it came about. It says nothing
// about real services.
package history
