package replicatest

import (
	"syscall"
	"time"

	"github.com/firebreak-sre/firebreak/internal/testbed"
)

// outlast is longer than the claim on an incident lasts without its owner, and longer than every deadline of the policy.
const outlast = 16 * time.Second

// replicaFaults are what happens to replicas themselves.
func replicaFaults() []fault {
	return []fault{
		{name: "carrier killed", hurt: killCarrier},
		stoppedAt("stopped before the wire, and right behind it", "wire:before", "wire:after"),
		stoppedAt("stopped behind the last check", "httpadmin:send", leaseSend),
		{name: "replicas restarted one by one", hurt: rollingRestart},
		long(stoppedAt("stopped behind the last check, over HTTP", "httpadmin:send", "httpadmin:send")),
		long(stoppedAt("stopped behind the last check, lease", leaseSend, leaseSend)),
		long(stoppedAt("stopped behind the wire", "wire:after", "wire:after")),
		long(fault{name: "carrier hangs", hold: outlast, hurt: func(w *world) func() {
			victim, id := w.carrier(w.replicas)
			victim.process.Signal(syscall.SIGSTOP)
			w.awaitClosed(id, w.others(victim)[0])
			return victim.resume
		}}),
	}
}

// leaseSend is right before a lease is written, not before one is marked as over.
const leaseSend = "breaker:send:"

// killCarrier kills the replica that has a fix in hand, and waits until somebody else has brought that incident to its end.
func killCarrier(w *world) func() {
	w.t.Helper()
	victim, id := w.carrier(w.replicas)
	victim.process.Kill9()
	w.awaitClosed(id, w.others(victim)[0])
	return func() { victim.start() }
}

func (w *world) awaitClosed(id string, ask *replica) {
	w.t.Helper()
	testbed.Await(w.t, patience, "the end of incident "+id, func() bool {
		r, err := w.find(id, ask)
		return err == nil && r.Summary.Stage == "closed"
	})
}

// rollingRestart is what an operator does for a new version.
func rollingRestart(w *world) func() {
	w.t.Helper()
	for _, r := range w.replicas {
		r.process.Stop()
		r.start()
		r.awaitReady()
	}
	return func() {}
}

// stoppedAt lets two of three replicas stop at the worst moment, for longer than anybody waits for them. The first goes on while somebody
// else's change stands on the same edge, if there is one in time, the second when that incident is over.
func stoppedAt(name, first, second string) fault {
	return fault{name: name, hurt: func(w *world) func() {
		w.t.Helper()
		victims := w.replicas[1:3]
		for i, point := range []string{first, second} {
			victims[i].process.Stop()
			victims[i].startArmed(point)
		}
		begun := make([]time.Time, 2)
		held := make([]string, 2)
		testbed.Await(w.t, patience, "two replicas to stop themselves", func() bool {
			for i, r := range victims {
				if held[i] == "" && r.isStopped() {
					begun[i], held[i] = time.Now(), w.inHandOf(r, w.replicas[0])
				}
			}
			return held[0] != "" && held[1] != ""
		})
		w.awaitAnother(held[0], begun[0])
		victims[0].resume()
		w.awaitClosed(held[1], w.replicas[0])
		testbed.Await(w.t, patience, "the claims to run out", func() bool { return time.Since(begun[1]) > outlast })
		victims[1].resume()
		return func() {
			for i, id := range held {
				if r, err := w.find(id, w.replicas[0]); err == nil {
					w.t.Logf("%s had stopped at %s: %s", victims[i].name, []string{first, second}[i], r.line())
				}
			}
		}
	}}
}

// inHandOf is the incident that a stopped replica was about to change something for.
func (w *world) inHandOf(r, ask *replica) (id string) {
	w.t.Helper()
	testbed.Await(w.t, patience, "the incident that "+r.name+" has in hand", func() bool {
		open, err := ask.api.records(func(s summary) bool { return s.Stage != "closed" })
		for _, rec := range open {
			if kind := rec.last().Kind; err == nil && (kind == "issuing" || kind == "adjusting") && rec.last().by(r.process.PID()) {
				id = rec.Summary.ID
			}
		}
		return id != ""
	})
	return id
}

// awaitAnother waits until the claim on an incident has run out and somebody else's change stands, or the incident is over.
func (w *world) awaitAnother(id string, begun time.Time) {
	w.t.Helper()
	testbed.Await(w.t, patience, "another change for incident "+id, func() bool {
		r, err := w.find(id, w.replicas[0])
		if err != nil || time.Since(begun) < outlast {
			return false
		}
		issued := r.count("issuing")
		return issued > 1 && r.count("applied") > 0 || r.Summary.Stage == "closed"
	})
}
