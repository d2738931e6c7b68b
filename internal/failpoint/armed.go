//go:build failpoint

package failpoint

import (
	"os"
	"syscall"
)

// Hit passes a failpoint. If FIREBREAK_FAILPOINT names it, the process ends here by SIGKILL, as in a crash: nothing is flushed,
// no deferred call runs.
func Hit(name string) {
	if os.Getenv("FIREBREAK_FAILPOINT") != name {
		return
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // the signal ends the process before anything else happens
}
