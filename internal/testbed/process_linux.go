package testbed

import "syscall"

// ownGroup keeps a child out of our process group, so that ^C reaches us first, and sends it a signal when we are killed.
func ownGroup(death syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: death}
}
