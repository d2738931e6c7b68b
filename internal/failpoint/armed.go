//go:build failpoint

package failpoint

import (
	"os"
	"syscall"
	"time"
)

// Hit passes a failpoint. If FIREBREAK_FAILPOINT names it, the process ends here by SIGKILL, as in a crash: nothing is flushed,
// no deferred call runs. If FIREBREAK_FAILPOINT_STOP names a folder that does not exist, it is made, and the process stops here by
// SIGSTOP instead, as if it had lost its processor; with the folder there it passes. So it stops once, whoever comes by.
func Hit(name string) {
	if os.Getenv("FIREBREAK_FAILPOINT") != name {
		return
	}
	if once := os.Getenv("FIREBREAK_FAILPOINT_STOP"); once != "" {
		if os.Mkdir(once, 0o700) == nil {
			stop()
		}
		return
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // the signal ends the process before anything else happens
}

// stop returns after somebody has sent SIGCONT. The signal can reach this thread a moment late; until then it must not go on, and
// it must not wait for a timer, or other timers would go off before.
func stop() {
	const gap, patience = 200 * time.Millisecond, 2 * time.Second
	_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	for begun, last := time.Now(), time.Now(); time.Since(begun) < patience; last = time.Now() {
		if time.Since(last) > gap {
			return
		}
	}
}
