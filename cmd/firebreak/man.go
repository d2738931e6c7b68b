package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type manCmd struct{}

// Help is what "firebreak man --help" teaches.
func (manCmd) Help() string {
	return `Read it with: firebreak man | man -l -
Install it with: firebreak man > /usr/local/share/man/man1/firebreak.1`
}

// Run prints the page, made from the same model that reads the command line.
func (manCmd) Run(a *app, k *kong.Context) error {
	m := manual{}
	m.page(k.Model.Node)
	_, err := io.WriteString(a.stdout, m.String())
	return err
}

// manual is a page in the language of man(7).
type manual struct{ strings.Builder }

func (m *manual) page(root *kong.Node) {
	// The page carries no date: the same build prints the same bytes.
	m.macro("TH", strings.ToUpper(root.Name), "1", "", root.Name, "User Commands")
	m.macro("SH", "NAME")
	m.text(root.Name + " - answer alerts with small changes that undo themselves")
	m.macro("SH", "SYNOPSIS")
	m.macro("B", root.Name)
	m.text("command [flags]")
	m.macro("SH", "DESCRIPTION")
	m.text(root.Help)
	m.macro("SH", "COMMANDS")
	variables := map[string]string{}
	for _, leaf := range root.Leaves(true) {
		m.command(leaf, variables)
	}
	m.macro("SH", "EXIT STATUS")
	for _, s := range []completed{{"0", "Done."}, {"1", "Not done, or the answer is no; stderr says why."}, {"2", "Called wrongly."}} {
		m.macro("TP")
		m.macro("B", s.word)
		m.text(s.help)
	}
	m.macro("SH", "ENVIRONMENT")
	names := make([]string, 0, len(variables))
	for name := range variables {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		m.macro("TP")
		m.macro("B", name)
		m.text(variables[name])
	}
	m.macro("TP")
	m.macro("B", "NO_COLOR")
	m.text("If it is set nothing is coloured, also not on a terminal.")
}

// command is one command with its flags, and the variables that stand for flags.
func (m *manual) command(n *kong.Node, variables map[string]string) {
	m.macro("SS", n.FullPath()+arguments(n))
	m.text(n.Help)
	if n.Detail != "" {
		m.macro("PP")
		m.macro("nf")
		for line := range strings.Lines(n.Detail) {
			m.text(strings.TrimRight(line, "\n"))
		}
		m.macro("fi")
	}
	for _, v := range n.Positional {
		m.macro("TP")
		m.macro("I", v.Name)
		m.text(v.Help)
	}
	for _, f := range n.Flags {
		if f.Hidden {
			continue
		}
		m.macro("TP")
		name := "--" + f.Name
		if f.Short != 0 {
			name = "-" + string(f.Short) + ", " + name
		}
		if !f.IsBool() {
			name += "=" + f.FormatPlaceHolder()
		}
		m.macro("B", name)
		m.text(f.Help)
		if variable := f.Tag.Get("from"); variable != "" {
			variables[variable] = "What --" + f.Name + " is where it is not written. " + f.Help
		}
	}
}

// arguments are what a command takes besides flags, as its summary shows them.
func arguments(n *kong.Node) string {
	out := ""
	for _, v := range n.Positional {
		out += " " + v.Summary()
	}
	return out
}

// macro writes a request with its arguments, each quoted.
func (m *manual) macro(name string, args ...string) {
	m.WriteString("." + name)
	for _, a := range args {
		m.WriteString(` "` + strings.ReplaceAll(escaped(a), `"`, `\(dq`) + `"`)
	}
	m.WriteString("\n")
}

// text writes one line that is no request, whatever it begins with.
func (m *manual) text(line string) {
	line = escaped(line)
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		line = `\&` + line
	}
	fmt.Fprintln(m, line)
}

// escaped is text in which nothing has a meaning of its own. A hyphen is written so that what is copied is what was typed.
func escaped(text string) string { return strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text) }
