// Package clustertest proves what the bus promises on a real NATS cluster of three, with three replicas of Firebreak's bus on
// it: while nodes are killed, cut off, slowed, filled up and restarted, everything that was acknowledged stays, nothing that may
// happen once happens twice, and everything goes on within a bounded time.
//
// How long things took is printed and not judged: it says more about NATS's election times and the machine than about us.
//
// FIREBREAK_LONG=1 repeats the faults in other orders and against other nodes, by seeds that are printed.
package clustertest
