package main

import (
	"fmt"
	"strings"
)

// The scripts of bash and zsh walk over the words before the cursor: a word that is a command of the spot so far leads to the next spot,
// and a word behind a flag that takes a value is skipped. What is completed depends on the spot alone.

// bashCompletion is for bash 3.2 and newer, which is what some systems still have.
func bashCompletion(spots []spot) string {
	var out strings.Builder
	out.WriteString(`# bash completion for firebreak. Load it with: source <(firebreak completion bash)
_firebreak() {
  local cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} path= skip= word i
  COMPREPLY=()
  # bash breaks words at "="
  if [[ $cur == "=" ]]; then cur=; elif [[ $before == "=" ]]; then before=${COMP_WORDS[COMP_CWORD-2]}; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ $word == "=" ]]; then skip=1; continue; fi
    if [[ -n $skip ]]; then skip=; continue; fi
`)
	walk(&out, spots, "    ")
	out.WriteString("  done\n  local values=\n  case \"$path|$before\" in\n")
	for _, p := range spots {
		for _, f := range p.flags {
			if len(f.values) == 0 {
				continue
			}
			for _, w := range f.words {
				fmt.Fprintf(&out, "    %s) values=%s ;;\n", quoted(p.path+"|"+w), quoted(strings.Join(f.values, " ")))
			}
		}
	}
	out.WriteString("  esac\n  if [[ -n $values ]]; then COMPREPLY=($(compgen -W \"$values\" -- \"$cur\")); return; fi\n")
	out.WriteString("  if [[ -n $skip ]]; then return; fi\n  local words= flags=\n  case \"$path\" in\n")
	for _, p := range spots {
		var flags []string
		for _, f := range p.flags {
			flags = append(flags, f.words...)
		}
		fmt.Fprintf(&out, "    %s) words=%s flags=%s ;;\n", quoted(p.path), quoted(strings.Join(p.words(), " ")), quoted(strings.Join(flags, " ")))
	}
	out.WriteString(`  esac
  if [[ $cur == -* ]]; then words=$flags; fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _firebreak firebreak
`)
	return out.String()
}

// walk writes the case that one word before the cursor is looked up in.
func walk(out *strings.Builder, spots []spot, indent string) {
	fmt.Fprintf(out, "%scase \"$path|$word\" in\n", indent)
	for _, p := range spots {
		for _, c := range p.commands {
			fmt.Fprintf(out, "%s  %s) path=%s ;;\n", indent, quoted(p.path+"|"+c.word), quoted(strings.TrimSpace(p.path+" "+c.word)))
		}
		if taking := p.taking(); len(taking) > 0 {
			for i, w := range taking {
				taking[i] = quoted(p.path + "|" + w)
			}
			fmt.Fprintf(out, "%s  %s) skip=1 ;;\n", indent, strings.Join(taking, "|"))
		}
	}
	fmt.Fprintf(out, "%sesac\n", indent)
}

// zshCompletion shows what each word means beside it.
func zshCompletion(spots []spot) string {
	var out strings.Builder
	out.WriteString(`#compdef firebreak
# zsh completion for firebreak. Load it after compinit with: source <(firebreak completion zsh)
_firebreak() {
  local place= skip= word i
  local -a known flags
  for ((i = 2; i < CURRENT; i++)); do
    word=$words[i]
    if [[ -n $skip ]]; then skip=; continue; fi
`)
	var walked strings.Builder
	walk(&walked, spots, "    ")
	// "path" is the shell's own in zsh.
	out.WriteString(strings.NewReplacer(`"$path|`, `"$place|`, ") path=", ") place=").Replace(walked.String()))
	out.WriteString("  done\n  case \"$place|$words[CURRENT-1]\" in\n")
	for _, p := range spots {
		for _, f := range p.flags {
			if len(f.values) == 0 {
				continue
			}
			for _, w := range f.words {
				fmt.Fprintf(&out, "    %s) compadd -- %s; return ;;\n", quoted(p.path+"|"+w), quotedAll(f.values))
			}
		}
	}
	out.WriteString("  esac\n  if [[ -n $skip ]]; then _files; return; fi\n  case \"$place\" in\n")
	for _, p := range spots {
		var known, flags []string
		for _, c := range p.commands {
			known = append(known, described(c.word, c.help))
		}
		for _, v := range p.values {
			known = append(known, described(v, ""))
		}
		for _, f := range p.flags {
			for _, w := range f.words {
				flags = append(flags, described(w, f.help))
			}
		}
		fmt.Fprintf(&out, "    %s) known=(%s) flags=(%s) ;;\n", quoted(p.path), quotedAll(known), quotedAll(flags))
	}
	out.WriteString(`  esac
  if [[ $words[CURRENT] == -* ]]; then _describe -o flag flags; return; fi
  if (( $#known )); then _describe command known; return; fi
  _files
}
compdef _firebreak firebreak
`)
	return out.String()
}

// described is a word with its meaning, as _describe takes it: what stands before the first colon is the word.
func described(word, help string) string {
	word = strings.ReplaceAll(word, ":", `\:`)
	if help == "" {
		return word
	}
	return word + ":" + help
}

// fishCompletion is a list of what may come where; fish itself knows which flags are followed by a value.
func fishCompletion(spots []spot) string {
	var out strings.Builder
	out.WriteString(`# fish completion for firebreak. Load it with: firebreak completion fish | source
function __firebreak_place
    set -l path ''
    set -l skip ''
    for word in (commandline -opc)[2..-1]
        if test -n "$skip"
            set skip ''
            continue
        end
        switch "$path|$word"
`)
	for _, p := range spots {
		for _, c := range p.commands {
			fmt.Fprintf(&out, "            case %s\n                set path %s\n", quoted(p.path+"|"+c.word), quoted(strings.TrimSpace(p.path+" "+c.word)))
		}
		if taking := p.taking(); len(taking) > 0 {
			for i, w := range taking {
				taking[i] = p.path + "|" + w
			}
			fmt.Fprintf(&out, "            case %s\n                set skip 1\n", quotedAll(taking))
		}
	}
	out.WriteString("        end\n    end\n    test \"$path\" = \"$argv[1]\"\nend\n")
	for _, p := range spots {
		at := "complete -c firebreak -n " + quoted("__firebreak_place "+quoted(p.path))
		for _, c := range p.commands {
			fmt.Fprintf(&out, "%s -f -a %s -d %s\n", at, quoted(c.word), quoted(c.help))
		}
		if len(p.values) > 0 {
			fmt.Fprintf(&out, "%s -f -a %s\n", at, quoted(strings.Join(p.values, " ")))
		}
		for _, f := range p.flags {
			out.WriteString(at)
			for _, w := range f.words {
				if long, ok := strings.CutPrefix(w, "--"); ok {
					out.WriteString(" -l " + long)
				} else {
					out.WriteString(" -s " + strings.TrimPrefix(w, "-"))
				}
			}
			switch {
			case len(f.values) > 0:
				fmt.Fprintf(&out, " -x -a %s", quoted(strings.Join(f.values, " ")))
			case f.takes:
				out.WriteString(" -r")
			}
			fmt.Fprintf(&out, " -d %s\n", quoted(f.help))
		}
	}
	return out.String()
}
