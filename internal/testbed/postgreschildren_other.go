//go:build unix && !linux

package testbed

import (
	"errors"
	"syscall"
)

// errOnlyLinux is why processes of a server cannot be singled out here.
var errOnlyLinux = errors.New("only Linux tells which processes a server has started")

// child is a process that another one has started.
type child struct {
	pid   int
	title string
	state byte
}

// childrenOf lists nothing: see errOnlyLinux.
func childrenOf(int) []child { return nil }

// isAlive is asked for what childrenOf lists.
func isAlive(int) bool { return false }

// signalChild refuses: see errOnlyLinux.
func signalChild(int, int, syscall.Signal) error { return errOnlyLinux }

// removeSharedMemory refuses: see errOnlyLinux. PostgreSQL removes its segment itself, unless it is killed.
func removeSharedMemory(int) error { return errOnlyLinux }
