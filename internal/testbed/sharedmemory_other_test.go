//go:build unix && !linux

package testbed

// sharedMemoryExists knows nothing here.
func sharedMemoryExists(int) (bool, error) { return false, errOnlyLinux }
