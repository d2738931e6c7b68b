package testbed

import (
	"errors"
	"syscall"
	"unsafe"
)

// sharedMemoryExists says whether a System V segment is there and not already on its way out.
func sharedMemoryExists(id int) (bool, error) {
	const stat, marked = 2, 0o1000 // IPC_STAT, SHM_DEST
	var answer [64]uint64          // room for struct shmid_ds, whose mode is 20 bytes into it
	_, _, errno := syscall.Syscall(syscall.SYS_SHMCTL, uintptr(id), stat, uintptr(unsafe.Pointer(&answer)))
	switch {
	case errors.Is(errno, syscall.EINVAL) || errors.Is(errno, syscall.EIDRM):
		return false, nil
	case errno != 0:
		return false, errno
	}
	return uint32(answer[2]>>32)&marked == 0, nil
}
