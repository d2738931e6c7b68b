//go:build race

package ledger_test

// throws are fewer with the race detector, which makes each many times slower, and finds nothing in what one goroutine does.
const throws = 20_000
