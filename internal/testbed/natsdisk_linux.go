package testbed

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"syscall"
	"unsafe"
)

// smallDisk is the size of a small file system, in bytes: room for a short test, and filled in an instant.
const smallDisk = 192 << 20

// mountSmall puts a small file system on a folder, and takes it away when the test ends. It is false where this is not allowed,
// as in a container without privileges.
func mountSmall(t TB, dir string) bool {
	t.Helper()
	err := syscall.Mount("firebreak-testbed", dir, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, fmt.Sprintf("size=%d,mode=0700", smallDisk))
	if err != nil {
		t.Logf("testbed: a small file system cannot be mounted (%v); writes will be made to fail with a limit of file sizes", err)
		return false
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Logf("testbed: unmount %s: %v", dir, err)
		}
	})
	return true
}

// fill lets every write that makes a file longer fail, in the process and from now on. On a file system of its own by taking all
// room, which gives the error of a full disk. Where none could be mounted by a limit on the size of files, which the system enforces
// as well but calls by another name: servers that know the words of a full disk may treat it differently.
func (d disk) fill(pid int) (error, error) {
	switch {
	case !d.small:
		return nil, errors.New("its disk is not a small one: name it in SmallDisks")
	case d.mount == "":
		return syscall.EFBIG, limitFiles(pid, 0)
	}
	f, err := os.OpenFile(filepath.Join(d.mount, ballast), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		_, err := f.Write(make([]byte, size))
		switch {
		case errors.Is(err, syscall.ENOSPC):
			size /= 2 // down to the last byte
		case err != nil:
			return nil, err
		}
	}
	return syscall.ENOSPC, nil
}

// free ends fill.
func (d disk) free(pid int) error {
	if d.mount == "" {
		return limitFiles(pid, math.MaxUint64)
	}
	return os.Remove(filepath.Join(d.mount, ballast))
}

// limitFiles sets how long a process may make files, as far as its hard limit lets it. Only the soft limit is touched, so that it can
// be raised again without privileges.
func limitFiles(pid int, size uint64) error {
	const rlimitFileSize = 1
	var hard syscall.Rlimit // ours, which the child has inherited
	if err := syscall.Getrlimit(rlimitFileSize, &hard); err != nil {
		return fmt.Errorf("read the limit of file sizes: %w", err)
	}
	limit := syscall.Rlimit{Cur: min(size, hard.Max), Max: hard.Max}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), rlimitFileSize, uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("limit the files of process %d: %w", pid, errno)
	}
	return nil
}
