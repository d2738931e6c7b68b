package testbed

import "syscall"

// ownGroup keeps a child out of our process group, so that ^C reaches us first, and ends it when we are killed.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
