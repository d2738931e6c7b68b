//go:build !race

package ledger_test

// throws is how many random steps are taken.
const throws = 200_000
