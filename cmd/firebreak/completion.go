package main

import (
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help is what "firebreak completion --help" teaches.
func (c *completionCmd) Help() string {
	return `Load it where the shell starts:

    bash  source <(firebreak completion bash)
    zsh   source <(firebreak completion zsh)    after compinit
    fish  firebreak completion fish | source

It completes commands, flags, and values where there are only some. It asks no server.`
}

// Run prints the script, made from the same model that reads the command line.
func (c *completionCmd) Run(a *app, k *kong.Context) error {
	spots := spotsOf(k.Model.Node)
	text := ""
	switch c.Shell {
	case "bash":
		text = bashCompletion(spots)
	case "zsh":
		text = zshCompletion(spots)
	case "fish":
		text = fishCompletion(spots)
	}
	_, err := io.WriteString(a.stdout, text)
	return err
}

// spot is where somebody stands on the command line after some commands: "" or "config check".
type spot struct {
	path     string
	commands []completed
	flags    []flag
	// values are what the first argument may be, where there are only some.
	values []string
}

// completed is one word and what it means.
type completed struct{ word, help string }

// flag is one flag, with every way to write it: "--file", "-f".
type flag struct {
	words []string
	help  string
	// takes says that a value follows; values are what it may be, where there are only some.
	takes  bool
	values []string
}

// spotsOf are all spots of a command line, from the root down.
func spotsOf(root *kong.Node) []spot {
	var all []spot
	var visit func(n *kong.Node, path string)
	visit = func(n *kong.Node, path string) {
		p := spot{path: path}
		for _, group := range n.AllFlags(true) {
			for _, f := range group {
				p.flags = append(p.flags, flagOf(f))
			}
		}
		for _, v := range n.Positional[:min(1, len(n.Positional))] {
			p.values = valuesOf(v)
		}
		below := slices.DeleteFunc(slices.Clone(n.Children), func(c *kong.Node) bool { return c.Hidden || c.Type != kong.CommandNode })
		for _, c := range below {
			p.commands = append(p.commands, completed{c.Name, oneLine(c.Help)})
		}
		all = append(all, p)
		for _, c := range below {
			visit(c, strings.TrimSpace(path+" "+c.Name))
		}
	}
	visit(root, "")
	return all
}

func flagOf(f *kong.Flag) flag {
	out := flag{words: []string{"--" + f.Name}, help: oneLine(f.Help), takes: !f.IsBool() && !f.IsCounter(), values: valuesOf(f.Value)}
	if f.Short != 0 {
		out.words = append(out.words, "-"+string(f.Short))
	}
	return out
}

// valuesOf are the values that something may have; nil if it is not a closed set.
func valuesOf(v *kong.Value) []string {
	if v.Enum == "" {
		return nil
	}
	return slices.DeleteFunc(v.EnumSlice(), func(s string) bool { return s == "" })
}

// oneLine is help without line breaks, and without its last full stop.
func oneLine(help string) string {
	return strings.TrimSuffix(strings.Join(strings.Fields(help), " "), ".")
}

// words are all words with which something at a spot may go on.
func (p spot) words() []string {
	var all []string
	for _, c := range p.commands {
		all = append(all, c.word)
	}
	return append(all, p.values...)
}

// taking are the flags of a spot that a value follows, as they are written.
func (p spot) taking() []string {
	var all []string
	for _, f := range p.flags {
		if f.takes {
			all = append(all, f.words...)
		}
	}
	return all
}

// quoted is text as one word of a shell, whatever is in it.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// quotedAll are words of a shell beside each other.
func quotedAll(words []string) string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = quoted(w)
	}
	return strings.Join(all, " ")
}
