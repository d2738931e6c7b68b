package haproxy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// carriedBy is how much older than the process a state must be to count as carried over: HAProxy rounds both to seconds.
const carriedBy = 2 * time.Second

// MarkKind is one of the two marks that a server can carry.
type MarkKind string

// The marks.
const (
	// Held says whose change the server's state is.
	Held MarkKind = "held"
	// Claim says who is about to change it.
	Claim MarkKind = "claim"
)

// Mark is a mark of one server.
type Mark struct {
	Kind   MarkKind
	Server string
	// Value is letters, digits and "." "_" "-", up to 128 bytes; empty takes the mark away.
	Value string
}

// View is a backend at one moment.
type View struct {
	Servers []Server
	// Uptime is the age of the process, in whole seconds.
	Uptime time.Duration

	marks map[string]string // values by the name of the variable
	names map[Mark]string   // names of the variables; the key has no value
}

// Find is the server with this name.
func (v View) Find(name string) (Server, bool) {
	for _, s := range v.Servers {
		if s.Name == name {
			return s, true
		}
	}
	return Server{}, false
}

// Mark is the value of a mark; empty if there is none.
func (v View) Mark(kind MarkKind, server string) string {
	return v.marks[v.names[Mark{Kind: kind, Server: server}]]
}

// Carried says that the server came into its state before this process was started: the state was kept over a reload.
func (v View) Carried(s Server) bool { return s.Since > v.Uptime+carriedBy }

// Servers are the servers of a backend at this moment.
func (c *Client) Servers(ctx context.Context, backend string) ([]Server, error) {
	v, err := c.Look(ctx, backend, nil)
	return v.Servers, err
}

// Look reads a backend, and the marks of the named servers, in one line. Nothing is changed by it.
func (c *Client) Look(ctx context.Context, backend string, marksOf []string) (View, error) {
	v, err := c.run(ctx, backend, marksOf, nil)
	if err != nil {
		return View{}, fmt.Errorf("look at backend %s: %w", backend, err)
	}
	return v, nil
}

// SetState sets a server's state, whoever set the present one.
func (c *Client) SetState(ctx context.Context, backend, server string, to State) error {
	_, err := c.Change(ctx, backend, server, to, nil, nil)
	return err
}

// Change writes marks, sets the server's state unless to is empty, and reads the backend back, in one line. Marks are written before a
// server is taken out, and after it is set to ready: what is out carries its mark, wherever HAProxy stops.
// When HAProxy said something against a part of it, the error is [ErrSaid] and the view is still what was read back,
// unless the view has no servers.
func (c *Client) Change(ctx context.Context, backend, server string, to State, marks []Mark, marksOf []string) (View, error) {
	writes, err := changes(backend, server, to, marks)
	if err != nil {
		return View{}, fmt.Errorf("change %s/%s: %w: %w", backend, server, ErrNotSent, err)
	}
	v, err := c.run(ctx, backend, marksOf, writes)
	if err != nil {
		return v, fmt.Errorf("change %s/%s: %w", backend, server, err)
	}
	return v, nil
}

// changes are the commands of a change. Names are written as they are, so they must be plain.
func changes(backend, server string, to State, marks []Mark) ([]string, error) {
	if !plain(backend, 255) || !plain(server, 255) {
		return nil, fmt.Errorf("%.40q or %.40q is no name", backend, server)
	}
	var set, writes []string
	switch to {
	case "":
	case StateReady, StateDrain, StateMaint:
		set = append(set, fmt.Sprintf("set server %s/%s state %s", backend, server, to))
	default:
		return nil, fmt.Errorf("%.40q is no state", string(to))
	}
	if len(marks) > 0 {
		writes = append(writes, "experimental-mode on")
	}
	for _, m := range marks {
		if m.Value != "" && (!plain(m.Value, 128) || strings.Contains(m.Value, ":")) {
			return nil, fmt.Errorf("%.40q cannot be a mark", m.Value)
		}
		writes = append(writes, fmt.Sprintf("set var %s str(%s)", variable(m.Kind, backend, m.Server), m.Value))
	}
	if to == StateReady {
		return append(set, writes...), nil
	}
	return append(writes, set...), nil
}

// run sends the writes and what reads everything back. The view is empty where the answer cannot be read.
func (c *Client) run(ctx context.Context, backend string, marksOf, writes []string) (View, error) {
	if !plain(backend, 255) {
		return View{}, fmt.Errorf("%w: %.40q is no name of a backend", ErrNotSent, backend)
	}
	line, asked := writes, map[Mark]string{}
	for _, server := range marksOf {
		for _, kind := range []MarkKind{Held, Claim} {
			name := variable(kind, backend, server)
			asked[Mark{Kind: kind, Server: server}] = name
			line = append(line, "get var "+name)
		}
	}
	line = append(line, "show servers state "+backend, "show stat "+backend+" 4 -1", "show info")
	text, err := c.send(ctx, line...)
	if err != nil {
		return View{}, err
	}
	a := split(text)
	v, err := a.view(backend, asked)
	if len(a.said) > 0 { // it explains why a part is missing, so it comes first
		err = errors.Join(fmt.Errorf("%w: %.300s", ErrSaid, strings.Join(slices.Compact(a.said), "; ")), err)
	}
	return v, err
}

// answer is the answer to a line, taken apart.
type answer struct {
	state, statistics, info string
	marks                   map[string]string
	unset                   int
	said                    []string
}

// split takes an answer apart. A block ends with an empty line; what belongs to none is what HAProxy said.
func split(text string) answer {
	a := answer{marks: map[string]string{}}
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		var block *string
		switch {
		case line == "":
			continue
		case line == "Variable not found.":
			a.unset++
			continue
		case i+1 < len(lines) && strings.HasPrefix(lines[i+1], "# be_id "):
			block = &a.state
		case strings.HasPrefix(line, "# pxname,"):
			block = &a.statistics
		case strings.HasPrefix(line, "Name: "):
			block = &a.info
		default:
			if name, value, ok := readVariable(line); ok {
				a.marks[name] = value
			} else {
				a.said = append(a.said, line)
			}
			continue
		}
		end := i
		for end < len(lines) && lines[end] != "" {
			end++
		}
		// The last piece of a text that ends in a line feed is empty: only a block that was cut off runs up to the end.
		if end < len(lines)-1 {
			*block = strings.Join(lines[i:end], "\n")
		}
		i = end
	}
	return a
}

// view is what was read back. Whatever was asked and not answered makes it an error.
func (a answer) view(backend string, asked map[Mark]string) (View, error) {
	if a.state == "" || a.statistics == "" || a.info == "" {
		return View{}, errors.New("read answer: a part of it is missing")
	}
	if len(a.marks)+a.unset != len(asked) {
		return View{}, fmt.Errorf("read answer: %d marks were asked for, %d answered", len(asked), len(a.marks)+a.unset)
	}
	servers, err := parseState(a.state, backend)
	if err != nil {
		return View{}, err
	}
	if err := addStatistics(servers, a.statistics, backend); err != nil {
		return View{}, err
	}
	v := View{Servers: servers, marks: a.marks, names: asked}
	for line := range strings.SplitSeq(a.info, "\n") {
		if seconds, ok := strings.CutPrefix(line, "Uptime_sec: "); ok {
			n, err := strconv.ParseUint(seconds, 10, 31)
			if err != nil {
				return View{}, fmt.Errorf("read age of haproxy: %w", err)
			}
			v.Uptime = time.Duration(n) * time.Second
			return v, nil
		}
	}
	return View{}, errors.New("read age of haproxy: it does not say")
}
