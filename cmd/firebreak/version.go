package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// unstamped is the version of a build of which nothing is known: neither the linker nor the Go tool chain was told.
const unstamped = "(devel)"

// buildStamp is what a release says of itself: version,commit,time of the commit,modified. The linker sets it, since a release is built from a commit's
// files and not from a clone: -ldflags "-X main.buildStamp=v1.2.3,0123abc,2026-01-31T12:00:00Z,false". What is unknown stays empty between its commas.
var buildStamp string

type versionCmd struct {
	JSON bool `help:"As one object."`
}

// Help is what "firebreak version --help" teaches.
func (c *versionCmd) Help() string {
	return `A release says what it was stamped with. A build in a clone says what the Go tool chain saw there: "+dirty" and "modified" mean that files were
not those of the commit. "(devel)" knows nothing of itself.`
}

// build says which program this is. Empty and nil are unknown.
type build struct {
	Version   string `json:"version"`
	Commit    string `json:"commit,omitempty"`
	Committed string `json:"committed,omitempty"`
	// Modified says that files were not those of the commit.
	Modified *bool  `json:"modified,omitempty"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

// Run prints which build this is.
func (c *versionCmd) Run(a *app) error {
	info, _ := debug.ReadBuildInfo()
	return thisBuild(buildStamp, info).print(a.stdout, c.JSON)
}

func (b build) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(b)
	}
	text := fmt.Sprintf("firebreak %s %s %s/%s\n", b.Version, b.Go, b.OS, b.Arch)
	if b.Commit != "" {
		text += "commit " + b.Commit
		if b.Committed != "" {
			text += " of " + b.Committed
		}
		switch {
		case b.Modified == nil:
			text += ", not known whether modified"
		case *b.Modified:
			text += ", modified"
		default:
			text += ", not modified"
		}
		text += "\n"
	}
	_, err := io.WriteString(w, text)
	return err
}

// buildVersion is the version alone.
func buildVersion() string {
	info, _ := debug.ReadBuildInfo()
	return thisBuild(buildStamp, info).Version
}

// thisBuild is what a stamp says, and without one what the Go tool chain knows; info is nil if it knows nothing.
func thisBuild(stamp string, info *debug.BuildInfo) build {
	b := build{Version: unstamped, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	if stamp != "" {
		b.stamped(stamp)
		return b
	}
	if info == nil {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.Committed = s.Value
		case "vcs.modified":
			b.Modified = truth(s.Value)
		}
	}
	return b
}

func (b *build) stamped(stamp string) {
	fields := append(strings.Split(stamp, ","), "", "", "")
	if fields[0] != "" {
		b.Version = fields[0]
	}
	b.Commit = fields[1]
	if _, err := time.Parse(time.RFC3339, fields[2]); err == nil {
		b.Committed = fields[2]
	}
	b.Modified = truth(fields[3])
}

// truth is nil for what is neither.
func truth(s string) *bool {
	if s != "true" && s != "false" {
		return nil
	}
	is := s == "true"
	return &is
}
