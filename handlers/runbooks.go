package handlers

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// runbooks are those of all failure families, each beside its rules.
//
//go:embed */runbook.md
var runbooks embed.FS

// RunbookNames are the failure families that have a runbook, in order.
func RunbookNames() []string {
	var names []string
	files, _ := fs.Glob(runbooks, "*/runbook.md") // the pattern is well formed, which is all that can go wrong
	for _, file := range files {
		names = append(names, path.Dir(file))
	}
	return names
}

// Runbook is what a failure family does and what a person does when it may not, as Markdown.
func Runbook(name string) (string, error) {
	text, err := runbooks.ReadFile(name + "/runbook.md")
	if err != nil {
		return "", fmt.Errorf("there is no runbook %q, only %s", name, strings.Join(RunbookNames(), ", "))
	}
	return string(text), nil
}
