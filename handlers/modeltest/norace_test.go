//go:build !race

package modeltest

// thinned says how many times fewer runs are made.
const thinned = 1
