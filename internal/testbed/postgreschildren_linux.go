package testbed

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// child is a process that another one has started.
type child struct {
	pid   int
	title string // its command line, which PostgreSQL changes into what the process does
	state byte   // as the kernel says it: T is stopped, Z has ended
}

// childrenOf lists the living children of a process.
func childrenOf(pid int) []child {
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil // the pattern is bad, which it is not
	}
	var all []child
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		state, parent := statOf(b)
		if parent != pid || state == 'Z' {
			continue
		}
		dir := filepath.Dir(path)
		title, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil {
			continue
		}
		if id, err := strconv.Atoi(filepath.Base(dir)); err == nil {
			all = append(all, child{pid: id, title: strings.TrimRight(string(title), "\x00 "), state: state})
		}
	}
	return all
}

// isAlive is false for a process that has ended, even if its parent has not noticed.
func isAlive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	state, _ := statOf(b)
	return state != 'Z' && state != 'X'
}

// statOf reads the state and the parent out of /proc/PID/stat. The name before them may hold anything, but ends at the last bracket.
func statOf(stat []byte) (state byte, parent int) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 || len(fields[0]) != 1 {
		return 0, 0
	}
	parent, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return 0, 0
	}
	return fields[0][0], parent
}

// signalChild sends a signal to a process if it is a child of parent. The process is held first and looked at then, so that a pid that
// was given to somebody else meanwhile is never hit.
func signalChild(parent, pid int, s syscall.Signal) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return fmt.Errorf("find process %d: %w", pid, err)
	}
	defer func() { _ = p.Release() }() // releasing can only fail if it was released
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return fmt.Errorf("look at process %d: %w", pid, err)
	}
	if _, actual := statOf(b); actual != parent {
		return fmt.Errorf("signal process %d: it is a child of %d, not of %d", pid, actual, parent)
	}
	if err := p.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal process %d: %w", pid, err)
	}
	return nil
}

// removeSharedMemory removes a System V segment. Processes that still use it keep it until they end.
func removeSharedMemory(id int) error {
	const remove = 0 // IPC_RMID
	_, _, errno := syscall.Syscall(syscall.SYS_SHMCTL, uintptr(id), remove, 0)
	if errno != 0 && errno != syscall.EINVAL && errno != syscall.EIDRM { // both: it is gone
		return fmt.Errorf("remove shared memory %d: %w", id, errno)
	}
	return nil
}
