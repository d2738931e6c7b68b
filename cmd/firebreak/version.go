package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// unstamped is the version of a build that was not made from a released module.
const unstamped = "(devel)"

type versionCmd struct{}

// Run prints one line.
func (versionCmd) Run(a *app) error {
	_, err := fmt.Fprintf(a.stdout, "firebreak %s %s %s/%s\n", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// buildVersion is what the Go tool chain knows of this build.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return unstamped
	}
	return info.Main.Version
}
