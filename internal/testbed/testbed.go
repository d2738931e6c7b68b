// Package testbed starts real servers for tests: Prometheus and Alertmanager, PostgreSQL with standbys, PgBouncer, HAProxy and Redis
// as Debian ships them, and NATS, in temporary folders, on free ports of the loopback interface. A test that passes here has met the
// real thing, not an idea of it.
//
// Every server belongs to the test that started it. It runs in a process group of its own, is stopped as exactly that
// process when the test ends, and dies with the test's process if that is killed. What it printed is shown when the
// test fails. A server that is not installed fails the test and says which package has it; nothing is ever skipped.
package testbed

import (
	"math/rand/v2"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// TB is the part of [testing.TB] that this package needs. Programs that are not tests, such as drills, bring their own;
// its Fatalf must not return.
type TB interface {
	Helper()
	Cleanup(f func())
	Failed() bool
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
	TempDir() string
}

// The ports that are handed out. They lie below the range from which Linux takes the ports of outgoing connections, so
// that nothing takes one between the moment it was found free and the moment its server listens, or while its server
// is down for a restart.
const (
	firstPort    = 20000
	lastPort     = 32000
	portAttempts = 200
)

// pollEvery is how often something that is awaited is looked at.
const pollEvery = 20 * time.Millisecond

// Port finds a port on 127.0.0.1 that is free for TCP and for UDP. Nothing holds it: whoever wants it listens soon.
func Port(t TB) int {
	t.Helper()
	for range portAttempts {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if portIsFree(port) {
			return port
		}
	}
	t.Fatalf("testbed: find a free port between %d and %d: %d attempts were all taken", firstPort, lastPort, portAttempts)
	return 0
}

// Addr is a free address on the loopback interface, see [Port].
func Addr(t TB) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(Port(t)))
}

// listenAnywhere listens on a free address on the loopback interface. It does not look first, as [Addr] does: a program that is being
// started at the same moment inherits what looked, and keeps the port taken for a moment after it was closed.
func listenAnywhere(t TB) net.Listener {
	t.Helper()
	for range portAttempts {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return l
		}
	}
	t.Fatalf("testbed: listen between the ports %d and %d: %d attempts were all taken", firstPort, lastPort, portAttempts)
	return nil
}

func portIsFree(port int) bool {
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return false
	}
	defer l.Close()
	c, err := net.ListenPacket("udp", addr)
	if err != nil {
		return false
	}
	defer c.Close()
	return true
}

// Await waits until cond is true and ends the test if that takes longer than timeout. The description says what was
// awaited, e.g. "the firing alert at the webhook". Call it from the test's own goroutine.
func Await(t TB, timeout time.Duration, description string, cond func() bool) {
	t.Helper()
	if !poll(timeout, nil, cond) {
		t.Fatalf("testbed: waited %s in vain for %s", timeout, description)
	}
}

// poll looks at cond until it is true, the time is over, or give is closed. It says whether cond became true.
func poll(timeout time.Duration, give <-chan struct{}, cond func() bool) bool {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if cond() {
			return true
		}
		select {
		case <-give:
			return false
		case <-deadline.C:
			return cond()
		case <-tick.C:
		}
	}
}

// find is the path of the first of the named binaries that is installed. Debian's name comes first, upstream's after it.
func find(t TB, debianPackage string, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	notInstalled(t, debianPackage, names...)
	return ""
}

// notInstalled fails the test with what to do about it.
func notInstalled(t TB, debianPackage string, names ...string) {
	t.Helper()
	t.Fatalf("testbed: %s is not installed: install the Debian package %s (apt-get install --no-install-recommends %s), or run scripts/test, which does",
		strings.Join(names, " or "), debianPackage, debianPackage)
}

// milliseconds writes a duration as Prometheus and Alertmanager read it; their format has no fractions.
func milliseconds(d time.Duration) string {
	return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
}

// orDefault is d, or the default where d is not set.
func orDefault(d, byDefault time.Duration) time.Duration {
	if d == 0 {
		return byDefault
	}
	return d
}
