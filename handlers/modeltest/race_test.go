//go:build race

package modeltest

// thinned: the race detector makes everything many times slower. Only one coroutine runs at a time, so a part of the runs shows as much.
const thinned = 12
