//go:build !failpoint

// Package failpoint marks the places between two durable steps, so that a test can kill or stop the process at exactly one of
// them. In every build but the tests' own (tag "failpoint") it is empty and costs nothing.
package failpoint

// Hit passes a failpoint. Built without the tag "failpoint" it does nothing.
func Hit(string) {}
