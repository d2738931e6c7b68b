package sessiondrift

import _ "embed" // for the runbook, which goes where the rules go

//go:embed runbook.md
var runbook string

// Runbook is what this handler does and what a person does when it may not, as Markdown.
func Runbook() string { return runbook }
