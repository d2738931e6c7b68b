//go:build unix && !linux

package testbed

import "errors"

// mountSmall knows no way but Linux's.
func mountSmall(TB, string) bool { return false }

func (d disk) fill(int) (error, error) {
	return nil, errors.New("filling a disk is known for Linux only")
}

func (d disk) free(int) error { return errors.New("filling a disk is known for Linux only") }
