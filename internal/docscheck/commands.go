package docscheck

import (
	"slices"
	"strings"
)

// Command is a call of the program in a page.
type Command struct {
	// Page and Line are where it stands.
	Page string
	Line int
	// Args are what follows the program's name.
	Args []string
	// Whole says that it stands in a block that is copied, and not in a sentence, which may leave arguments out.
	Whole bool
}

// Commands are all calls of a program in a page, by its name or as "go run" of its folder: in blocks, and as code in sentences.
func (p Page) Commands(program string) []Command {
	var all []Command
	for i := 0; i < len(p.Lines); i++ {
		l := p.Lines[i]
		switch l.Kind {
		case Prose:
			code, _ := spans(l.Text)
			for _, text := range code {
				all = append(all, p.calls(program, l.Number, text, false)...)
			}
		case Code, Session:
			text, typed := strings.CutPrefix(l.Text, "$ ")
			if l.Kind == Session && !typed {
				continue
			}
			for strings.HasSuffix(text, `\`) && i+1 < len(p.Lines) && p.Lines[i+1].Kind == l.Kind {
				i++
				text = strings.TrimSuffix(text, `\`) + p.Lines[i].Text
			}
			all = append(all, p.calls(program, l.Number, text, true)...)
		case Fence:
		}
	}
	return all
}

// calls are those in one line of a shell.
func (p Page) calls(program string, line int, text string, whole bool) []Command {
	var all []Command
	for _, words := range split(text) {
		for len(words) > 0 && (words[0] == "sudo" || assignment(words[0])) {
			words = words[1:]
		}
		if len(words) > 2 && words[0] == "go" && words[1] == "run" {
			words = words[2:]
		}
		if len(words) > 0 && slices.Contains([]string{program, "./" + program, "./cmd/" + program}, words[0]) {
			all = append(all, Command{Page: p.Path, Line: line, Args: words[1:], Whole: whole})
		}
	}
	return all
}

// assignment says that a word sets a variable for the command after it.
func assignment(word string) bool {
	name, _, found := strings.Cut(word, "=")
	return found && name != "" && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") == ""
}

// shell parts a line into commands and words, for what documentation has: quotes, comments, pipes, redirections and substitutions.
type shell struct {
	commands [][]string
	words    []string
	word     strings.Builder
	begun    bool // a word has begun, be it empty
	skip     bool // the next word is a file of a redirection
}

// split returns the words of each command of a line. A substitution stays as it is in its word; one of a process is a command of its own.
func split(line string) [][]string {
	var s shell
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\'' || c == '"':
			end := strings.IndexByte(line[i+1:], c)
			if end < 0 {
				end = len(line) - i - 1
			}
			s.word.WriteString(line[i+1 : i+1+end])
			s.begun, i = true, i+1+end
		case c == '\\' && i+1 < len(line):
			i++
			s.word.WriteByte(line[i])
			s.begun = true
		case c == '$' && strings.HasPrefix(line[i:], "$(") && strings.Contains(line[i:], ")"):
			end := strings.IndexByte(line[i:], ')')
			s.word.WriteString(line[i : i+end+1])
			s.begun, i = true, i+end
		case c == '#' && !s.begun:
			s.endCommand()
			return s.commands
		case c == ' ' || c == '\t':
			s.endWord()
		case strings.HasPrefix(line[i:], "<(") || strings.HasPrefix(line[i:], ">("):
			i++
			s.endCommand()
		case c == '<' || c == '>':
			if strings.Trim(s.word.String(), "0123456789") == "" {
				s.word.Reset() // the number of a stream, as in 2>&1
				s.begun = false
			}
			s.endWord()
			s.skip = true
			if strings.HasPrefix(line[i+1:], "&") {
				i++
			}
		case strings.IndexByte("|&;)", c) >= 0:
			s.endCommand()
		default:
			s.word.WriteByte(c)
			s.begun = true
		}
	}
	s.endCommand()
	return s.commands
}

func (s *shell) endWord() {
	if s.begun && !s.skip {
		s.words = append(s.words, s.word.String())
	}
	if s.begun {
		s.skip = false
	}
	s.word.Reset()
	s.begun = false
}

func (s *shell) endCommand() {
	s.endWord()
	if len(s.words) > 0 {
		s.commands = append(s.commands, s.words)
	}
	s.words, s.skip = nil, false
}
