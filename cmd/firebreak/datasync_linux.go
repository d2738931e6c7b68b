package main

import (
	"os"
	"syscall"
)

// datasync brings a file's data to the disk, and of its metadata only what reading the data needs.
func datasync(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }
