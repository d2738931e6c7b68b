//go:build unix && !linux

package testbed

import "syscall"

// ownGroup keeps a child out of our process group, so that ^C reaches us first. Only Linux can also signal it when we are killed.
func ownGroup(syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
