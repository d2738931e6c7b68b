// Package replicatest runs three replicas of the real binary on a cluster of three real nats-servers, lets one service after the
// other fall sick, and breaks things meanwhile: nodes of NATS are killed, cut off, slowed and filled up; replicas are killed,
// stopped in the middle of a change for longer than anybody waits for them, and restarted one by one. After each of these it holds
// what must be true all the same: every alert that was acknowledged is recorded, nothing takes effect twice, what was changed is
// taken back, every incident ends once, and the next one is answered.
//
// It stands outside: it speaks HTTP and NATS, and imports nothing of the product but the servers for tests. How long things took
// is printed and not judged: it says more about NATS's election times and the machine than about us.
//
// FIREBREAK_LONG=1 repeats the faults in other orders, by seeds that are printed; FIREBREAK_SEED repeats one of them.
package replicatest
